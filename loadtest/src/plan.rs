//! What the arguments ask for, checked before the first connection is opened.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use hubbub_shared::RoomName;
use hubbub_shared::names::NameError;

use crate::command::RunArguments;
use crate::pass::Pass;
use crate::payload;
use crate::scenario::{self, ScenarioError};
use crate::servers::{Server, ServerError, Watch};
use crate::settings::{Arrivals, ConnectRate, RoomSpread, Settings};
use crate::source::{self, Source};
use crate::wire::Language;

/// More connections from one address to another run out of local ports.
const CLIENTS_PER_PAIR_MAX: usize = 28_000;

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

/// Why the arguments make no plan, and what would.
#[derive(Debug, Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("--url {0} is no ws:// address; give one like ws://127.0.0.1:8080/v1/ws (TLS is not spoken here)")]
    Url(String),
    #[error("--source {0} is no address, and no range of them like 127.0.0.2-127.0.0.9")]
    Source(String),
    #[error("--{0} must be at least 1")]
    Zero(&'static str),
    #[error("--{0} must be a number of at least 0.001")]
    Rate(&'static str),
    #[error("--rooms-per-client {per_client} is more than --rooms {rooms}")]
    TooFewRooms { per_client: usize, rooms: usize },
    #[error("--slow-readers and --churn together ({0}) are more than --clients ({1})")]
    TooFewClients(usize, usize),
    #[error("with {slow} slow readers among {clients} clients nobody is left to send; raise --clients or add --idle")]
    NobodySends { slow: usize, clients: usize },
    #[error("--senders {senders} are more than the {readers} clients that read all the time")]
    TooManySenders { senders: usize, readers: usize },
    #[error(
        "--missed needs senders that stay in every room and others that are cut: --senders must be a multiple of --rooms \
         and less than --clients, with one room for each client and even spread"
    )]
    NobodyMisses,
    #[error(
        "--presence needs one room for each client, even spread, and at least one client in each room that does not --churn"
    )]
    NobodyWatches,
    #[error("--listen needs {0}")]
    Listens(&'static str),
    #[error("--run {0} makes no name: {1}")]
    Run(String, NameError),
    #[error("--{0} is only known of the native language")]
    NativeOnly(&'static str),
    #[error(
        "{clients} clients are too many for {pairs} pair(s) of addresses: beyond 28000 connections from one address to \
         another the local ports run out; give several addresses of this machine with --source, or of the gateway with \
         --url"
    )]
    TooManyClients { clients: usize, pairs: usize },
    #[error("--payload-bytes must be at least {0}: each message carries its number and its time")]
    PayloadTooSmall(usize),
    #[error("--pid: {0}; give the id of a process that runs on this machine, which must be a Linux")]
    Pid(#[from] ServerError),
    #[error("--room-prefix {0} makes no room name: {1}")]
    RoomPrefix(String, NameError),
    #[error("the tokens could not be read from {path}: {error}")]
    TokenFile { path: PathBuf, error: std::io::Error },
    #[error("there is no token in {0}; put one on each line")]
    NoTokens(PathBuf),
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

    fn check(&self, silent: bool) -> Result<(), PlanError> {
        if let Some(url) = self.urls.iter().find(|url| !url.starts_with("ws://")) {
            return Err(PlanError::Url(url.clone()));
        }
        for (name, count) in [
            ("clients", self.clients),
            ("rooms", self.rooms),
            ("rooms-per-client", self.rooms_per_client),
            ("threads", self.threads),
            ("connects-in-flight", self.connects_in_flight),
        ] {
            if count == 0 {
                return Err(PlanError::Zero(name));
            }
        }
        let connects_per_second = match self.connect_rate {
            ConnectRate::Max => 1.0,
            ConnectRate::PerSecond(rate) => rate,
        };
        for (name, rate, needed) in [
            ("connect-rate", connects_per_second, true),
            ("rate", self.messages_per_second, !silent),
            ("zipf-exponent", self.zipf_exponent, true),
        ] {
            if needed && !(rate.is_finite() && rate >= 0.001) {
                return Err(PlanError::Rate(name));
            }
        }
        if self.rooms_per_client > self.rooms {
            return Err(PlanError::TooFewRooms { per_client: self.rooms_per_client, rooms: self.rooms });
        }
        self.check_roles(silent)?;
        // An address that is bound to gives each of its ports only once, wherever it connects to.
        let pairs = if self.sources.is_empty() { self.urls.len() } else { self.sources.len() };
        if self.clients > CLIENTS_PER_PAIR_MAX * pairs {
            return Err(PlanError::TooManyClients { clients: self.clients, pairs });
        }
        let payload_bytes_min = match self.language.plain() {
            None => payload::BYTES_MIN,
            Some(_) => payload::NUMBERED_BYTES_MIN,
        };
        if self.payload_bytes < payload_bytes_min && !silent {
            return Err(PlanError::PayloadTooSmall(payload_bytes_min));
        }
        if let Err(error) = RoomName::new(&self.run) {
            return Err(PlanError::Run(self.run.clone(), error));
        }
        Watch::new(&self.servers)?;
        match RoomName::new(&self.room(self.rooms - 1)) {
            Ok(_) => Ok(()),
            Err(error) => Err(PlanError::RoomPrefix(self.room_prefix.clone(), error)),
        }
    }

    fn check_roles(&self, silent: bool) -> Result<(), PlanError> {
        if self.slow_readers + self.churners > self.clients {
            return Err(PlanError::TooFewClients(self.slow_readers + self.churners, self.clients));
        }
        let readers = self.clients - self.slow_readers;
        if self.senders > readers {
            return Err(PlanError::TooManySenders { senders: self.senders, readers });
        }
        if !silent && self.senders == 0 {
            return Err(PlanError::NobodySends { slow: self.slow_readers, clients: self.clients });
        }
        let some_stay = self.rooms_per_client == 1
            && self.room_spread == RoomSpread::Even
            && self.senders.is_multiple_of(self.rooms)
            && self.senders < self.clients
            && !silent;
        if self.missed > 0 && !some_stay {
            return Err(PlanError::NobodyMisses);
        }
        let some_watch = self.rooms_per_client == 1
            && self.room_spread == RoomSpread::Even
            && self.clients >= self.rooms + self.slow_readers + self.churners;
        if self.presence && !some_watch {
            return Err(PlanError::NobodyWatches);
        }
        if self.language != Language::Native {
            for (name, wanted) in [
                ("missed", self.missed > 0),
                ("presence", self.presence),
                ("churn", self.churners > 0),
                ("no-echo", !self.echo),
            ] {
                if wanted {
                    return Err(PlanError::NativeOnly(name));
                }
            }
        }
        Ok(())
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

/// Who listens has to know what another process sends, and when.
fn check_listener(settings: &Settings, arguments: &RunArguments) -> Result<(), PlanError> {
    if !settings.listen.unwrap_or(false) {
        return Ok(());
    }
    for (is_missing, needed) in [
        (arguments.run.is_none(), "the --run and the --room-prefix of the process that sends"),
        (
            settings.arrivals == Some(Arrivals::Poisson) && arguments.seed.is_none(),
            "the --seed of the process that sends, so that both draw the same messages; or --arrivals even",
        ),
        (arguments.language != Language::Native, "--language native: in others it cannot be told how much was sent"),
        (settings.missed.unwrap_or(0) > 0, "to stay: leave --missed out, or use it in the process that sends"),
        (settings.churn.unwrap_or(0) > 0, "to stay: leave --churn out, or use it in the process that sends"),
    ] {
        if is_missing {
            return Err(PlanError::Listens(needed));
        }
    }
    Ok(())
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
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan, PlanError> {
        Plan::new(RunArguments::parse_words(line))
    }

    #[test]
    fn the_defaults_make_a_plan() {
        let plan = plan("").unwrap();
        assert_eq!((plan.clients, plan.rooms, plan.senders), (100, 1, 100));
        assert!(plan.room(0).starts_with("load-"));
    }

    #[test]
    fn every_fault_of_the_arguments_says_what_would_be_right() {
        for (arguments, word) in [
            ("--url http://127.0.0.1:1", "ws://"),
            ("--clients 0", "--clients must be at least 1"),
            ("--rooms 0", "--rooms must be at least 1"),
            ("--rate 0", "--rate must be"),
            ("--rate NaN", "--rate must be"),
            ("--connect-rate inf", "--connect-rate must be"),
            ("--rooms 2 --rooms-per-client 3", "more than --rooms 2"),
            ("-n 4 --churn 3 --slow-readers 2", "more than --clients"),
            ("-n 4 --slow-readers 4", "nobody is left to send"),
            ("-n 4 --senders 5", "--senders 5 are more"),
            ("-n 4 --threads 0", "--threads must be at least 1"),
            ("-n 4 --connects-in-flight 0", "--connects-in-flight must be at least 1"),
            ("-n 9 --rooms 2 --senders 3 --missed 5", "a multiple of --rooms"),
            ("-n 4 --senders 4 --missed 5", "less than --clients"),
            ("-n 4 --rooms 2 --churn 3 --presence", "does not --churn"),
            ("--language pusher --churn 3 --payload-bytes 200", "--churn is only known of the native language"),
            ("--language socketio", "--payload-bytes must be at least 150"),
            ("--room-spread zipf --zipf-exponent 0", "--zipf-exponent must be"),
            ("--source localhost", "--source localhost"),
            ("--run a*b", "--run a*b"),
            ("--listen", "--run"),
            ("--listen --run a --arrivals poisson", "--seed"),
            ("--listen --run a --language socketio --payload-bytes 200", "--language native"),
            ("--listen --run a -n 9 --senders 3 --missed 5", "--missed"),
            ("--listen --run a --churn 5", "--churn"),
            ("nowhere", "hubbub-loadtest scenarios"),
            ("-n 28001", "several addresses"),
            ("--payload-bytes 1", "at least"),
            ("--room-prefix a*", "'*'"),
            ("--pid 4294967295", "no process 4294967295"),
            ("--token-file /nowhere/tokens", "/nowhere/tokens"),
        ] {
            let error = plan(arguments).unwrap_err().to_string();
            assert!(error.contains(word), "{arguments}: {error}");
        }
        assert!(plan("-n 4 --slow-readers 4 --idle").is_ok());
        assert!(plan("--listen --run a --arrivals poisson --seed 1").is_ok());
        assert!(plan("-n 28001 --url ws://127.0.0.1:1,ws://127.0.0.2:1").is_ok());
    }

    #[test]
    fn flags_have_the_last_word_over_the_scenario() {
        let plan = plan("big-room --rate 50 --max-p99-ms 7 -d 1s").unwrap();
        assert_eq!((plan.clients, plan.payload_bytes, plan.messages_per_second), (1_000, 200, 50.0));
        assert_eq!((plan.duration, plan.pass.delivered_p99_ms), (Duration::from_secs(1), Some(7.0)));
        assert_eq!(plan.scenario.as_deref(), Some("big-room"));
    }

    #[test]
    fn a_plan_can_be_read_back_from_the_report() {
        let plan = plan("reconnect-storm --source 127.0.0.2 --connect-rate 100").unwrap();
        let json = serde_json::to_string(&plan).unwrap();
        let again: Plan = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), json);
        assert_eq!(again.pass, plan.pass);
    }

    #[test]
    fn tokens_never_reach_the_report() {
        let plan = plan("--token secret1 --token secret2").unwrap();
        assert_eq!(plan.tokens.len(), 2);
        assert!(!serde_json::to_string(&plan).unwrap().contains("secret"));
    }
}
