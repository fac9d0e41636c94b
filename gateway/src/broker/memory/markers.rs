//! How far the users of a room have read.

use std::collections::HashMap;

use hubbub_shared::{Position, UserId};

use super::log::{Log, Relation};

/// What a marker takes in memory beside the user's id, in bytes.
const MARKER_BYTES: u64 = 168;

/// The read markers of a room.
#[derive(Debug, Default)]
pub(super) struct Markers {
    of: HashMap<UserId, Stored, ahash::RandomState>,
    bytes: u64,
}

#[derive(Debug)]
struct Stored {
    pos: Position,
    /// Messages up to and including the marker.
    count: u64,
    moved_ms: u64,
}

impl Markers {
    /// Where a user's marker stands, and the messages up to it. One of a log that is gone moves to the head for good,
    /// so that what comes after is unread again.
    pub(super) fn get(&mut self, user: &UserId, log: &Log) -> (Position, u64) {
        let Some(stored) = self.of.get_mut(user) else { return (Position::start(), 0) };
        if log.relation(&stored.pos) == Relation::Foreign {
            (stored.pos, stored.count) = (log.head().pos, log.count());
        }
        (stored.pos.clone(), stored.count)
    }

    /// Moves a user's marker forward; answers where it stands now and whether it moved.
    pub(super) fn advance(&mut self, user: &UserId, pos: &Position, log: &Log, now_ms: u64) -> (Position, bool) {
        let (pos, count) = match log.relation(pos) {
            Relation::Foreign => (log.head().pos, log.count()),
            Relation::Proven | Relation::Passed => (pos.clone(), log.count_at(pos.seq)),
        };
        let (current, _) = self.get(user, log);
        if pos.seq <= current.seq {
            return (current, false);
        }
        let stored = Stored { pos: pos.clone(), count, moved_ms: now_ms };
        if self.of.insert(user.clone(), stored).is_none() {
            self.bytes += cost_bytes(user);
        }
        (pos, true)
    }

    pub(super) fn has(&self, user: &UserId) -> bool {
        self.of.contains_key(user)
    }

    /// Drops the markers that have not moved for so long and stand before everything that is kept: without them as
    /// much is unread as with them.
    pub(super) fn forget(&mut self, log: &Log, now_ms: u64, kept_ms: u64) {
        let first_seq = log.first_seq();
        self.of.retain(|user, stored| {
            let keep = stored.pos.seq >= first_seq || now_ms.saturating_sub(stored.moved_ms) < kept_ms;
            if !keep {
                self.bytes -= cost_bytes(user);
            }
            keep
        });
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

pub(super) fn cost_bytes(user: &UserId) -> u64 {
    MARKER_BYTES + user.as_str().len() as u64
}
