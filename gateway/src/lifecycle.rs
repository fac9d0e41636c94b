//! Life and death of a replica: ready, draining, gone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::CloseCode;
use parking_lot::Mutex;
use rand::RngExt;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::handle::Ending;
use crate::connection::registry::Registry;
use crate::connection::reply::Notice;

/// Where a replica stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not everything is up yet.
    Starting,
    /// Takes connections.
    Ready,
    /// Sends its connections away.
    Draining,
}

/// How a replica stands with its backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// It answers, and what other replicas say is heard.
    Heard,
    /// It does not answer.
    Away,
    /// It answers, but what other replicas say is not heard.
    Deaf,
}

/// Where a replica stands, for whoever asks.
#[derive(Debug)]
pub struct Readiness(Mutex<(Phase, Backend)>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Mutex::new((Phase::Starting, Backend::Heard)))
    }
}

impl Readiness {
    /// Where it stands in its life.
    pub fn phase(&self) -> Phase {
        self.0.lock().0
    }

    /// It moved on.
    pub fn enter(&self, phase: Phase) {
        self.0.lock().0 = phase;
    }

    /// How it stands with its backend.
    pub fn backend(&self) -> Backend {
        self.0.lock().1
    }

    /// How it was found to stand with its backend; answers how it stood before. The first time that it is heard, a
    /// replica that was starting is ready.
    pub fn found(&self, backend: Backend) -> Backend {
        let mut state = self.0.lock();
        if state.0 == Phase::Starting && backend == Backend::Heard {
            state.0 = Phase::Ready;
        }
        std::mem::replace(&mut state.1, backend)
    }
}

/// Takes note of how the replica stands with its backend, and tells all connections when that is lost and regained.
pub async fn follow_backend(
    mut backend: watch::Receiver<Backend>,
    readiness: Arc<Readiness>,
    registry: Arc<Registry>,
    stop: CancellationToken,
) {
    loop {
        let now = *backend.borrow_and_update();
        let starting = readiness.phase() == Phase::Starting;
        let before = readiness.found(now);
        let notice = match (before, now) {
            _ if starting => None,
            (Backend::Heard, Backend::Away | Backend::Deaf) => Some(Notice::Degraded),
            (Backend::Away | Backend::Deaf, Backend::Heard) => Some(Notice::Restored),
            (Backend::Heard, Backend::Heard) | (Backend::Away | Backend::Deaf, Backend::Away | Backend::Deaf) => None,
        };
        if let Some(notice) = notice {
            tell_all(&registry, notice, now);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = backend.changed() => if changed.is_err() { return },
        }
    }
}

fn tell_all(registry: &Registry, notice: Notice, backend: Backend) {
    let handles = registry.all();
    match backend {
        Backend::Heard => tracing::info!(connections = handles.len(), "the backend is back"),
        Backend::Away => {
            tracing::error!(connections = handles.len(), "the backend does not answer, or takes no writes");
        }
        Backend::Deaf => {
            tracing::error!(connections = handles.len(), "the backend answers, but other replicas are not heard");
        }
    }
    for handle in handles {
        handle.tell(notice);
    }
}

/// Sends every connection away, each at a moment of its own within the window, and waits until they are gone or the
/// window and a little more is over.
pub async fn drain(registry: &Arc<Registry>, window: Duration) {
    /// Clients that were told to go are given this long to be gone.
    const LAST: Duration = Duration::from_secs(3);
    /// How often it is looked whether somebody has gone.
    const LOOK: Duration = Duration::from_millis(20);
    registry.drain();
    let start = Instant::now();
    let mut leaving: Vec<_> =
        registry.all().into_iter().map(|handle| (window.mul_f64(rand::rng().random_range(0.0..1.0)), handle)).collect();
    leaving.sort_by_key(|(after, _)| *after);
    for (after, handle) in &leaving {
        handle.tell(Notice::Draining { reconnect_within_ms: after.as_millis() as u64 });
    }
    tracing::info!(connections = leaving.len(), window_ms = window.as_millis() as u64, "draining");
    for (after, handle) in leaving {
        let due = start + after;
        // Nobody waits for one who has gone already.
        while registry.get(handle.id).is_some() {
            let now = Instant::now();
            if now >= due {
                handle.end(Ending::new(CloseCode::Draining));
                break;
            }
            tokio::time::sleep_until(due.min(now + LOOK)).await;
        }
    }
    let deadline = Instant::now() + LAST;
    while registry.sockets_len() > 0 && Instant::now() < deadline {
        // Whoever said hello while the others were leaving goes at once.
        for handle in registry.all() {
            handle.end(Ending::new(CloseCode::Draining));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The signals that ask a process to end. They are heard from the moment on that this is made, and none is lost while
/// another is handled.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Begins to listen.
    #[cfg(unix)]
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Begins to listen.
    #[cfg(windows)]
    pub fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(windows)]
    async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}

/// Ends `stop` at the first signal to terminate, and `kill` at the second.
pub async fn watch_signals(mut signals: Signals, stop: CancellationToken, kill: CancellationToken) {
    signals.next().await;
    tracing::info!("asked to stop; once more stops at once");
    stop.cancel();
    signals.next().await;
    kill.cancel();
}
