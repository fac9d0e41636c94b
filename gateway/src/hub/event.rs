//! What a subscription carries, before any wire language.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hubbub_shared::server_frame::{RemovedReason, ResetReason};
use hubbub_shared::{Data, Position, RoomName, UserId};

use crate::broker::{Author, Entry};

/// One thing that happens on a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An entry of the room's log.
    Entry(Arc<Entry>),
    /// An own entry, told as the answer to the request that made it.
    Sent(Sent),
    /// An own publish was appended, but the log may have lost it since: its outcome is unknown.
    Unproven {
        /// The request's id.
        id: Option<u32>,
    },
    /// The subscription goes on from somewhere else.
    Reset {
        /// Where.
        pos: Position,
        /// Why.
        reason: ResetReason,
    },
    /// An event that is never stored.
    Signal {
        /// Who it is from.
        from: Option<Author>,
        /// Any JSON value.
        data: Data,
    },
    /// Set operations on the members.
    Presence(PresenceUpdate),
    /// A user's read marker moved.
    Receipt {
        /// Whose.
        user: UserId,
        /// Where it stands now.
        pos: Position,
    },
    /// The subscription was ended by the gateway.
    Removed {
        /// Why.
        reason: RemovedReason,
    },
}

/// The answer to a send, edit, delete or react.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The request's id.
    pub id: Option<u32>,
    /// Where the entry stands.
    pub pos: Position,
    /// When it was appended, Unix milliseconds.
    pub time_ms: u64,
    /// Whether an earlier request had done it already.
    pub duplicate: bool,
}

/// Set operations on the members of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresenceUpdate {
    /// Users in the room now.
    pub count: u64,
    /// Who is in it now and may not have been before.
    pub joined: Vec<Author>,
    /// Who is not in it any more.
    pub left: Vec<UserId>,
    /// Whether updates were lost, so that the client should ask for the members again.
    pub resync: bool,
}

/// Writes events in a wire language. What it writes for an event is the same for all connections that speak it.
pub trait Encoder: Send + Sync + 'static {
    /// Which of the [`LANGUAGES`] this is.
    fn language(&self) -> Language;

    /// One complete frame.
    fn event(&self, room: &RoomName, event: &Event) -> Bytes;
}

/// The number of a wire language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Language(pub usize);

/// How many wire languages a gateway can speak.
pub const LANGUAGES: usize = 4;

/// An event for many connections, encoded at most once per language.
#[derive(Debug)]
pub struct Shared {
    /// The room it happened in.
    pub room: RoomName,
    /// What happened.
    pub event: Event,
    encoded: [OnceLock<Bytes>; LANGUAGES],
}

impl Shared {
    /// Nothing is encoded yet.
    pub fn new(room: RoomName, event: Event) -> Self {
        Self { room, event, encoded: Default::default() }
    }

    /// The same presence update with the word that some before it were lost; anything else as it is.
    pub fn after_a_loss(&self) -> Self {
        let event = match self.event.clone() {
            Event::Presence(update) => Event::Presence(PresenceUpdate { resync: true, ..update }),
            other => other,
        };
        Self::new(self.room.clone(), event)
    }

    /// The frame in a language.
    pub fn frame(&self, encoder: &dyn Encoder) -> Bytes {
        self.encoded[encoder.language().0].get_or_init(|| encoder.event(&self.room, &self.event)).clone()
    }

    /// The entry, if it is one.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match &self.event {
            Event::Entry(entry) => Some(entry),
            Event::Sent(_)
            | Event::Unproven { .. }
            | Event::Reset { .. }
            | Event::Signal { .. }
            | Event::Presence(_)
            | Event::Receipt { .. }
            | Event::Removed { .. } => None,
        }
    }
}
