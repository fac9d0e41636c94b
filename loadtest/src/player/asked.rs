//! The requests of a connection that are not answered yet. Every request carries an id, so each gets exactly one
//! answer.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Unanswered;

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

    /// The messages that were not answered, in the order in which they were sent.
    pub(super) fn into_messages(self) -> Vec<Unanswered> {
        let messages = self.requests.into_values().filter_map(|request| match request {
            Request::Send { subscription, message, .. } => Some(Unanswered { message, subscription }),
            Request::Join { .. } | Request::Leave { .. } => None,
        });
        let mut messages: Vec<Unanswered> = messages.collect();
        messages.sort_unstable_by_key(|unanswered| unanswered.message);
        messages
    }
}
