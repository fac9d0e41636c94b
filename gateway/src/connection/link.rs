//! What a connection needs of its transport: frames in, frames out, and word of what the socket took.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::outbox::Outbox;

/// What comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text frame.
    Text(String),
    /// A binary frame, which no language has.
    Binary,
    /// A sign of life without content.
    Alive,
}

/// Why nothing more comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// A frame over the size limit.
    TooLarge,
    /// Text that is not UTF-8.
    NotUtf8,
    /// Not WebSocket.
    Protocol,
    /// The client is gone.
    Gone,
}

/// The way out. Nothing here waits for the client: what it does not take stays in line.
pub trait Outlet {
    /// From here on what the outbox holds is written, until it is closed and empty.
    fn follow(&self, outbox: Arc<Outbox>);

    /// Lets go of the outbox. Behind what is in line already come a last frame and a close frame, with its code and its
    /// sentence for people.
    fn end(&self, last: Option<&Bytes>, close: Option<(u16, &'static str)>);

    /// How many bytes the socket has taken so far: what a slow client is told by.
    fn written_bytes(&self) -> u64;

    /// Waits until everything is handed to the socket and nothing more can come.
    fn written(&self) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// The client takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// What is known of a client before it says hello.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Where it comes from, proxies taken into account.
    pub address: IpAddr,
    /// The session cookie of the upgrade request, if its origin may use it.
    pub cookie: Option<String>,
    /// What the program calls itself in the upgrade request.
    pub user_agent: Option<String>,
}
