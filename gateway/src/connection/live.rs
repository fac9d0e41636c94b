//! The loop of an open connection.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, Stream, StreamExt};
use hubbub_shared::{CloseCode, ErrorCode};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Context;
use super::command::{Command, Refused, Request};
use super::handle::{Ending, Handle};
use super::hello::LoggedIn;
use super::lanes::{Lane, Lanes, Waiting};
use super::link::{Incoming, Outlet, ReadFault};
use super::registry::Registration;
use super::reply::{Notice, Reply};
use super::rhythm::{Due, Rhythm};
use crate::fault::Fault;
use crate::hub::subscription::SubscriptionId;
use crate::limits::Verdict;
use crate::rooms::Person;
use crate::sessions::Session;

/// Room that an ordinary reply takes.
const REPLY_BYTES: usize = 1_024;
/// The least time between two errors of one code that answer no request.
const QUIET: Duration = Duration::from_secs(1);

/// An open connection.
pub struct Live {
    conn: Arc<Conn>,
    registration: Registration,
    session: Option<Session>,
    rhythm: Rhythm,
    expires_at_ms: Option<u64>,
    lanes: Lanes,
    work: FuturesUnordered<BoxFuture<'static, Finished>>,
    advancing: Vec<SubscriptionId>,
    strikes: (Instant, u32),
    complained: Vec<(ErrorCode, Instant)>,
}

/// What the requests of a connection share.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct Conn {
    /// What every connection works with.
    pub context: Arc<Context>,
    /// The connection.
    pub handle: Arc<Handle>,
    /// Who it is; changes when the credential does.
    pub person: Mutex<Arc<Person>>,
    /// When the credential runs out, Unix milliseconds.
    pub expires_at_ms: Mutex<Option<u64>>,
    /// Numbers the requests, for the bus.
    pub requests: AtomicU64,
    /// Joins that are under way.
    pub joining: AtomicUsize,
}

/// What a connection had under way and is done with.
enum Finished {
    /// A request.
    Request { lane: Lane, id: Option<u32>, result: Result<(), Fault> },
    /// A lagging subscription that follows its room now, or has filled the outbox.
    Advance(SubscriptionId),
}

/// Why the loop ends: with something to tell the client, or `None` because it is gone.
type End = Option<Ending>;

impl Live {
    /// A connection that was just let in.
    pub fn new(context: &Arc<Context>, logged_in: LoggedIn) -> Self {
        let LoggedIn { registration, person, expires_at_ms, session } = logged_in;
        let now = Instant::now();
        let settings = &context.settings;
        let mut live = Self {
            conn: Arc::new(Conn {
                context: context.clone(),
                handle: registration.handle.clone(),
                person: Mutex::new(Arc::new(person)),
                expires_at_ms: Mutex::new(expires_at_ms),
                requests: AtomicU64::new(0),
                joining: AtomicUsize::new(0),
            }),
            registration,
            session: None,
            rhythm: Rhythm::new(settings.heartbeat, settings.slow_grace, now),
            expires_at_ms: None,
            lanes: Lanes::default(),
            work: FuturesUnordered::new(),
            advancing: Vec::new(),
            strikes: (now, 0),
            complained: Vec::new(),
        };
        live.set_session(session);
        live.set_expiry();
        live
    }

    /// The connection, as others see it.
    pub fn handle(&self) -> &Arc<Handle> {
        &self.registration.handle
    }

    /// Ends every subscription.
    pub fn detach(&mut self) {
        self.work = FuturesUnordered::new();
        self.conn.context.hub.detach(&self.handle().outbox);
    }

    /// Counts how the connection ended.
    pub fn count_end(&self, ending: Option<&Ending>) {
        self.conn.context.metrics.ended(ending.map(|ending| ending.code));
    }

    /// Reads and carries out requests until the connection ends.
    pub async fn listen<R, W>(&mut self, reader: &mut R, outlet: &W) -> End
    where
        R: Stream<Item = Result<Incoming, ReadFault>> + Unpin,
        W: Outlet,
    {
        let handle = self.handle().clone();
        let outbox = handle.outbox.clone();
        let pipeline = self.conn.context.settings.wire.pipeline as usize;
        let clock = tokio::time::sleep_until(self.rhythm.next());
        let mut clock = std::pin::pin!(clock);
        loop {
            self.start_requests();
            let roomy = self.lanes.unanswered() < pipeline;
            tokio::select! {
                biased;
                ending = handle.ended() => return Some(ending),
                Some(finished) = self.work.next(), if !self.work.is_empty() => match finished {
                    Finished::Advance(id) => self.advancing.retain(|other| *other != id),
                    Finished::Request { lane, id, result } => {
                        self.lanes.done(&lane);
                        if let Err(fault) = result && let Some(ending) = self.complain(id, &fault) {
                            return Some(ending);
                        }
                        if self.set_expiry() {
                            clock.as_mut().reset(self.rhythm.next());
                        }
                    }
                },
                pending = outbox.next_pending(&self.advancing) => {
                    let (hub, outbox) = (self.conn.context.hub.clone(), outbox.clone());
                    self.advancing.push(pending.subscription);
                    self.work.push(Box::pin(async move {
                        hub.advance(&outbox, &pending).await;
                        Finished::Advance(pending.subscription)
                    }));
                }
                () = clock.as_mut() => {
                    let now = Instant::now();
                    let listening = roomy && !outbox.is_full(REPLY_BYTES);
                    self.rhythm.look(now, outlet.written_bytes(), outbox.queued_bytes() > 0, listening);
                    if let Some(due) = self.rhythm.due(now) && let Some(ending) = self.act(due).await {
                        return Some(ending);
                    }
                    clock.as_mut().reset(self.rhythm.next().max(now + Duration::from_millis(10)));
                }
                (reserved, incoming) = async {
                    let reserved = outbox.reserve(REPLY_BYTES).await;
                    (reserved, reader.next().await)
                }, if roomy => {
                    let incoming = match incoming {
                        None | Some(Err(ReadFault::Gone)) => return None,
                        Some(Err(ReadFault::NotUtf8)) => return Some(Ending::not_utf8()),
                        Some(Err(ReadFault::TooLarge | ReadFault::Protocol)) => {
                            return Some(Ending::new(CloseCode::BadFrame));
                        }
                        Some(Ok(incoming)) => incoming,
                    };
                    self.rhythm.received(Instant::now());
                    match incoming {
                        Incoming::Alive => {}
                        Incoming::Binary => return Some(Ending::new(CloseCode::BadFrame)),
                        Incoming::Text(text) => match handle.dialect.request(&text) {
                            Ok(request) => {
                                if let Some(ending) = self.take(Waiting { request, reserved }) {
                                    return Some(ending);
                                }
                            }
                            Err(refused) => {
                                // A box, so that a connection at rest does not keep the place of what few ever need.
                                if let Some(ending) = Box::pin(self.refuse(refused)).await {
                                    return Some(ending);
                                }
                            }
                        },
                    }
                }
            }
        }
    }

    /// Takes a request in; a few need no lane.
    fn take(&mut self, waiting: Waiting) -> End {
        match waiting.request.command {
            Command::Hello(_) => {
                let fault = Fault::BadRequest("`hello` was said already".to_owned());
                return Some(Ending::because(CloseCode::HelloExpected, fault).answering(waiting.request.id));
            }
            Command::Pong => {}
            _ => self.lanes.add(waiting),
        }
        None
    }

    fn start_requests(&mut self) {
        while let Some((Waiting { request: Request { id, command }, reserved }, lane)) = self.lanes.begin() {
            let conn = self.conn.clone();
            self.work.push(Box::pin(async move {
                let (name, began) = (command.name(), Instant::now());
                let result = AssertUnwindSafe(conn.execute(id, command)).catch_unwind().await;
                drop(reserved);
                conn.context.metrics.handled(name, began.elapsed());
                let result = result.unwrap_or_else(|_| Err(Fault::internal("carrying out a request panicked")));
                Finished::Request { lane, id, result }
            }));
        }
    }

    /// Answers a frame that was no request.
    async fn refuse(&mut self, refused: Refused) -> End {
        if refused.fatal {
            return Some(Ending::because(CloseCode::BadFrame, refused.fault).answering(refused.id));
        }
        if refused.hello {
            return Some(Ending::because(CloseCode::HelloExpected, refused.fault).answering(refused.id));
        }
        let address = self.handle().address;
        let verdict = self.conn.context.rooms.charge_noise(address).await;
        let ending = self.complain(refused.id, &refused.fault);
        match verdict {
            Ok(Verdict::Limited { .. }) => ending.or_else(|| self.strike()),
            Ok(Verdict::Allowed) | Err(_) => ending,
        }
    }

    /// Tells the client of a fault; without an id at most once per code and second.
    fn complain(&mut self, id: Option<u32>, fault: &Fault) -> End {
        let code = fault.code();
        self.conn.context.metrics.failed(code);
        let now = Instant::now();
        if id.is_none() {
            self.complained.retain(|(_, at)| now < *at + QUIET);
        }
        if id.is_some() || !self.complained.iter().any(|(other, _)| *other == code) {
            let handle = self.handle();
            handle.outbox.reply(handle.dialect.reply(id, &Reply::Error(fault)));
            if id.is_none() {
                self.complained.push((code, now));
            }
        }
        if code == ErrorCode::RateLimited { self.strike() } else { None }
    }

    /// A refusal by a rate limit; too many of them end the connection.
    fn strike(&mut self) -> End {
        let settings = &self.conn.context.settings;
        let now = Instant::now();
        if now >= self.strikes.0 + settings.penalty_window {
            self.strikes = (now, 0);
        }
        self.strikes.1 += 1;
        if self.strikes.1 < settings.penalty_strikes {
            return None;
        }
        self.conn.context.registry.penalize(&self.handle().user, settings.penalty);
        Some(Ending::for_a_while(CloseCode::RateLimited, settings.penalty.as_millis() as u64))
    }

    /// Does what the clock says.
    async fn act(&mut self, due: Due) -> End {
        match due {
            Due::Ping => self.handle().tell(Notice::Ping),
            Due::Dead => return Some(Ending::new(CloseCode::HeartbeatMissed)),
            Due::Slow => return Some(Ending::new(CloseCode::SlowConsumer)),
            Due::Expired => return Some(Ending::new(CloseCode::CredentialExpired)),
            Due::Touch => {
                let Some(session) = &self.session else { return None };
                let address = self.handle().address;
                match self.conn.context.sessions.touch(&session.user, &session.id, address).await {
                    Ok(Some(session)) => self.set_session(Some(session)),
                    Ok(None) => return Some(Ending::new(CloseCode::CredentialExpired)),
                    Err(_) => self.rhythm.touch = Some(Instant::now() + QUIET),
                }
            }
        }
        None
    }

    /// A session in use slides: it is counted as used when half of what it has left is over.
    fn set_session(&mut self, session: Option<Session>) {
        let now_ms = self.conn.context.clock.now_ms();
        self.rhythm.touch = session
            .as_ref()
            .map(|session| Instant::now() + Duration::from_millis(session.expires_ms.saturating_sub(now_ms) / 2));
        self.session = session;
    }

    /// Takes over when the credential runs out; answers whether that changed, as it does after a refresh.
    fn set_expiry(&mut self) -> bool {
        let expires_at_ms = *self.conn.expires_at_ms.lock();
        let changed = expires_at_ms != self.expires_at_ms;
        if changed {
            let now_ms = self.conn.context.clock.now_ms();
            let left = |at_ms: u64| Duration::from_millis(at_ms.saturating_sub(now_ms));
            self.rhythm.expires = expires_at_ms.map(|at_ms| Instant::now() + left(at_ms));
            self.expires_at_ms = expires_at_ms;
        }
        changed
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // However the connection came to its end, the others in its rooms learn of it.
        self.detach();
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("handle", self.handle()).finish_non_exhaustive()
    }
}
