//! One virtual user: connects when it is due, stays, and comes back as the protocol (§7) tells clients to, until the run
//! is over.

mod advice;
mod asked;
mod stay;

use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::{ClientInfo, Guest, Hello};
use hubbub_shared::server_frame::{ErrorFrame, ServerFrame, Welcome};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::advice::Advice;
use self::stay::{Departure, Stay};
use crate::arrival::Arrival;
use crate::run::{Phase, Shared};
use crate::schedule::Share;
use crate::socket::{Ending, Event, Socket};
use crate::subscription::{State, Subscription};

/// How long the gateway may take to answer `hello`.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);
/// The first pause before another try is at most this long, and each further one at most twice the one before.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A connection that lasts as long was worth coming back for; one that ends sooner counts as another failure.
const STAY_MIN: Duration = Duration::from_secs(5);

/// What became of a player.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Whether it was ever welcome.
    pub(crate) came: bool,
    /// Whether it was connected and in all of its rooms when the run ended.
    pub(crate) stayed: bool,
    /// Messages that were sent and never answered.
    pub(crate) unanswered: u64,
}

/// A message whose connection ended before it was answered: it is sent again with the same key.
#[derive(Debug, Clone, Copy)]
struct Unanswered {
    message: u64,
    /// Which of the player's subscriptions it is for.
    subscription: usize,
}

/// A client in one of the run's rooms.
#[derive(Debug)]
struct Membership {
    /// The room's number in the run.
    room: usize,
    subscription: Subscription,
}

/// One virtual user.
#[derive(Debug)]
pub(crate) struct Player {
    number: usize,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    random: StdRng,
    share: Share,
    memberships: Vec<Membership>,
    unanswered: Vec<Unanswered>,
    /// The secret of the session that a guest's first hello made.
    session: Option<String>,
    /// The id of the last connection.
    connection: Option<String>,
    /// Whether it was ever welcome.
    came: bool,
    /// The last phase that it was done with.
    done: Option<Phase>,
    /// Whether it has had its time of not reading.
    was_slow: bool,
}

impl Player {
    pub(crate) fn new(number: usize, share: Share, shared: Arc<Shared>, phase: watch::Receiver<Phase>) -> Self {
        let memberships =
            shared.plan.rooms_of(number).map(|room| Membership { room, subscription: Subscription::new() }).collect();
        Self {
            number,
            random: StdRng::seed_from_u64(shared.plan.seed.wrapping_add(number as u64)),
            shared,
            phase,
            share,
            memberships,
            unanswered: Vec::new(),
            session: None,
            connection: None,
            came: false,
            done: None,
            was_slow: false,
        }
    }

    /// Plays until the run is over.
    pub(crate) async fn play(mut self) -> Outcome {
        let due = self.shared.opened + self.shared.plan.connect_due(self.number);
        let mut stayed = false;
        let mut attempts = 0;
        let mut pause = due.saturating_duration_since(Instant::now());
        while self.rest(pause).await {
            let departure = match self.connect().await {
                Ok((socket, welcome)) => {
                    if !std::mem::replace(&mut self.came, true) {
                        self.shared.latencies.connected.record(self.number, due.elapsed());
                    }
                    let arrived = Instant::now();
                    let departure = Stay::new(&mut self, &welcome).run(socket).await;
                    if arrived.elapsed() >= STAY_MIN {
                        attempts = 0;
                    }
                    departure
                }
                Err(departure) => departure,
            };
            match departure {
                Departure::Over => {
                    stayed = self.memberships.iter().all(|each| each.subscription.is_owed_the_rest());
                    break;
                }
                Departure::Away { time, .. } => {
                    self.interrupt();
                    pause = time;
                }
                Departure::ComeBack { not_before } => {
                    self.interrupt();
                    pause = self.backoff(attempts).max(not_before);
                    attempts += 1;
                }
                Departure::StayAway => {
                    self.memberships.iter_mut().for_each(|each| each.subscription.end());
                    break;
                }
            }
        }
        self.finish(stayed)
    }

    /// Full jitter: somewhere between at once and twice as long as the last time.
    fn backoff(&mut self, attempts: u32) -> Duration {
        let longest = BACKOFF_FIRST.saturating_mul(1 << attempts.min(16)).min(BACKOFF_MAX);
        longest.mul_f64(self.random.random())
    }

    /// Pauses. Answers whether the run still goes on.
    async fn rest(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let over = self.phase.wait_for(|phase| *phase == Phase::Stop);
        tokio::select! {
            biased;
            _ = over => false,
            () = sleep_until(end) => true,
        }
    }

    fn interrupt(&mut self) {
        self.memberships.iter_mut().for_each(|each| each.subscription.interrupt());
    }

    fn url(&self) -> &str {
        let urls = &self.shared.plan.urls;
        &urls[self.number % urls.len()]
    }

    async fn connect(&mut self) -> Result<(Socket, Box<Welcome>), Departure> {
        let mut socket = match Socket::connect(self.url()).await {
            Ok(socket) => socket,
            Err(error) => {
                self.shared.tallies.failures.add(&error.to_string());
                return Err(Departure::ComeBack { not_before: Duration::ZERO });
            }
        };
        socket.queue(&ClientFrame::Hello(self.hello()));
        match timeout(WELCOME_TIMEOUT, self.welcome(&mut socket)).await {
            Ok(Ok(welcome)) => {
                self.shared.tallies.welcomed.add(1);
                self.connection = Some(welcome.connection.clone());
                if let Some(secret) = welcome.session.as_ref().and_then(|session| session.secret.clone()) {
                    self.session = Some(secret);
                }
                Ok((socket, welcome))
            }
            Ok(Err(departure)) => Err(departure),
            Err(_) => {
                self.shared.tallies.failures.add("the hello was not answered in time");
                Err(Departure::ComeBack { not_before: Duration::ZERO })
            }
        }
    }

    fn hello(&self) -> Hello {
        let tokens = &self.shared.plan.tokens;
        let guest = || Guest { name: Some(format!("load {}", self.number)) };
        let token = (!tokens.is_empty()).then(|| tokens[self.number % tokens.len()].clone());
        Hello {
            id: Some(0),
            guest: (token.is_none() && self.session.is_none()).then(guest),
            session: self.session.clone().filter(|_| token.is_none()),
            token,
            client: Some(ClientInfo {
                name: Some(env!("CARGO_PKG_NAME").to_owned()),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            replaces: self.connection.clone(),
        }
    }

    async fn welcome(&mut self, socket: &mut Socket) -> Result<Box<Welcome>, Departure> {
        let mut not_before = Duration::ZERO;
        loop {
            let text = match socket.next().await {
                Event::Frame(text) => text,
                Event::Binary => {
                    self.shared.tallies.breaches.add("a binary frame");
                    continue;
                }
                Event::Writable => continue,
                Event::Ended(ending) => return Err(self.ended(&ending, not_before)),
            };
            match Arrival::read(&text) {
                Ok(Arrival::Frame(frame)) => match *frame {
                    ServerFrame::Welcome(welcome) => return Ok(Box::new(welcome)),
                    ServerFrame::Error(error) => not_before = self.error(&error),
                    other => self.shared.tallies.breaches.add(&format!("{} before welcome", other.kind())),
                },
                Ok(Arrival::Entry(_)) => self.shared.tallies.breaches.add("an entry before welcome"),
                Err(_) => self.shared.tallies.breaches.add("no frame of this language"),
            }
        }
    }

    /// Counts an error. Gives the time before which nothing should be tried again.
    fn error(&self, error: &ErrorFrame) -> Duration {
        self.shared.tallies.errors.add(error.code.as_str());
        Duration::from_millis(error.retry_after_ms.unwrap_or(0))
    }

    /// Counts the end of a connection, and decides what follows.
    fn ended(&mut self, ending: &Ending, not_before: Duration) -> Departure {
        self.shared.tallies.closes.add(&advice::name(ending));
        match advice::after(ending) {
            Advice::ComeBack => Departure::ComeBack { not_before },
            Advice::ComeBackAnew => {
                // A new guest is another user, who cannot take the old one's place.
                if self.session.take().is_some() {
                    self.connection = None;
                }
                Departure::ComeBack { not_before }
            }
            Advice::StayAway => Departure::StayAway,
        }
    }

    /// The player is done with a phase and with all before it.
    fn report(&mut self, phase: Phase) {
        for each in [Phase::Connect, Phase::Send, Phase::Answer, Phase::CatchUp, Phase::Hold] {
            if each <= phase && self.done < Some(each) {
                self.shared.done(each);
                self.done = Some(each);
            }
        }
    }

    fn finish(mut self, stayed: bool) -> Outcome {
        // Nobody waits for who is gone.
        self.report(Phase::Hold);
        for Membership { room, subscription } in &self.memberships {
            self.shared.rooms[*room].ledger.lock().close(subscription);
        }
        Outcome { came: self.came, stayed, unanswered: self.unanswered.len() as u64 }
    }
}

/// Sleeps as long as the run goes on, and no longer.
async fn sleep_through(phase: &mut watch::Receiver<Phase>, time: Duration) {
    tokio::select! {
        _ = phase.wait_for(|phase| *phase == Phase::Stop) => {}
        () = sleep(time) => {}
    }
}

/// Whether a subscription will not change any more by waiting.
fn is_settled(subscription: &Subscription) -> bool {
    matches!(subscription.state(), State::Joined | State::Ended)
}
