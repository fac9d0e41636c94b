//! The requests of a connection that are not answered yet. Every request carries an id, so each gets exactly one
//! answer.

use std::collections::VecDeque;
use std::time::Instant;

/// A request, with what is needed when its answer comes. Subscriptions are those of the client, by their number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    Join {
        subscription: usize,
        at: Instant,
    },
    Leave {
        subscription: usize,
    },
    Members {
        subscription: usize,
    },
    Send {
        subscription: usize,
        message: u64,
        /// When it was due, unless its sender was away then as the scenario wanted.
        due: Option<Instant>,
        /// The turn of the subscription that will find the room joined.
        turn: Option<u32>,
    },
}

/// A message whose connection ended before it was answered: it is sent again with the same key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unanswered {
    pub(super) message: u64,
    /// Which of the client's subscriptions it is for.
    pub(super) subscription: usize,
    /// When it was due; its latencies still count from there.
    pub(super) due: Option<Instant>,
}

/// The unanswered requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The id of the last request; `hello` was 0.
    last: u32,
    /// Mostly answered in the order in which they were asked.
    requests: VecDeque<(u32, Request)>,
}

impl Asked {
    /// Remembers a request and gives it an id.
    pub(super) fn ask(&mut self, request: Request) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.requests.push_back((self.last, request));
        self.last
    }

    /// The request that an answer belongs to; each is answered once.
    pub(super) fn answered(&mut self, id: Option<u32>) -> Option<Request> {
        let id = id?;
        let at = self.requests.iter().position(|(asked, _)| *asked == id)?;
        let (_, request) = self.requests.remove(at)?;
        if self.requests.is_empty() {
            // Most clients are silent most of the time, and there may be a million of them.
            self.requests = VecDeque::new();
        }
        Some(request)
    }

    /// When a join was asked for that is answered now, in a language that has no ids.
    pub(super) fn joined(&mut self, subscription: usize) -> Option<Instant> {
        let is_it =
            |request: &Request| matches!(request, Request::Join { subscription: each, .. } if *each == subscription);
        let (id, _) = self.requests.iter().find(|(_, request)| is_it(request))?;
        match self.answered(Some(*id))? {
            Request::Join { at, .. } => Some(at),
            Request::Leave { .. } | Request::Members { .. } | Request::Send { .. } => None,
        }
    }

    /// Whether nothing is unanswered.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The messages that were not answered, in the order in which they were sent.
    pub(super) fn into_messages(self) -> Vec<Unanswered> {
        let messages = self.requests.into_iter().filter_map(|(_, request)| match request {
            Request::Send { subscription, message, due, .. } => Some(Unanswered { message, subscription, due }),
            Request::Join { .. } | Request::Leave { .. } | Request::Members { .. } => None,
        });
        messages.collect()
    }
}
