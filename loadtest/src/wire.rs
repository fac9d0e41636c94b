//! The languages that servers speak. The native one is played in full (see [`crate::client`]); of the others as much as it
//! takes to join a room, to send, and to tell what came.

pub(crate) mod pusher;
pub(crate) mod socketio;

use std::borrow::Cow;

use clap::ValueEnum;
use hubbub_shared::{SUBPROTOCOL, WEBSOCKET_PATH};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// A wire language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// Hubbub's own, also spoken in part by the floor
    #[default]
    Native,
    /// Protocol 7 of Pusher, by client events on private channels
    Pusher,
    /// Socket.IO with the events of the peer that `make bench-peers` starts
    Socketio,
}

/// A language without seqs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Pusher,
    Socketio,
}

impl Language {
    /// The language as one without seqs: a client cannot resume in it, and messages carry numbers of ours.
    pub(crate) fn plain(self) -> Option<Plain> {
        match self {
            Self::Native => None,
            Self::Pusher => Some(Plain::Pusher),
            Self::Socketio => Some(Plain::Socketio),
        }
    }

    /// Whether a sender is given its own message.
    pub(crate) fn echoes(self) -> bool {
        self != Self::Pusher
    }

    pub(crate) fn subprotocol(self) -> Option<&'static str> {
        (self == Self::Native).then_some(SUBPROTOCOL)
    }

    /// The path to ask for where the URL has none.
    pub(crate) fn path(self, plan: &Plan) -> String {
        match self {
            Self::Native => WEBSOCKET_PATH.to_owned(),
            Self::Pusher => pusher::path(&plan.pusher.key),
            Self::Socketio => socketio::PATH.to_owned(),
        }
    }
}

impl Plain {
    /// Asks to be let into a room. `connection` is what the server called this connection.
    pub(crate) fn join(self, plan: &Plan, room: &str, connection: &str) -> String {
        match self {
            Self::Pusher => pusher::join(&plan.pusher, room, connection),
            Self::Socketio => socketio::join(room),
        }
    }

    /// Sends data, which is JSON, to a room.
    pub(crate) fn send(self, room: &str, data: &str) -> String {
        match self {
            Self::Pusher => pusher::send(room, data),
            Self::Socketio => socketio::send(room, data),
        }
    }

    /// Reads one frame; `None` if it is none of the language.
    pub(crate) fn read(self, text: &str) -> Option<Incoming<'_>> {
        match self {
            Self::Pusher => pusher::read(text),
            Self::Socketio => socketio::read(text),
        }
    }
}

/// What came in, of a language without seqs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// The client is let in; the server has a name for the connection.
    Welcome { connection: String },
    /// The client is in a room.
    Joined { room: Cow<'a, str> },
    /// A message came; its data is JSON.
    Message { room: Cow<'a, str>, data: Cow<'a, str> },
    /// The server wants to hear this.
    Answer(&'static str),
    /// Something was refused.
    Refused(String),
    /// Nothing that matters here.
    Nothing,
}
