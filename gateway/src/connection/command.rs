//! What a client asks for, before and after any wire language.

use hubbub_shared::{Position, RoomName, UserId};

use crate::broker::Body;
use crate::fault::Fault;
use crate::hub::join::Join;
use crate::rooms::moderate::Moderation;
use crate::rooms::publish::Posting;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The client's number of it; without one there is no reply but those that always come.
    pub id: Option<u32>,
    /// What is asked for.
    pub command: Command,
}

/// A frame that was no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The request's number, where one could be read.
    pub id: Option<u32>,
    /// What is wrong with it.
    pub fault: Fault,
    /// Whether it was no frame of the language at all, which ends the connection.
    pub fatal: bool,
    /// Whether it was meant to be a hello.
    pub hello: bool,
}

/// How a client logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A JSON Web Token.
    Token(String),
    /// The secret of a session.
    Session(String),
    /// None; let in under a name that proves nothing.
    Guest {
        /// The name to show.
        name: Option<String>,
    },
    /// The session cookie of the upgrade request.
    Cookie,
}

/// The first request of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// How the client logs in.
    pub credential: Credential,
    /// Which program it is.
    pub program: Option<String>,
    /// The older connection whose place this one takes.
    pub replaces: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Command {
    /// Opens the connection.
    Hello(Hello),
    /// Exchanges the credential.
    Refresh {
        /// The new JSON Web Token.
        token: String,
    },
    /// Enters a room.
    Join(Join),
    /// Leaves a room.
    Leave {
        /// The room.
        room: RoomName,
    },
    /// Appends to a room.
    Post {
        /// What.
        posting: Posting,
        /// Whether the entry itself is wanted back, besides the `sent`.
        echo: bool,
    },
    /// Tells the others in a room something that is never stored.
    Signal {
        /// The room.
        room: RoomName,
        /// Any JSON value.
        data: hubbub_shared::Data,
    },
    /// Asks who is in a room.
    Members {
        /// The room.
        room: RoomName,
        /// How many at most.
        limit: Option<u64>,
        /// The user after whom to go on.
        after: Option<UserId>,
    },
    /// Moves the own read marker.
    Read {
        /// The room.
        room: RoomName,
        /// Up to here.
        pos: Position,
    },
    /// Asks what is unread.
    Unread {
        /// In these rooms.
        rooms: Vec<RoomName>,
    },
    /// Asks for a part of a log.
    History {
        /// The room.
        room: RoomName,
        /// Only before this.
        before: Option<Position>,
        /// Only after this.
        after: Option<Position>,
        /// How many at most.
        limit: Option<u64>,
    },
    /// Kicks, bans or mutes.
    Moderate(Moderation),
    /// Asks for a pong.
    Ping,
    /// A sign of life.
    Pong,
}

/// What a request touches, for the order in which requests take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches<'a> {
    /// No room.
    Nothing,
    /// These rooms.
    Rooms(&'a [RoomName]),
    /// Every room.
    Everything,
}

impl Command {
    /// The request's name, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Refresh { .. } => "refresh",
            Self::Join(_) => "join",
            Self::Leave { .. } => "leave",
            Self::Post { posting: Posting { body, .. }, .. } => match body {
                Body::Message { .. } => "send",
                Body::Edit { .. } => "edit",
                Body::Delete { .. } => "delete",
                Body::Reaction { .. } => "react",
            },
            Self::Signal { .. } => "signal",
            Self::Members { .. } => "members",
            Self::Read { .. } => "read",
            Self::Unread { .. } => "unread",
            Self::History { .. } => "history",
            Self::Moderate(_) => "moderate",
            Self::Ping => "ping",
            Self::Pong => "pong",
        }
    }

    /// The rooms that the request names.
    pub fn touches(&self) -> Touches<'_> {
        match self {
            Self::Hello(_) | Self::Ping | Self::Pong => Touches::Nothing,
            Self::Refresh { .. } => Touches::Everything,
            Self::Join(Join { room, .. })
            | Self::Leave { room }
            | Self::Post { posting: Posting { room, .. }, .. }
            | Self::Signal { room, .. }
            | Self::Members { room, .. }
            | Self::Read { room, .. }
            | Self::History { room, .. }
            | Self::Moderate(Moderation { room, .. }) => Touches::Rooms(std::slice::from_ref(room)),
            Self::Unread { rooms } => Touches::Rooms(rooms),
        }
    }
}
