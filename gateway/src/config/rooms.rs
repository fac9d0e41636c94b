//! `[[rooms]]`: the kinds of rooms. The first whose pattern matches a room's name holds.

use std::collections::HashSet;
use std::fmt;

use hubbub_shared::UserId;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::auth::policy::{RoomPolicy, Who};
use crate::broker::Retention;
use crate::config::text;
use crate::grants::Pattern;
use crate::kinds::{Kind, Kinds};

/// One kind of rooms: what is kept of them, what is told about them, and who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomKindConfig {
    /// The names of the rooms that are of this kind; `match` in the file, where it must stand.
    #[serde(rename = "match", default = "no_room", deserialize_with = "text::pattern")]
    pub pattern: Pattern,
    /// Entries that a room keeps.
    pub keep_entries: u64,
    /// Bytes of entries that a room keeps.
    pub keep_bytes: u64,
    /// How long a room keeps an entry.
    pub keep_s: u64,
    /// Whether members see who is in the room.
    pub presence: bool,
    /// Above this number of members, presence is told as a count alone.
    pub presence_count_only_above: u64,
    /// Above this number of members, a read marker is told only to the reader's own connections.
    pub receipts_max_members: usize,
    /// Who may join, and read history, members and markers.
    #[serde(deserialize_with = "who")]
    pub join: Who,
    /// Who may send, react and signal, and edit and delete messages of their own.
    #[serde(deserialize_with = "who")]
    pub send: Who,
    /// Who may moderate, and edit and delete anyone's messages.
    #[serde(deserialize_with = "who")]
    pub moderate: Who,
    /// How long a user waits between two messages; 0: not at all.
    pub slow_mode_ms: u64,
}

impl Default for RoomKindConfig {
    fn default() -> Self {
        Self {
            pattern: Pattern::new("*"),
            keep_entries: 1_000,
            keep_bytes: 1_048_576,
            keep_s: 604_800,
            presence: true,
            presence_count_only_above: 500,
            receipts_max_members: 500,
            join: Who::Everyone,
            send: Who::Everyone,
            moderate: Who::Nobody,
            slow_mode_ms: 0,
        }
    }
}

/// While faults are collected, a kind whose `match` is missing or broken stands in nobody's way.
fn no_room() -> Pattern {
    Pattern::new("")
}

impl RoomKindConfig {
    fn kind(&self) -> Kind {
        let Self { join, send, moderate, .. } = self.clone();
        let age_ms = self.keep_s.saturating_mul(1_000);
        Kind {
            policy: RoomPolicy { join, send, moderate },
            retention: Retention { entries: self.keep_entries, bytes: self.keep_bytes, age_ms },
            slow_mode_ms: self.slow_mode_ms,
            presence: self.presence,
            presence_count_only_above: self.presence_count_only_above,
            receipts_max_members: self.receipts_max_members,
        }
    }
}

/// The kinds of rooms in the order of the file; the defaults where none matches.
pub(super) fn kinds(kinds: &[RoomKindConfig]) -> Kinds {
    let in_order = kinds.iter().map(|kind| (kind.pattern.clone(), kind.kind())).collect();
    Kinds::new(in_order, RoomKindConfig::default().kind())
}

fn who<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Who, D::Error> {
    deserializer.deserialize_any(WhoVisitor)
}

struct WhoVisitor;

impl<'de> Visitor<'de> for WhoVisitor {
    type Value = Who;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"everyone\", \"users\", \"nobody\" or a list of user ids")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Who, E> {
        match text {
            "everyone" => Ok(Who::Everyone),
            "users" => Ok(Who::Users),
            "nobody" => Ok(Who::Nobody),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Who, A::Error> {
        let mut users = HashSet::new();
        while let Some(user) = list.next_element::<UserId>()? {
            users.insert(user);
        }
        Ok(Who::Only(users))
    }
}
