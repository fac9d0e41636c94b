//! One WebSocket as a stream of what comes in and a sink of what goes out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::flusher::Flusher;
use super::socket::Socket;
use super::writer::Writer;
use crate::connection::Context;
use crate::connection::link::{Incoming, Opening, Outlet, ReadFault};
use crate::connection::reply::Dialect;
use crate::connection::serve::serve;

/// The buffer for what comes in. It is there for as long as the connection is, so it is small; larger frames make it
/// grow.
const READ_BUFFER_BYTES: usize = 256;
/// How long, and how much, is read from a client that goes on sending after its end, so that its last frames reach it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// An upgraded socket.
#[derive(Debug)]
pub struct Upgraded {
    /// The socket.
    pub socket: TcpStream,
    /// What the client sent right behind the upgrade request.
    pub ahead: Bytes,
}

/// Serves a connection over an upgraded socket.
pub(super) async fn run(
    context: Arc<Context>,
    dialect: Arc<dyn Dialect>,
    opening: Box<Opening>,
    fits: bool,
    upgraded: Upgraded,
    flusher: Arc<Flusher>,
) {
    let frame_bytes = context.settings.wire.frame_bytes as usize;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        // It writes nothing but the answers to pings and closes.
        .write_buffer_size(0)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    let writer = Writer::new(upgraded.socket, flusher);
    let socket = Socket::new(writer.clone(), upgraded.ahead);
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    let reader = (&mut socket).map(|message| message.map(incoming).map_err(|error| fault(&error)));
    serve(context, opening, dialect, fits, reader, &writer).await;
    let mut socket = socket.into_inner();
    // Both only make the end gentler; whoever is gone is gone.
    let _ = Box::pin(tokio::time::timeout(LINGER, linger(&writer, &mut socket))).await;
}

/// A socket that is dropped with unread bytes in it is reset, which may take the last frames with it.
async fn linger(writer: &Arc<Writer>, socket: &mut Socket) {
    writer.end(None, None);
    if writer.written().await.is_err() || socket.shutdown().await.is_err() {
        return;
    }
    let mut scrap = [0_u8; 4_096];
    let mut read_bytes = 0;
    while let Ok(bytes @ 1..) = socket.read(&mut scrap).await {
        read_bytes += bytes;
        if read_bytes > LINGER_BYTES {
            return;
        }
    }
}

fn incoming(message: Message) -> Incoming {
    match message {
        Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
        Message::Binary(_) => Incoming::Binary,
        // The end of the stream follows a close once it is answered.
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Incoming::Alive,
    }
}

fn fault(error: &Error) -> ReadFault {
    match error {
        Error::Capacity(_) => ReadFault::TooLarge,
        Error::Utf8(_) => ReadFault::NotUtf8,
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake
            | tokio_tungstenite::tungstenite::error::ProtocolError::SendAfterClosing
            | tokio_tungstenite::tungstenite::error::ProtocolError::ReceivedAfterClosing,
        ) => ReadFault::Gone,
        Error::Protocol(_) => ReadFault::Protocol,
        _ => ReadFault::Gone,
    }
}
