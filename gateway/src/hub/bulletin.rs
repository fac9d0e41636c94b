//! Presence and receipts of a room between two frames: at most one frame per room and interval.

use hubbub_shared::{Position, UserId};
use indexmap::IndexMap;

use super::event::PresenceUpdate;
use crate::broker::{Author, PresenceChange};
use crate::ids::ConnectionId;

/// The last thing that is known of a user since the last frame.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Joined(Author),
    Left,
}

/// A read marker that moved, and the connection that moved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedMarker {
    /// Where it stands.
    pub pos: Position,
    /// Who needs no word of it.
    pub by: Option<ConnectionId>,
}

/// What waits to be told about a room.
#[derive(Debug, Default)]
pub struct Bulletin {
    changes: IndexMap<UserId, Change, ahash::RandomState>,
    count: Option<u64>,
    missed: bool,
    last_count: u64,
    markers: IndexMap<UserId, MovedMarker, ahash::RandomState>,
    scheduled: bool,
}

impl Bulletin {
    /// Notes that somebody came or went. Answers whether a frame is to be scheduled.
    pub fn note_presence(&mut self, change: PresenceChange) -> bool {
        let user = change.member.user.clone();
        // The last word counts, also when it undoes an earlier one: a page of members may have shown the earlier.
        self.changes.insert(user, if change.present { Change::Joined(change.member) } else { Change::Left });
        self.count = Some(change.count);
        self.last_count = change.count;
        self.schedule()
    }

    /// Notes that the bus may have lost changes. Answers whether a frame is to be scheduled.
    pub fn note_missed(&mut self) -> bool {
        self.missed = true;
        self.count.get_or_insert(self.last_count);
        self.schedule()
    }

    /// Notes that a marker moved. Answers whether a frame is to be scheduled.
    pub fn note_receipt(&mut self, user: UserId, marker: MovedMarker) -> bool {
        self.markers.insert(user, marker);
        self.schedule()
    }

    /// How many users were in the room when it was told last.
    pub fn last_count(&self) -> u64 {
        self.last_count
    }

    /// The presence store has answered how many users are in the room.
    pub fn learn_count(&mut self, count: u64) {
        self.last_count = count;
    }

    fn schedule(&mut self) -> bool {
        !std::mem::replace(&mut self.scheduled, true)
    }

    /// Takes everything that waits.
    pub fn take(&mut self) -> (Option<PresenceUpdate>, IndexMap<UserId, MovedMarker, ahash::RandomState>) {
        self.scheduled = false;
        let resync = std::mem::take(&mut self.missed);
        let update = self.count.take().map(|count| {
            let mut update = PresenceUpdate { count, resync, ..PresenceUpdate::default() };
            for (user, change) in self.changes.drain(..) {
                match change {
                    Change::Joined(author) => update.joined.push(author),
                    Change::Left => update.left.push(user),
                }
            }
            update
        });
        (update, std::mem::take(&mut self.markers))
    }
}
