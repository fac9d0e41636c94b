//! How a connection ends, and what a client does then.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::advice::{self, Advice};
use super::{After, Client, Stage};
use crate::connection::Ending;
use crate::local::{Action, Local};
use crate::phase::Phase;
use crate::subscription::State;
use crate::websocket::frame::Opcode;

/// How long a polite farewell may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The first pause before another try is at most this long, and each further one at most twice the one before.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// A connection that lasts as long was worth coming back for; one that ends sooner counts as another failure.
const STAY_MIN: Duration = Duration::from_secs(5);

impl Client {
    /// Full jitter: somewhere between at once and twice as long as the last time.
    pub(super) fn backoff(&mut self) -> Duration {
        let longest = BACKOFF_FIRST.saturating_mul(1 << self.attempts.min(16)).min(BACKOFF_MAX);
        self.attempts += 1;
        longest.mul_f64(self.random.random())
    }

    /// The connection could not be opened.
    pub(super) fn fail(&mut self, reason: &str, local: &mut Local, now: Instant) {
        local.tallies.failures.add(reason);
        self.drop_connection(local);
        self.come_back(Duration::ZERO, local, now);
    }

    /// The connection has ended, for whatever reason.
    pub(super) fn ended(&mut self, ending: &Ending, local: &mut Local, now: Instant) {
        match self.stage {
            Stage::Closing(after) => {
                self.drop_connection(local);
                return self.follow(after, local, now);
            }
            Stage::Connecting | Stage::Upgrading => {
                return self.fail("the connection was lost before it was a WebSocket", local, now);
            }
            Stage::Away | Stage::Greeting | Stage::Here | Stage::Cut | Stage::Over => {}
        }
        local.tallies.closes.add(&advice::name(ending));
        let not_before = std::mem::take(&mut self.not_before);
        self.drop_connection(local);
        match advice::after(ending) {
            Advice::ComeBack => self.come_back(not_before, local, now),
            Advice::ComeBackAnew => {
                // A new guest is another user, who cannot take the old one's place.
                if self.session.take().is_some() {
                    self.called = None;
                }
                self.come_back(not_before, local, now);
            }
            Advice::StayAway => {
                self.memberships.iter_mut().for_each(|each| each.subscription.end());
                self.stage = Stage::Over;
            }
        }
    }

    pub(super) fn come_back(&mut self, not_before: Duration, local: &mut Local, now: Instant) {
        if local.turn.phase == Phase::Stop {
            self.stage = Stage::Over;
            return;
        }
        let pause = self.backoff().max(not_before);
        self.set(Action::Connect, now + pause, local);
    }

    pub(super) fn follow(&mut self, after: After, local: &mut Local, now: Instant) {
        match after {
            After::Return(_) if local.turn.phase == Phase::Stop => self.stage = Stage::Over,
            After::Return(time) => self.set(Action::Connect, now + time, local),
            After::Over => self.stage = Stage::Over,
        }
    }

    /// Leaves without a connection, in its rooms no more.
    pub(super) fn drop_connection(&mut self, local: &mut Local) {
        if self.stage == Stage::Here && self.since.elapsed() >= STAY_MIN {
            self.attempts = 0;
        }
        self.connection = None;
        self.stage = Stage::Away;
        self.connections += 1;
        for each in &mut self.memberships {
            // Who had left the room before stays excused, however the connection ends then.
            each.is_excused = self.is_excused || each.is_excused && each.subscription.state() != State::Joined;
            each.subscription.interrupt();
        }
        self.unanswered.extend(std::mem::take(&mut self.asked).into_messages());
        (self.is_paused, self.is_parting) = (false, false);
        self.arrive_or_not(false, local);
        if std::mem::take(&mut self.is_on_the_way) {
            local.on_the_way -= 1;
        }
    }

    /// Says goodbye, and waits a little for the answer.
    pub(super) fn say_goodbye(&mut self, after: After, local: &mut Local, now: Instant) {
        match (self.stage, self.connection.as_mut()) {
            (Stage::Greeting | Stage::Here, Some(connection)) => {
                connection.queue(Opcode::Close, &1000_u16.to_be_bytes());
                connection.flush();
                self.arrive_or_not(false, local);
                self.is_paused = false;
                self.stage = Stage::Closing(after);
                self.set(Action::GiveUp, now + CLOSE_TIMEOUT, local);
            }
            (Stage::Closing(_), _) => self.stage = Stage::Closing(after),
            (Stage::Over | Stage::Cut, _) => self.stage = Stage::Over,
            (Stage::Away | Stage::Connecting | Stage::Upgrading | Stage::Greeting | Stage::Here, _) => {
                self.drop_connection(local);
                self.follow(after, local, now);
            }
        }
    }

    /// Goes without a word, for as long as the scenario says.
    pub(super) fn cut(&mut self, local: &mut Local) {
        if self.stage != Stage::Over {
            self.is_excused = true;
            self.drop_connection(local);
            self.stage = Stage::Cut;
        }
    }
}
