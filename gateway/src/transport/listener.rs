//! The way in: a socket that is listened on, and each connection as HTTP until it is over or has become a WebSocket.

use std::convert::Infallible;
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
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

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
#[derive(Debug)]
struct Serving {
    http: http1::Builder,
    router: Router,
    stop: CancellationToken,
}

/// Answers whoever connects, in tasks of their own, until it is told to stop. Connections that are left then end once
/// their requests are answered.
pub async fn serve(listener: TcpListener, router: Router, tasks: TaskTracker, stop: CancellationToken) {
    let serving = Arc::new(Serving { http: http(), router, stop: stop.clone() });
    stop.run_until_cancelled(accept(listener, &serving, &tasks)).await;
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(NEXT_REQUEST).max_header_size(HEAD_BYTES_MAX);
    http
}

async fn accept(listener: TcpListener, serving: &Arc<Serving>, tasks: &TaskTracker) {
    let mut told: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((socket, address)) => {
                // Small frames must not wait for each other; a socket that cannot be told is slower, nothing else.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "a socket could not be told to send small frames at once");
                }
                tasks.spawn(converse(serving.clone(), socket, address));
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

/// Serves one connection until it is over or has become a WebSocket.
async fn converse<S>(serving: Arc<Serving>, socket: S, address: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let asked = Arc::new(AtomicBool::new(false));
    let caller = Caller { router: serving.router.clone(), address, asked: asked.clone() };
    let mut connection = pin!(serving.http.serve_connection(TokioIo::new(socket), caller).with_upgrades());
    let mut late = pin!(tokio::time::sleep(FIRST_REQUEST));
    let mut stop = pin!(serving.stop.cancelled());
    let (mut waiting, mut stopping) = (true, false);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%address, %error, "a connection ended badly");
                }
                return;
            }
            () = stop.as_mut(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = late.as_mut(), if waiting => {
                waiting = false;
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!(%address, "a connection asked for nothing in time");
                    return;
                }
            }
        }
    }
}

/// The far end of one connection, and who answers its requests.
struct Caller {
    router: Router,
    address: SocketAddr,
    /// Whether there was a request yet.
    asked: Arc<AtomicBool>,
}

impl hyper::service::Service<Request<Incoming>> for Caller {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.address));
        // A router is always ready to be called.
        self.router.clone().call(request)
    }
}

#[cfg(test)]
mod tests;
