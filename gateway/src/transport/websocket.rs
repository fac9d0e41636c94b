//! One WebSocket as a stream of what comes in and a sink of what goes out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, future};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::counted::Counted;
use crate::connection::Context;
use crate::connection::link::{Incoming, Opening, Outgoing, ReadFault, Traffic};
use crate::connection::reply::Dialect;
use crate::connection::serve::serve;

/// What is read from a socket at once. The buffer is there for as long as the connection is, so it is small; larger
/// frames make it grow.
const READ_BUFFER_BYTES: usize = 512;
/// What is gathered before it is handed to the socket.
const WRITE_BUFFER_BYTES: usize = 4_096;
/// How long, and how much, is read from a client that goes on sending after its end, so that its last frames reach it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Serves a connection over an upgraded socket.
pub async fn run<S>(context: Arc<Context>, dialect: Arc<dyn Dialect>, opening: Opening, fits: bool, socket: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let traffic = Arc::new(Traffic::default());
    let frame_bytes = context.settings.wire.frame_bytes as usize;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(frame_bytes))
        .max_frame_size(Some(frame_bytes));
    let socket = Counted::new(socket, traffic.clone());
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    {
        let (sink, stream) = (&mut socket).split();
        let reader = stream.map(|message| message.map(incoming).map_err(|error| fault(&error)));
        let writer = sink.with(|outgoing| future::ready(Ok::<_, Error>(message(outgoing))));
        serve(context, opening, dialect, traffic, fits, reader, writer).await;
    }
    let mut socket = socket.into_inner();
    // Both only make the end gentler; whoever is gone is gone.
    let _ = Box::pin(tokio::time::timeout(LINGER, linger(&mut socket))).await;
}

/// A socket that is dropped with unread bytes in it is reset, which may take the last frames with it.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) {
    if socket.shutdown().await.is_err() {
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

fn message(outgoing: Outgoing) -> Message {
    match outgoing {
        // The frame is text that was encoded here, so that nobody needs to look whether it is UTF-8.
        Outgoing::Frame(frame) => Message::Frame(Frame::message(frame, OpCode::Data(Data::Text), true)),
        Outgoing::Close { code, reason } => {
            Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: reason.into() }))
        }
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
