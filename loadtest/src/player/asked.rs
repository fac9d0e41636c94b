//! The requests of a connection that are not answered yet. Every request carries an id, so each gets exactly one
//! answer.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// A request, with what is needed when its answer comes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    Join {
        subscription: usize,
        at: Instant,
    },
    Leave {
        subscription: usize,
    },
    Send {
        subscription: usize,
        message: u64,
        /// When it was due, unless its sender was away then.
        due: Option<Duration>,
        /// The turn of the subscription that will find the room joined.
        turn: Option<u32>,
    },
}

/// The unanswered requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The id of the last request; `hello` was 0.
    last: u32,
    requests: HashMap<u32, Request>,
}

impl Asked {
    /// Remembers a request and gives it an id.
    pub(super) fn ask(&mut self, request: Request) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.requests.insert(self.last, request);
        self.last
    }

    /// The request that an answer belongs to; each is answered once.
    pub(super) fn answered(&mut self, id: Option<u32>) -> Option<Request> {
        self.requests.remove(&id?)
    }

    /// Whether nothing is unanswered.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Messages that were not answered, by number, with their subscription.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u64, usize)> {
        self.requests.values().filter_map(|request| match request {
            Request::Send { subscription, message, .. } => Some((*message, *subscription)),
            Request::Join { .. } | Request::Leave { .. } => None,
        })
    }
}
