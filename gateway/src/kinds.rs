//! Kinds of rooms: which rules hold in a room, by its name.

use std::sync::Arc;

use hubbub_shared::RoomName;

use crate::auth::policy::RoomPolicy;
use crate::broker::Retention;
use crate::grants::Pattern;

/// The rules of a kind of rooms.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// Who may do what, unless the user's credential says otherwise.
    pub policy: RoomPolicy,
    /// How much is kept.
    pub retention: Retention,
    /// The least time between two messages of one member, in milliseconds; 0 for none.
    pub slow_mode_ms: u64,
    /// Whether the room knows who is in it.
    pub presence: bool,
    /// Above so many members presence frames carry only the count.
    pub presence_count_only_above: u64,
    /// Above so many connections receipts go only to the user's own.
    pub receipts_max_members: usize,
}

/// All kinds, in the order in which they are tried; the last one matches every room.
#[derive(Debug, Clone)]
pub struct Kinds {
    kinds: Vec<(Pattern, Arc<Kind>)>,
    fallback: Arc<Kind>,
}

impl Kinds {
    /// The first pattern that matches decides; `fallback` where none does.
    pub fn new(kinds: Vec<(Pattern, Kind)>, fallback: Kind) -> Self {
        let kinds = kinds.into_iter().map(|(pattern, kind)| (pattern, Arc::new(kind))).collect();
        Self { kinds, fallback: Arc::new(fallback) }
    }

    /// The kind of a room.
    pub fn of(&self, room: &RoomName) -> Arc<Kind> {
        let found = self.kinds.iter().find(|(pattern, _)| pattern.matches(room.as_str()));
        found.map_or_else(|| self.fallback.clone(), |(_, kind)| kind.clone())
    }
}
