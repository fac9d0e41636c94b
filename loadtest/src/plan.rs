//! What the arguments ask for, checked before the first connection is opened.

mod check;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use self::check::PlanError;
use self::check::check_listener;
use crate::command::RunArguments;
use crate::pass::Pass;
use crate::scenario;
use crate::servers::Server;
use crate::settings::{Arrivals, ConnectRate, RoomSpread, Settings};
use crate::source::{self, Source};
use crate::wire::Language;

/// A checked plan: who connects where, who sends what when. With the same seed, players decide the same again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The scenario's name or path, if there is one.
    pub(crate) scenario: Option<String>,
    /// Tells this run's rooms, keys and messages from those of others.
    pub(crate) run: String,
    pub(crate) seed: u64,
    pub(crate) urls: Vec<String>,
    pub(crate) language: Language,
    pub(crate) sources: Vec<Source>,
    pub(crate) threads: usize,
    pub(crate) clients: usize,
    pub(crate) connect_rate: ConnectRate,
    pub(crate) connects_in_flight: usize,
    #[serde(rename = "connect_timeout_ms", with = "milliseconds")]
    pub(crate) connect_timeout: Duration,
    /// Secrets, so they stay out of the report.
    #[serde(skip)]
    pub(crate) tokens: Vec<String>,
    #[serde(skip)]
    pub(crate) pusher: PusherApp,
    pub(crate) rooms: usize,
    pub(crate) rooms_per_client: usize,
    pub(crate) room_spread: RoomSpread,
    pub(crate) zipf_exponent: f64,
    pub(crate) room_prefix: String,
    /// 0 for a run that sends nothing.
    pub(crate) messages_per_second: f64,
    pub(crate) arrivals: Arrivals,
    pub(crate) senders: usize,
    /// Whether the messages come from another process.
    pub(crate) listen: bool,
    pub(crate) payload_bytes: usize,
    #[serde(rename = "duration_ms", with = "milliseconds")]
    pub(crate) duration: Duration,
    pub(crate) echo: bool,
    pub(crate) slow_readers: usize,
    #[serde(rename = "slow_for_ms", with = "milliseconds")]
    pub(crate) slow_for: Duration,
    pub(crate) churners: usize,
    #[serde(rename = "churn_every_ms", with = "milliseconds")]
    pub(crate) churn_every: Duration,
    pub(crate) presence: bool,
    /// Messages in each room that those who were cut miss; 0 for a run in which nobody is cut.
    pub(crate) missed: u64,
    #[serde(rename = "away_ms", with = "milliseconds")]
    pub(crate) away: Duration,
    #[serde(rename = "drain_ms", with = "milliseconds")]
    pub(crate) drain: Duration,
    #[serde(rename = "hold_ms", with = "milliseconds")]
    pub(crate) hold: Duration,
    pub(crate) servers: Vec<Server>,
    pub(crate) pass: Pass,
}

/// How to log in to a server that speaks Pusher's protocol.
#[derive(Debug, Clone, Default)]
pub(crate) struct PusherApp {
    pub(crate) key: String,
    pub(crate) secret: String,
}

mod milliseconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_millis() as u64)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

impl Plan {
    /// Reads the scenario, lays the flags over it, fills in what was left open, and checks the whole.
    pub(crate) fn new(arguments: RunArguments) -> Result<Self, PlanError> {
        let scenario = match &arguments.scenario {
            Some(name) => scenario::load(name)?,
            None => Settings::default(),
        };
        let settings = arguments.settings.clone().or(scenario);
        check_listener(&settings, &arguments)?;
        let seed = arguments.seed.unwrap_or_else(rand::random);
        // Not from the seed: two runs with one seed must not meet in a room.
        let run = arguments.run.unwrap_or_else(|| format!("{:08x}", rand::random::<u32>()));
        let sources = match source::parse(&arguments.source) {
            Ok(sources) => sources,
            Err(text) => return Err(PlanError::Source(text)),
        };
        let silent = settings.idle.unwrap_or(false);
        let clients = settings.clients.unwrap_or(100);
        let slow_readers = settings.slow_readers.unwrap_or(0);
        let mut pass = settings.pass.unwrap_or_default();
        pass.lost = arguments.max_loss.or(pass.lost);
        pass.delivered_p99_ms = arguments.max_p99_ms.or(pass.delivered_p99_ms);
        let plan = Self {
            scenario: arguments.scenario,
            room_prefix: arguments.room_prefix.unwrap_or_else(|| format!("load-{run}-")),
            run,
            seed,
            urls: arguments.url,
            language: arguments.language,
            sources,
            threads: match arguments.threads {
                Some(threads) => threads,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            clients,
            connect_rate: settings.connect_rate.unwrap_or(ConnectRate::PerSecond(500.0)),
            connects_in_flight: settings.connects_in_flight.unwrap_or(100),
            connect_timeout: settings.connect_timeout.unwrap_or(Duration::from_mins(1)),
            tokens: match arguments.token_file {
                Some(path) => read_tokens(path)?,
                None => arguments.token,
            },
            pusher: PusherApp { key: arguments.pusher_key, secret: arguments.pusher_secret },
            rooms: settings.rooms.unwrap_or(1),
            rooms_per_client: settings.rooms_per_client.unwrap_or(1),
            room_spread: settings.room_spread.unwrap_or_default(),
            zipf_exponent: settings.zipf_exponent.unwrap_or(1.0),
            messages_per_second: if silent { 0.0 } else { settings.rate.unwrap_or(100.0) },
            arrivals: settings.arrivals.unwrap_or_default(),
            senders: settings.senders.unwrap_or(clients.saturating_sub(slow_readers)),
            listen: settings.listen.unwrap_or(false),
            payload_bytes: settings.payload_bytes.unwrap_or(128),
            duration: settings.duration.unwrap_or(Duration::from_secs(10)),
            echo: !settings.no_echo.unwrap_or(false),
            slow_readers,
            slow_for: settings.slow_for.unwrap_or(Duration::from_secs(5)),
            churners: settings.churn.unwrap_or(0),
            churn_every: settings.churn_every.unwrap_or(Duration::from_secs(2)),
            presence: settings.presence.unwrap_or(false),
            missed: settings.missed.unwrap_or(0),
            away: settings.away.unwrap_or(Duration::from_secs(2)),
            drain: settings.drain.unwrap_or(Duration::from_secs(40)),
            hold: settings.hold.unwrap_or(Duration::ZERO),
            servers: arguments.pid,
            pass,
        };
        plan.check(silent)?;
        Ok(plan)
    }

    /// The name of a room, counted from 0.
    pub(crate) fn room(&self, number: usize) -> String {
        format!("{}{number}", self.room_prefix)
    }

    /// When a client begins to connect, from the start.
    pub(crate) fn connect_due(&self, client: usize) -> Duration {
        match self.connect_rate {
            ConnectRate::Max => Duration::ZERO,
            ConnectRate::PerSecond(rate) => Duration::from_secs_f64(client as f64 / rate),
        }
    }

    /// The first clients are the slow readers; they do not send, so that no message waits for a reader.
    pub(crate) fn reads_slowly(&self, client: usize) -> bool {
        client < self.slow_readers
    }

    /// One client in each room looks who is told to be there; with as many rooms as clients that is everybody.
    pub(crate) fn watches(&self, client: usize) -> bool {
        self.presence && client >= self.clients.saturating_sub(self.rooms)
    }

    /// The next clients come and go.
    pub(crate) fn churns(&self, client: usize) -> bool {
        (self.slow_readers..self.slow_readers + self.churners).contains(&client)
    }

    /// Which of the senders a client is; they are the last ones.
    pub(crate) fn sender(&self, client: usize) -> Option<usize> {
        client.checked_sub(self.clients - self.senders)
    }
}

fn read_tokens(path: PathBuf) -> Result<Vec<String>, PlanError> {
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Err(PlanError::TokenFile { path, error }),
    };
    let tokens: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if tokens.is_empty() { Err(PlanError::NoTokens(path)) } else { Ok(tokens) }
}

#[cfg(test)]
mod tests;
