//! The keys that a room has seen within the dedupe window.

use std::collections::{HashMap, VecDeque};

use hubbub_shared::Position;

use crate::broker::{DedupeKey, DedupeScope};

/// What a key takes in memory beside its own text and its scope's, in bytes: a place in the table and one in the queue.
const KEY_BYTES: u64 = 224;

/// The keys of a room. Each counts for exactly one window after it was first used, however often it is used again.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: HashMap<DedupeKey, First, ahash::RandomState>,
    /// In the order in which they will be forgotten.
    oldest_first: VecDeque<(u64, DedupeKey)>,
    bytes: u64,
}

/// What the first request with a key was answered.
#[derive(Debug, Clone)]
pub(super) struct First {
    pub(super) pos: Position,
    pub(super) time_ms: u64,
}

impl Keys {
    pub(super) fn get(&mut self, key: &DedupeKey, now_ms: u64, window_ms: u64) -> Option<&First> {
        self.forget(now_ms, window_ms);
        self.known.get(key)
    }

    /// Remembers a key. One that was known for a log that is gone begins a new window.
    pub(super) fn insert(&mut self, key: DedupeKey, first: First, now_ms: u64) {
        let cost_bytes = cost_bytes(&key);
        if self.known.insert(key.clone(), first).is_some() {
            self.oldest_first.retain(|(_, known)| *known != key);
        } else {
            self.bytes += cost_bytes;
        }
        self.oldest_first.push_back((now_ms, key));
    }

    /// Forgets the keys whose window is over.
    pub(super) fn forget(&mut self, now_ms: u64, window_ms: u64) {
        while let Some((_, key)) =
            self.oldest_first.pop_front_if(|(since_ms, _)| now_ms.saturating_sub(*since_ms) >= window_ms)
        {
            self.known.remove(&key);
            self.bytes -= cost_bytes(&key);
        }
    }

    /// Gives back what a burst left allocated.
    pub(super) fn shrink(&mut self) {
        if self.known.capacity() > 4 * self.known.len() + 64 {
            self.known.shrink_to(2 * self.known.len());
            self.oldest_first.shrink_to(2 * self.known.len());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

pub(super) fn cost_bytes(key: &DedupeKey) -> u64 {
    let scope = match &key.scope {
        DedupeScope::User(user) => user.as_str().len(),
        DedupeScope::Api(name) => name.len(),
    };
    KEY_BYTES + (key.key.len() + scope) as u64
}
