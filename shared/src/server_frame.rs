//! What the gateway may say, in the order of `docs/protocol.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::client_frame::ReactionOp;
use crate::data::Data;
use crate::error_code::ErrorCode;
use crate::frame::frames;
use crate::limits::Limits;

frames! {
    /// Any frame from the gateway.
    ServerFrame {
        /// Answers `hello`.
        Welcome(Welcome) = "welcome",
        /// Answers `refresh`.
        Refreshed(Refreshed) = "refreshed",
        /// Answers `join`.
        Joined(Joined) = "joined",
        /// Answers `leave`.
        Left(Left) = "left",
        /// A message of a room's log.
        Message(Message) = "message",
        /// An edit of a room's log.
        Edit(EditEntry) = "edit",
        /// A deletion of a room's log.
        Delete(DeleteEntry) = "delete",
        /// A reaction of a room's log.
        Reaction(ReactionEntry) = "reaction",
        /// Answers `send`, `edit`, `delete` and `react`.
        Sent(Sent) = "sent",
        /// A signal of another connection.
        Signal(Signal) = "signal",
        /// Who came and went.
        Presence(Presence) = "presence",
        /// Answers `members`.
        Members(Members) = "members",
        /// Answers what has nothing to tell.
        Done(Done) = "ok",
        /// Somebody's read marker moved.
        Receipt(Receipt) = "receipt",
        /// Answers `unread`.
        Unread(Unread) = "unread",
        /// Answers `history`.
        History(History) = "history",
        /// Asks for a sign of life.
        Ping(Ping) = "ping",
        /// Answers the client's ping.
        Pong(Pong) = "pong",
        /// Says that a subscription goes on from somewhere else.
        Reset(Reset) = "reset",
        /// Says that a subscription was ended.
        Removed(Removed) = "removed",
        /// Says that the replica is about to stop.
        Draining(Draining) = "draining",
        /// Says that the replica has lost its backend.
        Degraded(Degraded) = "degraded",
        /// Says that the replica has its backend again.
        Restored(Restored) = "restored",
        /// Says what went wrong.
        Error(ErrorFrame) = "error",
    }
}

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields, rename = stringify!($name)))]
        #[serde(tag = "type", rename = $kind)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
    };
}

macro_rules! reply {
    ($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        frame! {
            $(#[$doc])*
            $name = $kind {
                /// The request's id.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                id: Option<u32>,
                $($(#[$field_doc])* $field: $type,)*
            }
        }
    };
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A user as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Author {
    /// The user id.
    pub user: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The user of the connection itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Me {
    /// The user id.
    pub id: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The login that the connection belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SessionInfo {
    /// The session's id, fit to be shown.
    pub id: String,
    /// The session's secret, only in the welcome that made the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

reply! {
    /// Answers `hello`: the connection is open.
    Welcome = "welcome" {
        /// The connection's id, for `replaces`.
        connection: String,
        /// The replica's id.
        replica: String,
        /// The gateway's clock, Unix milliseconds.
        time: u64,
        /// When the credential runs out, Unix milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<u64>,
        /// Who the connection belongs to.
        user: Me,
        /// The login, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionInfo>,
        /// The rhythm of signs of life.
        heartbeat_ms: u64,
        /// The limits in force.
        limits: Limits,
    }
}

reply! {
    /// Answers `refresh`.
    Refreshed = "refreshed" {
        /// When the new credential runs out, Unix milliseconds.
        expires_at: u64,
    }
}

/// Why the entries after `since` cannot all be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum UnrecoveredReason {
    /// Retention has passed the position.
    Trimmed,
    /// Another log, a log that went another way, or a position ahead of it.
    Reset,
}

reply! {
    /// Answers `join`; `replayed` entries follow, then the live ones.
    Joined = "joined" {
        /// The room.
        room: String,
        /// The head of the room's log.
        seq: u64,
        /// The head's position.
        pos: String,
        /// Whether every entry after `since` follows; absent without `since`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<UnrecoveredReason>,
        /// How many entries follow before the live ones.
        replayed: u64,
        /// How many users are in the room, the own one included; absent where presence is off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        members: Option<u64>,
        /// The seq of the own read marker; 0 without one.
        read: u64,
        /// How many messages came after it.
        unread: u64,
    }
}

reply! {
    /// Answers `leave`.
    Left = "left" {
        /// The room.
        room: String,
    }
}

macro_rules! entry {
    ($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        frame! {
            $(#[$doc])*
            $name = $kind {
                /// The room.
                room: String,
                /// The entry's number.
                seq: u64,
                /// The entry's position, which is also its name.
                pos: String,
                /// Messages in the log up to and including this entry.
                count: u64,
                /// When it was appended, Unix milliseconds.
                time: u64,
                /// Who it is from; absent where the server published without a user.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                from: Option<Author>,
                /// The key that the sender gave.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                key: Option<String>,
                $($(#[$field_doc])* $field: $type,)*
            }
        }
    };
}

entry! {
    /// A message.
    Message = "message" {
        /// What it says; absent once it is deleted.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(type = "unknown"))]
        data: Option<Data>,
        /// Whether it was taken back.
        #[serde(default, skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        deleted: bool,
    }
}

entry! {
    /// An edit of a message.
    EditEntry = "edit" {
        /// The message's position.
        target: String,
        /// What the message says now; absent once it is deleted.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(type = "unknown"))]
        data: Option<Data>,
        /// Whether the message was taken back.
        #[serde(default, skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        deleted: bool,
    }
}

entry! {
    /// A deletion of a message.
    DeleteEntry = "delete" {
        /// The message's position.
        target: String,
    }
}

entry! {
    /// A reaction to a message.
    ReactionEntry = "reaction" {
        /// The message's position.
        target: String,
        /// The reaction.
        emoji: String,
        /// Whether it came or went.
        op: ReactionOp,
    }
}

/// `null` is data like any other; only an absent field is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    Data::deserialize(deserializer).map(Some)
}

reply! {
    /// Appended and numbered.
    Sent = "sent" {
        /// The room.
        room: String,
        /// The entry's number.
        seq: u64,
        /// The entry's position.
        pos: String,
        /// When it was appended, Unix milliseconds.
        time: u64,
        /// Whether an earlier request had done it already.
        #[serde(default, skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        duplicate: bool,
    }
}

frame! {
    /// An event that is never stored.
    Signal = "signal" {
        /// The room.
        room: String,
        /// Who it is from; absent where the server published it without a user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Author>,
        /// Any JSON value.
        #[cfg_attr(test, ts(type = "unknown"))]
        data: Data,
    }
}

frame! {
    /// Set operations on the members of a room.
    Presence = "presence" {
        /// The room.
        room: String,
        /// How many users are in it now.
        count: u64,
        /// Who is in it now and may not have been before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<Author>>"))]
        joined: Vec<Author>,
        /// Who is not in it any more.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
        left: Vec<String>,
        /// Whether frames were lost, so that the client should ask for the members again.
        #[serde(default, skip_serializing_if = "is_false")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        resync: bool,
    }
}

/// A user in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Member {
    /// The user id.
    pub user: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many connections the user has in the room.
    pub connections: u32,
}

reply! {
    /// Answers `members`.
    Members = "members" {
        /// The room.
        room: String,
        /// How many users are in the room.
        count: u64,
        /// A page of them, ordered by user id.
        members: Vec<Member>,
        /// Where the next page begins; absent on the last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<String>,
    }
}

reply! {
    /// Answers what has nothing to tell.
    Done = "ok" {}
}

frame! {
    /// A user's read marker moved.
    Receipt = "receipt" {
        /// The room.
        room: String,
        /// Whose marker.
        user: String,
        /// The seq of the marker.
        seq: u64,
        /// The position of the marker.
        pos: String,
    }
}

/// What is unread in one room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UnreadRoom {
    /// The seq of the own read marker; 0 without one.
    pub read: u64,
    /// The seq of the head.
    pub head: u64,
    /// How many messages came after the marker.
    pub unread: u64,
}

reply! {
    /// Answers `unread`.
    Unread = "unread" {
        /// The rooms that were asked for.
        rooms: BTreeMap<String, UnreadRoom>,
    }
}

reply! {
    /// Answers `history`.
    History = "history" {
        /// The room.
        room: String,
        /// The head of the room's log.
        seq: u64,
        /// The head's position.
        pos: String,
        /// Entries, oldest first: `message`, `edit`, `delete` and `reaction` frames.
        #[cfg_attr(test, ts(type = "Entry[]"))]
        entries: Vec<Data>,
        /// Whether there are more in the direction asked for.
        more: bool,
        /// Whether older entries once existed.
        trimmed: bool,
    }
}

frame! {
    /// Asks for a sign of life.
    Ping = "ping" {}
}

reply! {
    /// Answers the client's ping.
    Pong = "pong" {}
}

/// Why a subscription goes on from somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum ResetReason {
    /// The client was too far behind.
    Lag,
    /// Retention passed the position.
    Trimmed,
    /// The log was lost or went another way.
    Reset,
}

frame! {
    /// The next entry of the room is `seq` + 1; nothing is replayed.
    Reset = "reset" {
        /// The room.
        room: String,
        /// Where the subscription goes on.
        seq: u64,
        /// The position there.
        pos: String,
        /// Why.
        reason: ResetReason,
    }
}

/// Why a subscription was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum RemovedReason {
    /// By a moderator; may come back.
    Kicked,
    /// By a moderator, until the ban ends.
    Banned,
    /// The credential no longer allows the room.
    Revoked,
}

frame! {
    /// A subscription was ended by the gateway.
    Removed = "removed" {
        /// The room.
        room: String,
        /// Why.
        reason: RemovedReason,
    }
}

frame! {
    /// The replica is about to stop: come back elsewhere, at a random moment within the time given.
    Draining = "draining" {
        /// How long the connection stays open.
        reconnect_within_ms: u64,
    }
}

frame! {
    /// The replica has lost its backend.
    Degraded = "degraded" {}
}

frame! {
    /// The replica has its backend again.
    Restored = "restored" {}
}

reply! {
    /// What went wrong, for programs and for people.
    ErrorFrame = "error" {
        /// For programs.
        code: ErrorCode,
        /// For people; may change.
        message: String,
        /// When a retry makes sense.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    }
}
