//! One connection, with bounded buffers. It writes whenever it waits for the next frame, and only then: a client that
//! waited for its own writes without reading could stand against a gateway that does the same.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use hubbub_shared::{ClientFrame, SUBPROTOCOL};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long an upgrade may take, and how long a polite farewell.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Read and write buffers: thousands of connections fit into one process.
const BUFFER_BYTES: usize = 4 * 1024;
/// The largest frame that is read; the gateway's longest replies are a quarter of it.
const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// Frames that wait to be written.
const QUEUE_MAX: usize = 64;

/// Why a connection could not be opened.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("{0} is no address of a WebSocket")]
    Address(String),
    #[error("no file descriptors left; raise `ulimit -n`")]
    FileDescriptors,
    #[error("no connection: {0}")]
    Tcp(std::io::ErrorKind),
    #[error("the upgrade was answered with HTTP {0}")]
    Http(u16),
    #[error("the upgrade failed: {0}")]
    Upgrade(String),
    #[error("no answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a close frame.
    Closed(u16),
    /// Without one: what other languages call 1006.
    Lost,
}

/// What a wait brought.
#[derive(Debug)]
pub(crate) enum Event {
    Frame(Utf8Bytes),
    /// A binary frame, which this language does not have.
    Binary,
    /// The queue was full and no longer is.
    Writable,
    Ended(Ending),
}

/// An open WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    queue: VecDeque<Utf8Bytes>,
    unflushed: bool,
    /// A write failed. What was received before may still be read, and says why.
    broken: bool,
}

impl Socket {
    /// Opens a connection to `ws://…`.
    pub(crate) async fn connect(url: &str) -> Result<Self, ConnectError> {
        match timeout(CONNECT_TIMEOUT, Self::open(url)).await {
            Ok(result) => result,
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    async fn open(url: &str) -> Result<Self, ConnectError> {
        let address = || ConnectError::Address(url.to_owned());
        let mut request = url.into_client_request().map_err(|_| address())?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        let uri = request.uri();
        // An IPv6 address stands in brackets in a URL, and without them in an address.
        let host = uri.host().ok_or_else(address)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(80))).await.map_err(tcp)?;
        stream.set_nodelay(true).map_err(tcp)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            .max_frame_size(Some(FRAME_BYTES_MAX))
            .max_message_size(Some(FRAME_BYTES_MAX));
        match client_async_with_config(request, stream, Some(config)).await {
            Ok((stream, _)) => Ok(Self { stream, queue: VecDeque::new(), unflushed: false, broken: false }),
            Err(tungstenite::Error::Http(response)) => Err(ConnectError::Http(response.status().as_u16())),
            Err(tungstenite::Error::Io(error)) => Err(tcp(error)),
            Err(error) => Err(ConnectError::Upgrade(error.to_string())),
        }
    }

    /// Puts a frame into the queue; [`Self::next`] writes it. Ask [`Self::is_full`] before.
    pub(crate) fn queue(&mut self, frame: &ClientFrame) {
        if !self.broken {
            self.queue.push_back(frame.encode().into());
        }
    }

    /// Whether as much is waiting to be written as should.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= QUEUE_MAX
    }

    /// Writes what is queued and waits for what comes. Loses nothing when it is dropped half way.
    pub(crate) async fn next(&mut self) -> Event {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Writes what is queued, without waiting for anything else.
    pub(crate) async fn flush(&mut self) {
        // What cannot be written in time is as lost as the connection.
        drop(timeout(CLOSE_TIMEOUT, std::future::poll_fn(|cx| self.poll_write(cx))).await);
    }

    /// Says goodbye, and waits a little for the answer.
    pub(crate) async fn close(mut self) {
        self.flush().await;
        let farewell = CloseFrame { code: 1000.into(), reason: Utf8Bytes::from_static("") };
        let ends = async {
            if self.stream.close(Some(farewell)).await.is_ok() {
                while !matches!(self.next().await, Event::Ended(_)) {}
            }
        };
        // Who does not answer is left without it.
        drop(timeout(CLOSE_TIMEOUT, ends).await);
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let was_full = self.is_full();
        if let Poll::Ready(Err(_)) = self.poll_write(cx) {
            self.broken = true;
            self.queue.clear();
        }
        if was_full && !self.is_full() {
            return Poll::Ready(Event::Writable);
        }
        loop {
            return Poll::Ready(match std::task::ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => Event::Frame(text),
                Some(Ok(Message::Binary(_))) => Event::Binary,
                Some(Ok(Message::Close(Some(frame)))) => Event::Ended(Ending::Closed(frame.code.into())),
                Some(Ok(Message::Close(None))) => Event::Ended(Ending::Closed(1005)),
                // Answered by tungstenite itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(_)) | None => Event::Ended(Ending::Lost),
            });
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        while !self.queue.is_empty() {
            std::task::ready!(Pin::new(&mut self.stream).poll_ready(cx))?;
            if let Some(text) = self.queue.pop_front() {
                self.unflushed = true;
                Pin::new(&mut self.stream).start_send(Message::Text(text))?;
            }
        }
        if self.unflushed {
            std::task::ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

fn tcp(error: std::io::Error) -> ConnectError {
    // EMFILE and ENFILE, which std has no kind for.
    match error.raw_os_error() {
        Some(23 | 24) => ConnectError::FileDescriptors,
        _ => ConnectError::Tcp(error.kind()),
    }
}
