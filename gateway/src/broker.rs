//! The room log and the bus.
//!
//! The log is the truth, the bus is only fast: [`Broker::publish`] appends to the log and tells the bus in one atomic
//! step, and whoever finds a hole in what the bus brought reads the log. A broker promises:
//!
//! 1. Entries of a room get the numbers 1, 2, 3 … in the order in which they were appended. Every entry carries the
//!    tag of its predecessor (`prev`), so that two neighbours prove each other.
//! 2. `publish` answers [`Published::Appended`] only when the entry is in the log.
//! 3. The same dedupe scope, room and key within the dedupe window append once. The window begins with the first use
//!    and ends before the time it is long; refused requests use no key; a key of a log that is gone counts no more.
//! 4. The bus brings the envelopes of subscribed rooms in the order of the log. Where it may have lost some it says so
//!    by [`News::Missed`]; it may still lose, double or reorder in silence, which the numbers show.
//! 5. [`Broker::read`] shows a log as it is at one moment, without the data of what was deleted.
//! 6. Retention is exact: never more entries or bytes than the room's kind allows, nothing past its age, except that
//!    what is younger than one minute is kept whatever the number says (bytes always count).
//! 7. Every call ends, by an answer or by [`BrokerError::Unavailable`], within the configured deadline.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_shared::client_frame::ReactionOp;
use hubbub_shared::{Data, Position, RoomName, UserId};
use thiserror::Error;

use crate::ids::Origin;

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
pub mod news;
pub mod redis;

pub use news::{News, NewsReceiver, NewsSender};

/// Entries younger than this are kept whatever the number of kept entries says, so that a hot room survives a short
/// outage of the bus.
pub const RETENTION_FLOOR_MS: u64 = 60_000;

/// A user as an entry, a signal or a member shows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Author {
    /// The user id.
    pub user: UserId,
    /// The name to show.
    pub name: Option<Arc<str>>,
}

/// One item of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub pos: Position,
    /// The tag of the entry before; empty for the first.
    pub prev: Arc<str>,
    /// Messages up to and including this entry.
    pub count: u64,
    /// When it was appended, Unix milliseconds.
    pub time_ms: u64,
    /// Who it is from.
    pub from: Option<Author>,
    /// The key that the sender gave.
    pub key: Option<Arc<str>>,
    /// What it says.
    pub body: Body,
}

impl Entry {
    /// The position just before this entry.
    pub fn before(&self) -> Position {
        match self.pos.seq {
            0 | 1 => Position::start(),
            seq => Position { epoch: self.pos.epoch.clone(), seq: seq - 1, tag: self.prev.clone() },
        }
    }

    /// What the entry counts for in bounds of bytes: its data plus a fixed share for the rest.
    pub fn cost_bytes(&self) -> usize {
        Self::cost_bytes_of(&self.body, self.key.as_deref())
    }

    /// What an entry with this body and key counts for in bounds of bytes.
    pub fn cost_bytes_of(body: &Body, key: Option<&str>) -> usize {
        const OVERHEAD_BYTES: usize = 160;
        let body = match body {
            Body::Message { data } | Body::Edit { data, .. } => data.as_ref().map_or(0, Data::len_bytes),
            Body::Delete { .. } => 0,
            Body::Reaction { emoji, .. } => emoji.len(),
        };
        OVERHEAD_BYTES + body + key.map_or(0, str::len)
    }
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A message; without data once it is deleted.
    Message {
        /// What it says.
        data: Option<Data>,
    },
    /// An edit; without data once its message is deleted.
    Edit {
        /// The message.
        target: Position,
        /// What the message says now.
        data: Option<Data>,
    },
    /// A deletion.
    Delete {
        /// The message.
        target: Position,
    },
    /// A reaction.
    Reaction {
        /// The message.
        target: Position,
        /// The reaction.
        emoji: Arc<str>,
        /// Whether it came or went.
        op: ReactionOp,
    },
}

/// The end of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The position of the newest entry; the start where there never was one.
    pub pos: Position,
    /// Messages in the log, trimmed ones included.
    pub count: u64,
    /// The number of the oldest entry that is still there; `pos.seq + 1` where none is.
    pub first_seq: u64,
}

/// What to append and under which rules.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The room.
    pub room: RoomName,
    /// In whose name.
    pub from: Option<Author>,
    /// Makes a retry safe, within its scope.
    pub key: Option<DedupeKey>,
    /// What to append; data of messages and edits is always there.
    pub body: Body,
    /// Which rules the sender is under.
    pub authority: Authority,
    /// The least time between two sends of one user, in milliseconds; 0 for none. Concerns messages only.
    pub slow_mode_ms: u64,
    /// What the rate limits said. Heeded only after the key was looked up, so that a duplicate is never refused.
    pub refuse_after_ms: Option<u64>,
    /// How much the room keeps.
    pub retention: Retention,
    /// Whose request this is, for the bus.
    pub origin: Option<Origin>,
    /// The tag for the new entry, at least 48 random bits.
    pub tag: Arc<str>,
    /// The epoch for a log that has none yet, at least 48 random bits.
    pub epoch: Arc<str>,
}

/// A key within its scope. The scopes of users and API keys never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupeKey {
    /// Whose key it is.
    pub scope: DedupeScope,
    /// The key as given.
    pub key: Arc<str>,
}

/// Whose key it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DedupeScope {
    /// A user's.
    User(UserId),
    /// The named API key's.
    Api(Arc<str>),
}

/// Which rules a sender is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Mutes, bans and slow mode hold; edits and deletes only one's own.
    Member,
    /// Mutes and bans hold, slow mode does not; edits and deletes anyone's.
    Moderator,
    /// The server API: no rule holds.
    Server,
}

/// How much of a log is kept; the last publish says it for the whole log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At most so many entries.
    pub entries: u64,
    /// At most so many bytes, by [`Entry::cost_bytes`].
    pub bytes: u64,
    /// At most so old.
    pub age_ms: u64,
}

/// What became of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is in the log.
    Appended {
        /// Where.
        pos: Position,
        /// When.
        time_ms: u64,
    },
    /// An earlier request with this key, or of this effect, had done it already. A key that came with a request of no
    /// effect is spent too: its retry says the same, whatever came between.
    Duplicate {
        /// Where that one stands.
        pos: Position,
        /// When that was.
        time_ms: u64,
    },
    /// Nothing was stored.
    Refused(Refusal),
}

/// Why nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The target has left the log, was deleted or is no message.
    Gone,
    /// The target is somebody else's.
    NotAuthor,
    /// The user is banned from the room.
    Banned,
    /// The user is muted in the room.
    Muted,
    /// A rate limit or slow mode.
    Limited {
        /// When a retry makes sense: after the longest of the waits.
        retry_after_ms: u64,
    },
}

/// Which part of a log to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// The oldest entries after this position.
    After(Position),
    /// The newest entries before this position; none where retention has passed it.
    Before(Position),
    /// The newest entries.
    Newest,
}

/// Where a page ends early. At least one entry is given where there is one, whatever it costs, unless `entries` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// At most so many entries.
    pub entries: usize,
    /// At most so many bytes, by [`Entry::cost_bytes`].
    pub bytes: usize,
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// A part of the log.
    Page(Page),
    /// The position that was named is not one of this log: another epoch, another tag at its number, or ahead of the
    /// head.
    OtherLog(Head),
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The head at the same moment.
    pub head: Head,
    /// Oldest first, numbers without a hole.
    pub entries: Vec<Arc<Entry>>,
    /// Whether there are more in the direction asked for ([`Range::Newest`] goes backward).
    pub more: bool,
    /// For [`Range::After`]: retention has passed the position, so that entries between it and the first one here
    /// are gone (and that it belonged to this log is believed by its epoch alone).
    pub gap: bool,
}

/// A user's read marker in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Where it stands; the start where there is none.
    pub pos: Position,
    /// Whether this call moved it.
    pub moved: bool,
}

/// What is unread in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// The number of the marker; 0 without one.
    pub read_seq: u64,
    /// The number of the head.
    pub head_seq: u64,
    /// Messages after the marker that are still there, those included that were deleted since.
    pub unread: u64,
}

/// How a user stands in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Kept out.
    pub banned: bool,
    /// May read, but not speak.
    pub muted: bool,
}

/// A change of how a user stands in a room. Times are Unix milliseconds; [`u64::MAX`] is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingChange {
    /// Kept out until then.
    Ban {
        /// When it ends.
        until_ms: u64,
    },
    /// Let in again.
    Unban,
    /// Silent until then.
    Mute {
        /// When it ends.
        until_ms: u64,
    },
    /// May speak again.
    Unmute,
}

/// One thing that the bus brings to every replica with members in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The room.
    pub room: RoomName,
    /// Whose request made it.
    pub origin: Option<Origin>,
    /// What it is.
    pub payload: Payload,
}

/// What an envelope holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A new entry of the log.
    Entry(Arc<Entry>),
    /// An event that is never stored.
    Signal {
        /// Who it is from.
        from: Option<Author>,
        /// Any JSON value.
        data: Data,
    },
    /// A user came or went, across all replicas.
    Presence(PresenceChange),
    /// A user's read marker moved.
    Receipt {
        /// Whose.
        user: UserId,
        /// Where it stands now.
        pos: Position,
    },
}

/// A user came or went, across all replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// Who.
    pub member: Author,
    /// Whether the user is in the room now.
    pub present: bool,
    /// Users in the room after the change.
    pub count: u64,
}

/// Why the broker gave no answer.
#[derive(Debug, Clone, Error)]
pub enum BrokerError {
    /// The store did not answer in time; whether the call took effect is unknown. The dependency's fault; retry with
    /// the same key.
    #[error("the store did not answer in time")]
    Unavailable,
    /// The store has no room for another entry. The operator's fault; a retry helps once something was trimmed.
    #[error("the store is full: raise its bound or keep less")]
    Full,
}

/// The room log and the bus; see the module for what is promised.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Appends and tells the bus, in one atomic step: look up the key; heed standing, slow mode and limits; check the
    /// target; number; append; trim; move the sender's own read marker; publish.
    async fn publish(&self, publish: Publish) -> Result<Published, BrokerError>;

    /// Brings an envelope that is never stored to every replica with members in the room, at most once.
    async fn emit(&self, envelope: Envelope) -> Result<(), BrokerError>;

    /// From the answer on the room's envelopes reach this replica's news.
    async fn subscribe(&self, room: &RoomName) -> Result<(), BrokerError>;

    /// Ends [`Broker::subscribe`]; envelopes may still trickle in.
    async fn unsubscribe(&self, room: &RoomName);

    /// Reads a part of a log.
    async fn read(&self, room: &RoomName, range: Range, limit: PageLimit) -> Result<Reading, BrokerError>;

    /// The heads of any number of logs, in the order asked. Each is answered or not by itself, as the logs may be in
    /// different places of which one is away.
    async fn heads(&self, rooms: &[RoomName]) -> Vec<Result<Head, BrokerError>>;

    /// Moves a user's read marker forward, never back; ahead of the head, or of another log, counts as the head. A
    /// marker that moved is told to the bus as [`Payload::Receipt`].
    async fn mark_read(
        &self,
        room: &RoomName,
        user: &UserId,
        pos: &Position,
        origin: Option<Origin>,
    ) -> Result<Marker, BrokerError>;

    /// What is unread by a user, in the order asked.
    async fn unread(&self, user: &UserId, rooms: &[RoomName]) -> Result<Vec<Unread>, BrokerError>;

    /// How a user stands in a room.
    async fn standing(&self, room: &RoomName, user: &UserId) -> Result<Standing, BrokerError>;

    /// Changes how a user stands in a room.
    async fn set_standing(&self, room: &RoomName, user: &UserId, change: StandingChange) -> Result<(), BrokerError>;
}
