//! What a client may say, in the order of `docs/protocol.md`.
//!
//! Names and positions are plain strings here: whether they are valid is for the gateway to say, with a code of its
//! own (`room_invalid`, `bad_request`).

use serde::{Deserialize, Serialize};

use crate::data::Data;
use crate::frame::frames;
use crate::strict::{object, word};

frames! {
    /// Any frame from a client.
    ClientFrame {
        /// Opens the connection.
        Hello(Hello) = "hello",
        /// Exchanges the credential of a live connection.
        Refresh(Refresh) = "refresh",
        /// Enters a room.
        Join(Join) = "join",
        /// Leaves a room.
        Leave(Leave) = "leave",
        /// Appends a message.
        Send(Send) = "send",
        /// Replaces a message's data.
        Edit(Edit) = "edit",
        /// Takes a message back.
        Delete(Delete) = "delete",
        /// Adds or removes a reaction.
        React(React) = "react",
        /// Tells the others in the room something that is never stored.
        Signal(SignalRequest) = "signal",
        /// Asks who is in a room.
        Members(MembersRequest) = "members",
        /// Moves the own read marker.
        Read(Read) = "read",
        /// Asks what is unread in some rooms.
        Unread(UnreadRequest) = "unread",
        /// Asks for a part of a room's log.
        History(HistoryRequest) = "history",
        /// Kicks, bans or mutes somebody.
        Moderate(Moderate) = "moderate",
        /// Asks for a pong.
        Ping(ClientPing) = "ping",
        /// Answers the gateway's ping.
        Pong(ClientPong) = "pong",
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_false(value: &bool) -> bool {
    !*value
}

macro_rules! frame {
    ($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields, rename = stringify!($name)))]
        #[serde(tag = "type", rename = $kind)]
        pub struct $name {
            /// Comes back in the reply; without it there is none.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub id: Option<u32>,
            $($(#[$field_doc])* pub $field: $type,)*
        }
    };
}

frame! {
    /// The first frame of every connection. At most one of `token`, `session` and `guest`; without any of them the
    /// session cookie of the upgrade request counts.
    Hello = "hello" {
        /// A JSON Web Token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// The secret of a session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// Asks to be let in without a login.
        #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
        guest: Option<Guest>,
        /// Which program this is, for the list of logins and for logs.
        #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
        client: Option<ClientInfo>,
        /// An older connection of the same user, which this one takes the place of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    }
}

/// What a guest says of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Guest {
    /// The name to show to others; never an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Which program a client is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ClientInfo {
    /// The program's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The program's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

frame! {
    /// Exchanges the credential for a newer one of the same user.
    Refresh = "refresh" {
        /// A JSON Web Token.
        token: String,
    }
}

frame! {
    /// Enters a room; from `joined` on its entries follow.
    Join = "join" {
        /// The room.
        room: String,
        /// The position after which to go on. Without it the last `limit` entries are replayed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
        /// How many of the last entries to replay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// Whether presence frames are wanted.
        #[serde(default, skip_serializing_if = "is_false")]
        presence: bool,
        /// Whether receipts of everybody are wanted.
        #[serde(default, skip_serializing_if = "is_false")]
        receipts: bool,
    }
}

frame! {
    /// Leaves a room.
    Leave = "leave" {
        /// The room.
        room: String,
    }
}

/// Appends a message to a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields, rename = "Send"))]
#[serde(tag = "type", rename = "send")]
pub struct Send {
    /// Comes back in the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// The room.
    pub room: String,
    /// Makes a retry safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The message: any JSON value.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub data: Data,
    /// With `false` the `sent` comes in the entry's place.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub echo: bool,
}

/// Replaces the data of an own message; moderators may edit anyone's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields, rename = "Edit"))]
#[serde(tag = "type", rename = "edit")]
pub struct Edit {
    /// Comes back in the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// The room.
    pub room: String,
    /// The position of the message.
    pub target: String,
    /// Makes a retry safe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the message says now: any JSON value.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub data: Data,
}

frame! {
    /// Takes an own message back; moderators may delete anyone's.
    Delete = "delete" {
        /// The room.
        room: String,
        /// The position of the message.
        target: String,
        /// Makes a retry safe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    }
}

/// Whether a reaction comes or goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum ReactionOp {
    /// The reaction is put on the message.
    #[default]
    Add,
    /// The reaction is taken off the message.
    Remove,
}

frame! {
    /// Adds or removes a reaction to a message.
    React = "react" {
        /// The room.
        room: String,
        /// The position of the message.
        target: String,
        /// Makes a retry safe.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// The reaction, usually one emoji.
        emoji: String,
        /// Add or remove.
        #[serde(deserialize_with = "word")]
        op: ReactionOp,
    }
}

/// Tells every other connection in the room something that is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields, rename = "SignalRequest"))]
#[serde(tag = "type", rename = "signal")]
pub struct SignalRequest {
    /// Comes back in an error; a signal that went out has no reply but `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// The room, which must be joined.
    pub room: String,
    /// Any JSON value.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub data: Data,
}

frame! {
    /// Asks who is in a room, page by page.
    MembersRequest = "members" {
        /// The room.
        room: String,
        /// How many members at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// The `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    }
}

frame! {
    /// Moves the own read marker forward.
    Read = "read" {
        /// The room.
        room: String,
        /// The position up to which all is read.
        pos: String,
    }
}

frame! {
    /// Asks what is unread in some rooms.
    UnreadRequest = "unread" {
        /// The rooms.
        rooms: Vec<String>,
    }
}

frame! {
    /// Asks for a part of a room's log; with neither `before` nor `after` the newest.
    HistoryRequest = "history" {
        /// The room.
        room: String,
        /// Only entries before this position.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// Only entries after this position.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// How many entries at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
    }
}

/// What a moderator does to somebody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum ModerationAction {
    /// Out of the room; may come back.
    #[default]
    Kick,
    /// Out of the room until the ban ends.
    Ban,
    /// Ends a ban.
    Unban,
    /// May read, but not speak.
    Mute,
    /// Ends a mute.
    Unmute,
}

frame! {
    /// Kicks, bans or mutes a user of a room, or ends that.
    Moderate = "moderate" {
        /// The room.
        room: String,
        /// Whom it concerns.
        user: String,
        /// What to do.
        #[serde(deserialize_with = "word")]
        action: ModerationAction,
        /// For how long a ban or mute holds; without it until it is ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        for_ms: Option<u64>,
        /// Why, for the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
}

frame! {
    /// Asks for a pong.
    ClientPing = "ping" {}
}

frame! {
    /// Answers the gateway's ping.
    ClientPong = "pong" {}
}
