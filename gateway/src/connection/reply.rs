//! What a client is told besides what its subscriptions carry, before any wire language.

use std::sync::Arc;

use bytes::Bytes;
use hubbub_shared::RoomName;
use hubbub_shared::limits::Limits as WireLimits;

use super::command::{Refused, Request};
use crate::broker::{Author, Unread};
use crate::fault::Fault;
use crate::hub::event::{Encoder, Sent};
use crate::hub::join::Joined;
use crate::presence::MembersPage;
use crate::rooms::look::HistoryPage;

/// The answer to a request.
#[derive(Debug)]
pub enum Reply<'a> {
    /// To `hello`.
    Welcome(Welcome),
    /// To `refresh`.
    Refreshed {
        /// When the new credential runs out, Unix milliseconds.
        expires_at_ms: u64,
    },
    /// To `join`.
    Joined(&'a RoomName, &'a Joined),
    /// To `leave`.
    Left(&'a RoomName),
    /// To `send`, `edit`, `delete` and `react`.
    Sent(&'a RoomName, &'a Sent),
    /// To `members`.
    Members(&'a RoomName, &'a MembersPage),
    /// To what has nothing to tell.
    Done,
    /// To `unread`.
    Unread(&'a [(RoomName, Unread)]),
    /// To `history`; at most so many bytes.
    History(&'a RoomName, &'a HistoryPage, usize),
    /// To `ping`.
    Pong,
    /// To anything that failed.
    Error(&'a Fault),
}

/// The answer to `hello`.
#[derive(Debug, Clone)]
pub struct Welcome {
    /// The connection's id.
    pub connection: String,
    /// The replica's id.
    pub replica: Arc<str>,
    /// The gateway's clock, Unix milliseconds.
    pub time_ms: u64,
    /// When the credential runs out, Unix milliseconds.
    pub expires_at_ms: Option<u64>,
    /// Who the connection belongs to.
    pub author: Author,
    /// The login: its id, and its secret if it was just made.
    pub session: Option<(Arc<str>, Option<String>)>,
    /// The rhythm of signs of life, in milliseconds.
    pub heartbeat_ms: u64,
    /// The limits in force.
    pub limits: WireLimits,
}

/// What the gateway says by itself, about no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Asks for a sign of life.
    Ping,
    /// Come back elsewhere within so many milliseconds.
    Draining {
        /// How long this connection stays open.
        reconnect_within_ms: u64,
    },
    /// The backend is away.
    Degraded,
    /// The backend is back.
    Restored,
}

/// A wire language: text to requests, and what there is to tell to frames.
pub trait Dialect: Encoder {
    /// Reads one frame.
    fn request(&self, text: &str) -> Result<Request, Refused>;

    /// Writes the reply to a request.
    fn reply(&self, id: Option<u32>, reply: &Reply<'_>) -> Bytes;

    /// Writes what the gateway says by itself.
    fn notice(&self, notice: Notice) -> Bytes;
}
