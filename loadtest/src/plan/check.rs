//! What the arguments must be, and what is said where they are not.

use std::path::PathBuf;
use std::time::Duration;

use hubbub_shared::RoomName;
use hubbub_shared::names::NameError;
use thiserror::Error;

use super::Plan;
use crate::command::RunArguments;
use crate::payload;
use crate::scenario::ScenarioError;
use crate::servers::{ServerError, Watch};
use crate::settings::{Arrivals, ConnectRate, RoomSpread, Settings};
use crate::wire::Language;

/// More connections from one address to another run out of local ports.
const CLIENTS_PER_PAIR_MAX: usize = 28_000;
/// A longer name would leave no room for the number in a message's key, or for what else its data must say.
const RUN_BYTES_MAX: usize = 24;
/// Where they are drawn, each message takes memory before the run begins.
const MESSAGES_MAX: f64 = 1e12;
const DRAWN_MESSAGES_MAX: f64 = 1e8;
const TIME_MAX: Duration = Duration::from_hours(24 * 365);

/// Why the arguments make no plan, and what would.
#[derive(Debug, Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error("--url {0} is no ws:// address; give one like ws://127.0.0.1:8080/v1/ws (TLS is not spoken here)")]
    Url(String),
    #[error("--source {0} is no address, and no range of at most 65536 of them like 127.0.0.2-127.0.0.9")]
    Source(String),
    #[error("--{0} must be at least 1")]
    Zero(&'static str),
    #[error("--{0} must be a number of at least 0.001")]
    Rate(&'static str),
    #[error("--rooms-per-client {per_client} is more than --rooms {rooms}; raise --rooms, or lower --rooms-per-client")]
    TooFewRooms { per_client: usize, rooms: usize },
    #[error(
        "--slow-readers and --churn together ({0}) are more than --clients ({1}); raise --clients, or lower one of them"
    )]
    TooFewClients(usize, usize),
    #[error("with {slow} slow readers among {clients} clients nobody is left to send; raise --clients or add --idle")]
    NobodySends { slow: usize, clients: usize },
    #[error(
        "--senders {senders} are more than the {readers} clients that read all the time; lower --senders, or raise --clients"
    )]
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
    #[error("--{0} is only known of the native language; leave it out, or measure a server with --language native")]
    NativeOnly(&'static str),
    #[error(
        "{clients} clients are too many for {pairs} pair(s) of addresses: beyond 28000 connections from one address to \
         another the local ports run out; {advice}"
    )]
    TooManyClients { clients: usize, pairs: usize, advice: &'static str },
    #[error("there would be more than {most:.0} messages; lower --rate, --duration or --missed{or_else}")]
    TooManyMessages { most: f64, or_else: &'static str },
    #[error("--{0} must be at most 365d")]
    TooLong(&'static str),
    #[error("--run {0} is too long; give at most {RUN_BYTES_MAX} characters")]
    LongRun(String),
    #[error("--payload-bytes must be at least {0}: each message carries its number and its time")]
    PayloadTooSmall(usize),
    #[error("--pid: {0}; give the id of a process that runs on this machine, which must be a Linux")]
    Pid(#[from] ServerError),
    #[error("--room-prefix {0} makes no room name: {1}")]
    RoomPrefix(String, NameError),
    #[error(
        "the tokens could not be read from {path}: {error}; give a file with one token on each line to --token-file"
    )]
    TokenFile { path: PathBuf, error: std::io::Error },
    #[error("there is no token in {0}; put one on each line")]
    NoTokens(PathBuf),
}

impl Plan {
    pub(super) fn check(&self, silent: bool) -> Result<(), PlanError> {
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
        self.check_extent()?;
        // An address that is bound to gives each of its ports only once, wherever it connects to.
        let pairs = if self.sources.is_empty() { self.urls.len() } else { self.sources.len() };
        if self.clients > CLIENTS_PER_PAIR_MAX * pairs {
            let advice = if self.sources.is_empty() {
                "give several addresses of this machine with --source, or of the gateway with --url"
            } else {
                "give more addresses of this machine with --source"
            };
            return Err(PlanError::TooManyClients { clients: self.clients, pairs, advice });
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
        if self.run.len() > RUN_BYTES_MAX {
            return Err(PlanError::LongRun(self.run.clone()));
        }
        Watch::new(&self.servers)?;
        match RoomName::new(&self.room(self.rooms - 1)) {
            Ok(_) => Ok(()),
            Err(error) => Err(PlanError::RoomPrefix(self.room_prefix.clone(), error)),
        }
    }

    /// Nothing may be more than can be counted, kept or waited for.
    fn check_extent(&self) -> Result<(), PlanError> {
        for (name, time) in [
            ("connect-timeout", self.connect_timeout),
            ("duration", self.duration),
            ("slow-for", self.slow_for),
            ("churn-every", self.churn_every),
            ("away", self.away),
            ("drain", self.drain),
            ("hold", self.hold),
        ] {
            if time > TIME_MAX {
                return Err(PlanError::TooLong(name));
            }
        }
        let messages = if self.missed > 0 {
            self.missed as f64 * self.rooms as f64
        } else {
            self.messages_per_second * self.duration.as_secs_f64()
        };
        let (most, or_else) = match self.arrivals {
            Arrivals::Even => (MESSAGES_MAX, ""),
            Arrivals::Poisson => (DRAWN_MESSAGES_MAX, ", or use --arrivals even, which are not drawn beforehand"),
        };
        if messages > most { Err(PlanError::TooManyMessages { most, or_else }) } else { Ok(()) }
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
}

/// Who listens has to know what another process sends, and when.
pub(super) fn check_listener(settings: &Settings, arguments: &RunArguments) -> Result<(), PlanError> {
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
