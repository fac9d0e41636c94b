//! How often something happened, by name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Counts of things that are named as they come, like error codes. For what is rare.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    pub(crate) fn add(&self, name: &str) {
        let mut counts = self.0.lock();
        if let Some(count) = counts.get_mut(name) {
            *count += 1;
        } else {
            counts.insert(name.to_owned(), 1);
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.0.lock().clone()
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened to the messages and connections of a run.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// Messages handed to a socket, for the first time.
    pub(crate) sent: Count,
    /// `sent` that named an earlier entry.
    pub(crate) duplicates: Count,
    /// Messages that were answered with an error.
    pub(crate) refused: Count,
    /// Messages that were sent again with the same key, because their connection had ended first.
    pub(crate) sent_again: Count,
    /// Entries that came to anybody, replayed or live.
    pub(crate) deliveries: Count,
    /// Connections that were opened and welcomed.
    pub(crate) welcomed: Count,
    /// Times a churning client left and rejoined a room, or disconnected and resumed.
    pub(crate) churned: Count,
    /// `error` frames by code.
    pub(crate) errors: Tally,
    /// Ends of connections that the gateway or the network made, by code.
    pub(crate) closes: Tally,
    /// Connections that could not be opened, by reason.
    pub(crate) failures: Tally,
    /// What the gateway said of itself: `draining`, `degraded`, `restored`, `removed`.
    pub(crate) notices: Tally,
    /// Frames that the protocol does not allow where they came.
    pub(crate) breaches: Tally,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_counted_by_their_names() {
        let tally = Tally::default();
        tally.add("gone");
        tally.add("gone");
        tally.add("internal");
        assert_eq!(
            tally.counts().into_iter().collect::<Vec<_>>(),
            [("gone".to_owned(), 2), ("internal".to_owned(), 1)]
        );
    }
}
