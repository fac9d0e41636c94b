//! The way in: a socket that is listened on, and each connection as HTTP until it is over or has become a WebSocket.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use bytes::Bytes;
use futures_util::future::Either;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower_service::Service as _;

use super::patience::Patience;
use super::upgrade::{Accepted, Transport};
use super::websocket::Upgraded;

/// Connections that may wait to be accepted. Whoever finds no place tries again only after a second, so there is room
/// for all who come back at once; the system may allow fewer (`net.core.somaxconn`).
const BACKLOG: u32 = 16_384;
/// How long a connection may take until the head of its first request is there.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// The same for each later one, with the rest before it. Proxies keep connections for a minute and take it amiss if
/// one ends the moment they use it.
const NEXT_REQUEST: Duration = Duration::from_secs(90);
/// How large the head of a request may be. Tokens have up to 16 KiB, and cookies stand beside them.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What the system may hold that it has not sent yet. Left to itself it takes megabytes, says that it takes more only
/// once a third of them has gone, and so makes a client that reads slowly look like one that does not read.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 128 * 1024;
/// How long is waited where no connection can be accepted, as when all files are open.
const PAUSE: Duration = Duration::from_millis(100);
/// The least time between two words about that.
const QUIET: Duration = Duration::from_mins(1);

/// Listens on an address.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Elsewhere it means that others may take the address away.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What the connections of a listener share.
struct Serving {
    http: http1::Builder,
    router: Router,
    /// Who takes WebSockets, if they are taken here.
    sockets: Option<Arc<Transport>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Answers whoever connects, in tasks of their own, until it is told to stop. Connections that are left then end once
/// their requests are answered; those that are WebSockets by then are counted elsewhere.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    sockets: Option<Arc<Transport>>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let serving = Arc::new(Serving { http: http(), router, sockets, tasks, stop: stop.clone() });
    stop.run_until_cancelled(accept(listener, &serving)).await;
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(NEXT_REQUEST).max_header_size(HEAD_BYTES_MAX);
    http
}

async fn accept(listener: TcpListener, serving: &Arc<Serving>) {
    let mut told: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                // A socket that cannot be told is slower or holds more, nothing else.
                if let Err(error) = tell(&socket) {
                    tracing::debug!(%error, "a socket could not be told how to send");
                }
                tokio::spawn(converse(serving.clone(), serving.tasks.token(), socket, address));
            }
            // Whoever knocked has gone again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if told.is_none_or(|at| at.elapsed() >= QUIET) {
                    tracing::error!(%error, "connections cannot be accepted; trying on");
                    told = Some(Instant::now());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Small frames must not wait for each other, and the system should not hold much that it has not sent.
fn tell(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(())
}

/// Serves one connection to its end. HTTP is a box of its own, and nothing else is held in two places, so that a
/// WebSocket does not pay for what went before.
fn converse(
    serving: Arc<Serving>,
    counted: TaskTrackerToken,
    socket: TcpStream,
    address: SocketAddr,
) -> impl Future<Output = ()> + Send {
    let http = Box::pin(speak_http(serving, socket, address));
    async move {
        let Some((accepted, ahead, socket)) = http.await else { return };
        let serving = accepted.serve(Upgraded { socket, ahead });
        // Only now, so that there is no moment in which nobody counts it.
        drop(counted);
        serving.await;
    }
}

/// Answers requests until the connection is over or has become a WebSocket.
async fn speak_http<S>(serving: Arc<Serving>, socket: S, address: SocketAddr) -> Option<(Accepted, Bytes, S)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let conversation = Arc::new(Conversation::default());
    let caller = Caller { serving: serving.clone(), address, conversation: conversation.clone() };
    let mut connection = serving.http.serve_connection(TokioIo::new(Patience::with(socket)), caller);
    let mut late = pin!(tokio::time::sleep(FIRST_REQUEST));
    let mut stop = pin!(serving.stop.cancelled());
    let (mut waiting, mut stopping) = (true, false);
    loop {
        tokio::select! {
            biased;
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => match ended {
                Ok(()) => break,
                Err(error) => {
                    tracing::debug!(%address, %error, "a connection ended badly");
                    return None;
                }
            },
            () = stop.as_mut(), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            () = late.as_mut(), if waiting => {
                waiting = false;
                if !conversation.asked.load(Ordering::Relaxed) {
                    tracing::debug!(%address, "a connection asked for nothing in time");
                    return None;
                }
            }
        }
    }
    let Parts { io, read_buf, .. } = connection.into_parts();
    let mut socket = io.into_inner().into_inner();
    if let Some(accepted) = conversation.accepted.lock().take() {
        return Some((accepted, read_buf, socket));
    }
    // Whoever is gone already needs no goodbye.
    let _ = socket.shutdown().await;
    None
}

/// What the requests of a connection have come to.
#[derive(Default)]
struct Conversation {
    /// Whether there was one yet.
    asked: AtomicBool,
    /// The handshake that makes it a WebSocket.
    accepted: Mutex<Option<Accepted>>,
}

/// The far end of one connection, as it makes requests.
struct Caller {
    serving: Arc<Serving>,
    address: SocketAddr,
    conversation: Arc<Conversation>,
}

impl hyper::service::Service<Request<Incoming>> for Caller {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, RouteFuture<Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.conversation.asked.store(true, Ordering::Relaxed);
        // What the router would put around the answer is for those who read it.
        if let Some(sockets) = &self.serving.sockets
            && let Some((accepted, response)) = sockets.shake_hands(self.address, &request)
        {
            *self.conversation.accepted.lock() = Some(accepted);
            return Either::Left(ready(Ok(response)));
        }
        request.extensions_mut().insert(ConnectInfo(self.address));
        // A router is always ready to be called.
        Either::Right(self.serving.router.clone().call(request.map(Body::new)))
    }
}

#[cfg(test)]
mod tests;
