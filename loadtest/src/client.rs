//! One virtual user: connects when it is due, stays, and comes back as the protocol (§7) tells clients to, until the run
//! is over.

mod advice;
mod asked;
mod leaving;
mod native;
mod plain;
mod reading;
mod sending;
mod watch;

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::asked::{Asked, Request, Unanswered};
pub(crate) use self::reading::Ready;
pub(crate) use self::watch::Told;
use self::watch::Watch;
use crate::connection::{self, Connection, Ending};
use crate::local::{Action, Local, Timer};
use crate::numbers::Numbers;
use crate::phase::Phase;
use crate::schedule;
use crate::settings::ConnectRate;
use crate::shared::Shared;
use crate::subscription::{State, Subscription};

/// How long a connection or an upgrade may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the gateway may take to answer `hello`.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);

/// A client in one of the run's rooms.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) room: u32,
    pub(crate) subscription: Subscription,
    /// Where the language has no seqs: which messages came, how many the client sent itself, and the last of them.
    pub(crate) numbers: Option<Box<Numbers>>,
    pub(crate) own: u32,
    last_own: Option<u32>,
    /// How many messages of the run came, each counted once; only where there are seqs.
    pub(crate) heard: u32,
    /// The client was away from the room because the scenario wanted it so: what it missed is as old as that absence was
    /// long.
    is_excused: bool,
}

impl Membership {
    /// Whether it will not change any more by waiting.
    fn is_settled(&self) -> bool {
        matches!(self.subscription.state(), State::Joined | State::Ended)
    }

    /// How many messages should have come, where they have no seq.
    pub(crate) fn owed(&self, shared: &Shared) -> u64 {
        let sent = shared.rooms[self.room as usize].sent();
        if shared.plan.language.echoes() { sent } else { sent - u64::from(self.own) }
    }

    /// Whether everything came that is known to have been sent.
    fn has_caught_up(&self, shared: &Shared) -> bool {
        if !self.subscription.is_owed_the_rest() {
            return true;
        }
        if shared.plan.listen {
            return u64::from(self.heard) >= shared.expected(self.room);
        }
        match &self.numbers {
            Some(numbers) => numbers.came() >= self.owed(shared),
            None => self.subscription.seq() >= shared.rooms[self.room as usize].newest(),
        }
    }
}

/// Where a client stands between the program and the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Without a connection, for now.
    Away,
    Connecting,
    Upgrading,
    /// `hello` is on its way.
    Greeting,
    Here,
    /// It has said goodbye.
    Closing(After),
    /// Cut, as the scenario says, until it says otherwise.
    Cut,
    /// Gone for good.
    Over,
}

/// What follows a goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Return(Duration),
    Over,
}

/// One virtual user. There may be a hundred thousand of them in one process.
#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    /// Its number in its thread.
    index: u32,
    /// How many connections it has had.
    connections: u32,
    stage: Stage,
    connection: Option<Connection>,
    /// When this connection was begun, or welcome.
    since: Instant,
    /// When it came back from the last absence that the scenario wanted. What it was to send before is not timed; what it
    /// was to send while the server did not let it is, from the moment it was due.
    excused_until: Instant,
    /// When the server was last heard, or the stage was reached.
    heard: Instant,
    silence_max: Duration,
    /// What the last error said of when to come back.
    not_before: Duration,
    attempts: u32,
    memberships: Box<[Membership]>,
    asked: Asked,
    unanswered: Vec<Unanswered>,
    /// The number of its next message.
    next: u64,
    /// The secret of the session that a guest's first hello made.
    session: Option<Box<str>>,
    /// What the server calls the last connection, and the user.
    called: Option<Box<str>>,
    user: Option<Box<str>>,
    random: SmallRng,
    watch: Option<Box<Watch>>,
    /// Whether it was ever welcome.
    came: bool,
    /// Whether it is in all of its rooms.
    is_in_rooms: bool,
    is_on_the_way: bool,
    /// It was cut and is not back where it was.
    is_returning: bool,
    /// It does not read for a while.
    is_paused: bool,
    /// It goes away with the next message.
    is_parting: bool,
    /// It is away because the scenario wants it so, and not back yet.
    is_excused: bool,
    /// It is gone as the scenario says.
    has_left: bool,
    reads_slowly: bool,
}

impl Client {
    pub(crate) fn new(number: usize, index: usize, shared: &Shared) -> Self {
        let plan = &shared.plan;
        let is_numbered = plan.language.plain().is_some();
        let membership = |room| Membership {
            room,
            subscription: Subscription::new(),
            numbers: is_numbered.then(Box::default),
            own: 0,
            last_own: None,
            heard: 0,
            is_excused: false,
        };
        let sends = if plan.listen { None } else { plan.sender(number) };
        Self {
            number,
            index: index as u32,
            connections: 0,
            stage: Stage::Away,
            connection: None,
            since: shared.opened,
            excused_until: shared.opened,
            heard: shared.opened,
            silence_max: Duration::MAX,
            not_before: Duration::ZERO,
            attempts: 0,
            memberships: shared.memberships.of(number).into_iter().map(membership).collect(),
            asked: Asked::default(),
            unanswered: Vec::new(),
            next: sends.map_or(u64::MAX, |sender| sender as u64),
            session: None,
            called: None,
            user: None,
            random: SmallRng::seed_from_u64(plan.seed.wrapping_add(number as u64)),
            watch: plan.watches(number).then(Box::default),
            came: false,
            is_in_rooms: false,
            is_on_the_way: false,
            is_returning: false,
            is_paused: false,
            is_parting: false,
            is_excused: false,
            has_left: false,
            reads_slowly: plan.reads_slowly(number),
        }
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, local: &mut Local, now: Instant) {
        if self.stage != Stage::Away {
            return;
        }
        (self.since, self.heard) = (now, now);
        (self.is_on_the_way, self.stage) = (true, Stage::Connecting);
        local.on_the_way += 1;
        let (target, source) = local.shared.target(self.number);
        match Connection::open(target.address, source, &local.registry, mio::Token(self.index as usize)) {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => self.fail(&connection::failure(&error), local, now),
        }
    }

    /// Makes an appointment, which holds as long as this connection.
    fn set(&self, action: Action, at: Instant, local: &mut Local) {
        let timer = Timer { at, client: self.index, connection: self.connections, action };
        local.timers.push(Reverse(timer));
    }

    fn arrive_or_not(&mut self, is_in_rooms: bool, local: &mut Local) {
        match (std::mem::replace(&mut self.is_in_rooms, is_in_rooms), is_in_rooms) {
            (false, true) => local.in_rooms += 1,
            (true, false) => local.in_rooms -= 1,
            (false, false) | (true, true) => {}
        }
    }

    /// Something about the subscriptions has changed.
    fn look_around(&mut self, local: &mut Local, now: Instant) {
        if self.stage != Stage::Here || !self.memberships.iter().all(Membership::is_settled) {
            return self.arrive_or_not(false, local);
        }
        self.arrive_or_not(true, local);
        if std::mem::take(&mut self.is_on_the_way) {
            local.on_the_way -= 1;
        }
        self.look_whether_back(local, now);
    }

    /// Tells when a client that was cut is back where it was.
    fn look_whether_back(&mut self, local: &mut Local, now: Instant) {
        if self.is_returning && self.is_in_rooms && self.has_caught_up(&local.shared) {
            self.is_returning = false;
            let missed = local.shared.started.get().is_some();
            let stage = if missed { &mut local.latencies.recovered } else { &mut local.latencies.returned };
            stage.record(now - local.since);
        }
    }

    fn has_caught_up(&self, shared: &Shared) -> bool {
        self.memberships.iter().all(|each| each.has_caught_up(shared))
    }

    /// A phase begins.
    pub(crate) fn begin(&mut self, local: &mut Local, now: Instant) {
        let plan = &local.shared.plan;
        let stays = plan.sender(self.number).is_some();
        let churns = plan.churns(self.number);
        match local.turn.phase {
            Phase::Cut if !stays => self.cut(local),
            Phase::Return if self.stage == Stage::Cut => {
                (self.stage, self.attempts, self.is_returning) = (Stage::Away, 0, true);
                local.lined_up.push_back(self.index);
            }
            Phase::Send if self.reads_slowly && self.stage == Stage::Here => {
                self.is_paused = true;
                let until = now + plan.slow_for;
                self.set(Action::Awake, until, local);
            }
            Phase::Send if churns && self.stage == Stage::Here => self.set_churn(local, now),
            // Half of those who came and went are gone in the end, half of them without a word.
            Phase::Settle if churns && self.number % 2 == 1 => {
                self.has_left = true;
                if self.number % 4 == 1 {
                    self.leave_for_good(local);
                } else {
                    self.cut(local);
                }
            }
            Phase::Stop => self.stop(local, now),
            Phase::Connect
            | Phase::Cut
            | Phase::Return
            | Phase::Send
            | Phase::Answer
            | Phase::CatchUp
            | Phase::Settle
            | Phase::Hold => {}
        }
    }

    fn set_churn(&mut self, local: &mut Local, now: Instant) {
        let pause = local.shared.plan.churn_every.mul_f64(schedule::exponential(&mut self.random));
        self.set(Action::Churn, now + pause, local);
    }

    fn stop(&mut self, local: &mut Local, now: Instant) {
        let is_there = self.memberships.iter().all(|each| each.subscription.is_owed_the_rest());
        local.tallies.stayed += u64::from(is_there || self.has_left);
        local.tallies.came += u64::from(self.came);
        self.unanswered.extend(std::mem::take(&mut self.asked).into_messages());
        local.tallies.unanswered += self.unanswered.len() as u64;
        // What comes during the farewell is not a part of the run.
        local.rests.push(Rest {
            user: self.user.take(),
            memberships: std::mem::take(&mut self.memberships),
            told: self.watch.take().map(|watch| watch.into_told()),
        });
        self.say_goodbye(After::Over, local, now);
    }

    /// Whether waiting would change nothing in this phase.
    pub(crate) fn is_done(&self, local: &Local) -> bool {
        let is_settled = || matches!(self.stage, Stage::Here) && self.memberships.iter().all(Membership::is_settled);
        match (self.stage, local.turn.phase) {
            (_, Phase::Settle | Phase::Hold) => false,
            (Stage::Over | Stage::Cut, _) | (_, Phase::Cut) => true,
            (_, Phase::Connect) => is_settled(),
            (_, Phase::Send) => local.shared.plan.listen && is_settled() && self.has_caught_up(&local.shared),
            (_, Phase::Answer) => is_settled() && self.asked.is_empty() && self.due(local).is_none(),
            (_, Phase::Return | Phase::CatchUp) => is_settled() && self.has_caught_up(&local.shared),
            (_, Phase::Stop) => false,
        }
    }

    /// Whether nothing is to be done for it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Looks whether the server has been silent for too long.
    pub(crate) fn look_for_silence(&mut self, local: &mut Local, now: Instant) {
        let silence = now.saturating_duration_since(self.heard);
        match self.stage {
            Stage::Connecting | Stage::Upgrading if silence > CONNECT_TIMEOUT => {
                self.fail(&format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()), local, now);
            }
            Stage::Greeting if silence > WELCOME_TIMEOUT => {
                self.fail("the hello was not answered in time", local, now);
            }
            Stage::Here if silence > self.silence_max && !self.is_paused => {
                local.tallies.closes.add("left, because the gateway fell silent");
                self.drop_connection(local);
                self.come_back(Duration::ZERO, local, now);
            }
            _ => {}
        }
    }

    /// An appointment is due.
    pub(crate) fn act(&mut self, timer: Timer, local: &mut Local, buffer: &mut Vec<u8>, now: Instant) {
        if timer.connection != self.connections {
            return;
        }
        match timer.action {
            Action::Connect => local.lined_up.push_back(self.index),
            Action::Churn if local.turn.phase == Phase::Send && !self.has_left => self.churn(local, now),
            Action::Part if self.is_parting => self.part(local, now),
            Action::Move => self.say_goodbye(After::Return(Duration::ZERO), local, now),
            Action::Rejoin { subscription } => {
                if self.stage == Stage::Here {
                    self.join(subscription as usize, local, now);
                    self.flush();
                }
            }
            Action::Awake => {
                (self.is_paused, self.heard) = (false, now);
                self.read(true, local, buffer);
            }
            Action::GiveUp => self.ended(&Ending::Lost, local, now),
            Action::Churn | Action::Part => {}
        }
    }

    fn flush(&mut self) {
        if let Some(connection) = self.connection.as_mut() {
            connection.flush();
        }
    }

    /// Is let in.
    fn welcome(&mut self, local: &mut Local, now: Instant) {
        local.tallies.welcomed += 1;
        local.latencies.welcomed.record(now - self.heard);
        if !std::mem::replace(&mut self.came, true) {
            let due = match local.shared.plan.connect_rate {
                ConnectRate::Max => self.since,
                ConnectRate::PerSecond(_) => local.shared.opened + local.shared.plan.connect_due(self.number),
            };
            local.latencies.connected.record(now.saturating_duration_since(due));
        }
        (self.stage, self.since, self.heard) = (Stage::Here, now, now);
        if std::mem::take(&mut self.is_excused) {
            self.excused_until = now;
        }
        self.not_before = Duration::ZERO;
        self.arrive(local, now);
    }

    /// Takes up where the last connection ended.
    fn arrive(&mut self, local: &mut Local, now: Instant) {
        for subscription in 0..self.memberships.len() {
            if self.memberships[subscription].subscription.state() == State::Absent {
                self.join(subscription, local, now);
            }
        }
        for Unanswered { message, subscription, due } in std::mem::take(&mut self.unanswered) {
            local.tallies.sent_again += 1;
            self.send(message, subscription, due.filter(|due| self.is_timed(*due)), local);
        }
        if local.turn.phase == Phase::Send && local.shared.plan.churns(self.number) {
            self.set_churn(local, now);
        }
        self.send_what_is_due(local, now);
    }
}

/// What is left of a client when the run is over.
#[derive(Debug)]
pub(crate) struct Rest {
    /// The user id, where the run is about presence.
    pub(crate) user: Option<Box<str>>,
    pub(crate) memberships: Box<[Membership]>,
    pub(crate) told: Option<Told>,
}
