//! What the arguments ask for, checked before the first connection is opened.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde::{Serialize, Serializer};
use thiserror::Error;

use hubbub_shared::RoomName;
use hubbub_shared::names::NameError;

use crate::payload;
use crate::processor::Process;

/// More connections to one address than this run out of local ports.
const CLIENTS_PER_URL_MAX: usize = 25_000;

/// Puts load on a Hubbub gateway and checks that nothing is lost, doubled or out of order.
///
/// Ends with 0 when all is well, with 1 when the gateway broke a promise or missed a threshold, and with 2 when the
/// test could not be made.
#[derive(Debug, Clone, Parser)]
#[command(version, args_override_self = true, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Where the gateway listens; give several replicas by commas, clients take turns
    #[arg(long, value_name = "WS_URL", value_delimiter = ',', default_value = "ws://127.0.0.1:8080/v1/ws")]
    url: Vec<String>,
    /// How many clients connect
    #[arg(short = 'n', long, default_value_t = 100)]
    clients: usize,
    /// How many connections are opened per second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500.0)]
    connect_rate: f64,
    /// How long to wait until everybody is connected and has joined
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,
    /// Tokens to log in with, one per client, in turns; without any, clients are guests
    #[arg(long, value_name = "JWT", conflicts_with = "token_file")]
    token: Vec<String>,
    /// A file with one token per line
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// How many rooms there are
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// How many rooms each client joins
    #[arg(long, value_name = "ROOMS", default_value_t = 1)]
    rooms_per_client: usize,
    /// What the rooms' names begin with; without it, rooms that no other run uses
    #[arg(long, value_name = "NAME")]
    room_prefix: Option<String>,
    /// Messages per second, of all clients together
    #[arg(short, long, value_name = "PER_SECOND", default_value_t = 100.0)]
    rate: f64,
    /// The size of each message's data, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    payload_bytes: usize,
    /// For how long messages are sent
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Send nothing: connect, join, and answer pings for the duration
    #[arg(long, conflicts_with = "rate")]
    idle: bool,
    /// Ask for the acknowledgement in the message's place, instead of both
    #[arg(long)]
    no_echo: bool,
    /// How many clients stop reading for a while when the sending begins
    #[arg(long, value_name = "CLIENTS", default_value_t = 0)]
    slow_readers: usize,
    /// For how long they stop reading
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    slow_for: Duration,
    /// How many clients leave and rejoin, disconnect and resume, at random moments
    #[arg(long, value_name = "CLIENTS", default_value_t = 0)]
    churn: usize,
    /// How long each of them stays between two such moments, on average
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    churn_every: Duration,
    /// How long to wait for what is still on its way when the sending has ended
    #[arg(long, value_name = "TIME", default_value = "40s", value_parser = humantime::parse_duration)]
    drain: Duration,
    /// How long the connections stay open after that, to look at the gateway at rest
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    hold: Duration,
    /// A process of this machine whose processor time is told, such as the gateway's; may be given several times
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// The seed of every random decision; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Fail if the 99th percentile of the delivery latency is above this
    #[arg(long, value_name = "MS")]
    max_p99_ms: Option<f64>,
    /// How many deliveries may be lost, or seqs left out, before the test fails
    #[arg(long, value_name = "DELIVERIES", default_value_t = 0)]
    max_loss: u64,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A checked plan: who connects where, who sends what when. With the same seed, players decide the same again.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    /// Tells this run's rooms, keys and messages from those of others.
    pub(crate) run: String,
    pub(crate) seed: u64,
    pub(crate) urls: Vec<String>,
    pub(crate) clients: usize,
    pub(crate) connects_per_second: f64,
    #[serde(rename = "connect_timeout_ms", serialize_with = "milliseconds")]
    pub(crate) connect_timeout: Duration,
    /// Secrets, so they stay out of the report.
    #[serde(skip)]
    pub(crate) tokens: Vec<String>,
    pub(crate) rooms: usize,
    pub(crate) rooms_per_client: usize,
    pub(crate) room_prefix: String,
    /// 0 for a run that sends nothing.
    pub(crate) messages_per_second: f64,
    pub(crate) payload_bytes: usize,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub(crate) duration: Duration,
    pub(crate) echo: bool,
    pub(crate) slow_readers: usize,
    #[serde(rename = "slow_for_ms", serialize_with = "milliseconds")]
    pub(crate) slow_for: Duration,
    pub(crate) churners: usize,
    #[serde(rename = "churn_every_ms", serialize_with = "milliseconds")]
    pub(crate) churn_every: Duration,
    #[serde(rename = "drain_ms", serialize_with = "milliseconds")]
    pub(crate) drain: Duration,
    #[serde(rename = "hold_ms", serialize_with = "milliseconds")]
    pub(crate) hold: Duration,
    pub(crate) pids: Vec<u32>,
    pub(crate) max_p99_ms: Option<f64>,
    pub(crate) max_loss: u64,
}

fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_millis() as u64)
}

/// Why the arguments make no plan, and what would.
#[derive(Debug, Error)]
pub(crate) enum PlanError {
    #[error("--url {0} is no ws:// address; give one like ws://127.0.0.1:8080/v1/ws (TLS is not spoken here)")]
    Url(String),
    #[error("--{0} must be at least 1")]
    Zero(&'static str),
    #[error("--{0} must be a number of at least 0.001 per second")]
    Rate(&'static str),
    #[error("--rooms-per-client {per_client} is more than --rooms {rooms}")]
    TooFewRooms { per_client: usize, rooms: usize },
    #[error("--slow-readers and --churn together ({0}) are more than --clients ({1})")]
    TooFewClients(usize, usize),
    #[error("with {slow} slow readers among {clients} clients nobody is left to send; raise --clients or add --idle")]
    NobodySends { slow: usize, clients: usize },
    #[error(
        "{clients} clients are too many for {urls} address(es): beyond 25000 connections to one address the local \
         ports run out; give several addresses of the gateway with --url, or start a second load generator"
    )]
    TooManyClients { clients: usize, urls: usize },
    #[error("--payload-bytes must be at least {}: each message carries its number and its time", payload::BYTES_MIN)]
    PayloadTooSmall,
    #[error("--pid {pid}: {error}; give the id of a process that runs on this machine, which must be a Linux")]
    Pid { pid: u32, error: std::io::Error },
    #[error("--room-prefix {0} makes no room name: {1}")]
    RoomPrefix(String, NameError),
    #[error("the tokens could not be read from {path}: {error}")]
    TokenFile { path: PathBuf, error: std::io::Error },
    #[error("there is no token in {0}; put one on each line")]
    NoTokens(PathBuf),
}

impl Plan {
    /// Checks the arguments and fills in what was left open.
    pub(crate) fn new(arguments: Arguments) -> Result<Self, PlanError> {
        let seed = arguments.seed.unwrap_or_else(rand::random);
        // Not from the seed: two runs with one seed must not meet in a room.
        let run = format!("{:08x}", rand::random::<u32>());
        let plan = Self {
            room_prefix: arguments.room_prefix.unwrap_or_else(|| format!("load-{run}-")),
            run,
            seed,
            urls: arguments.url,
            clients: arguments.clients,
            connects_per_second: arguments.connect_rate,
            connect_timeout: arguments.connect_timeout,
            tokens: match arguments.token_file {
                Some(path) => read_tokens(path)?,
                None => arguments.token,
            },
            rooms: arguments.rooms,
            rooms_per_client: arguments.rooms_per_client,
            messages_per_second: if arguments.idle { 0.0 } else { arguments.rate },
            payload_bytes: arguments.payload_bytes,
            duration: arguments.duration,
            echo: !arguments.no_echo,
            slow_readers: arguments.slow_readers,
            slow_for: arguments.slow_for,
            churners: arguments.churn,
            churn_every: arguments.churn_every,
            drain: arguments.drain,
            hold: arguments.hold,
            pids: arguments.pid,
            max_p99_ms: arguments.max_p99_ms,
            max_loss: arguments.max_loss,
        };
        plan.check(arguments.idle)?;
        Ok(plan)
    }

    fn check(&self, idle: bool) -> Result<(), PlanError> {
        if let Some(url) = self.urls.iter().find(|url| !url.starts_with("ws://")) {
            return Err(PlanError::Url(url.clone()));
        }
        for (name, count) in
            [("clients", self.clients), ("rooms", self.rooms), ("rooms-per-client", self.rooms_per_client)]
        {
            if count == 0 {
                return Err(PlanError::Zero(name));
            }
        }
        for (name, rate, needed) in
            [("connect-rate", self.connects_per_second, true), ("rate", self.messages_per_second, !idle)]
        {
            if needed && !(rate.is_finite() && rate >= 0.001) {
                return Err(PlanError::Rate(name));
            }
        }
        if self.rooms_per_client > self.rooms {
            return Err(PlanError::TooFewRooms { per_client: self.rooms_per_client, rooms: self.rooms });
        }
        if self.slow_readers + self.churners > self.clients {
            return Err(PlanError::TooFewClients(self.slow_readers + self.churners, self.clients));
        }
        if !idle && self.senders() == 0 {
            return Err(PlanError::NobodySends { slow: self.slow_readers, clients: self.clients });
        }
        if self.clients > CLIENTS_PER_URL_MAX * self.urls.len() {
            return Err(PlanError::TooManyClients { clients: self.clients, urls: self.urls.len() });
        }
        if self.payload_bytes < payload::BYTES_MIN {
            return Err(PlanError::PayloadTooSmall);
        }
        for &pid in &self.pids {
            Process::look(pid).map_err(|error| PlanError::Pid { pid, error })?;
        }
        match RoomName::new(&self.room(self.rooms - 1)) {
            Ok(_) => Ok(()),
            Err(error) => Err(PlanError::RoomPrefix(self.room_prefix.clone(), error)),
        }
    }

    /// The name of a room, counted from 0.
    pub(crate) fn room(&self, number: usize) -> String {
        format!("{}{number}", self.room_prefix)
    }

    /// The rooms of a client: all clients together fill all rooms evenly.
    pub(crate) fn rooms_of(&self, client: usize) -> impl Iterator<Item = usize> {
        let first = client * self.rooms_per_client;
        (first..first + self.rooms_per_client).map(|room| room % self.rooms)
    }

    /// The first clients are the slow readers; they do not send, so that no message waits for a reader.
    pub(crate) fn reads_slowly(&self, client: usize) -> bool {
        client < self.slow_readers
    }

    /// The next clients come and go.
    pub(crate) fn churns(&self, client: usize) -> bool {
        (self.slow_readers..self.slow_readers + self.churners).contains(&client)
    }

    /// How many clients send; they are the last ones.
    pub(crate) fn senders(&self) -> usize {
        self.clients - self.slow_readers
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
mod tests {
    use super::*;

    fn plan(arguments: &str) -> Result<Plan, PlanError> {
        Plan::new(Arguments::parse_from(format!("hubbub-loadtest {arguments}").split_whitespace()))
    }

    #[test]
    fn the_defaults_make_a_plan() {
        let plan = plan("").unwrap();
        assert_eq!((plan.clients, plan.rooms, plan.senders()), (100, 1, 100));
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
            ("-n 25001", "several addresses"),
            ("--payload-bytes 1", "at least"),
            ("--room-prefix a*", "'*'"),
            ("--pid 4294967295", "--pid 4294967295"),
            ("--token-file /nowhere/tokens", "/nowhere/tokens"),
        ] {
            let error = plan(arguments).unwrap_err().to_string();
            assert!(error.contains(word), "{arguments}: {error}");
        }
        assert!(plan("-n 4 --slow-readers 4 --idle").is_ok());
        assert!(plan("-n 25001 --url ws://127.0.0.1:1,ws://127.0.0.2:1").is_ok());
    }

    #[test]
    fn all_clients_together_fill_all_rooms_evenly() {
        let plan = plan("-n 6 --rooms 4 --rooms-per-client 2").unwrap();
        let mut members = [0; 4];
        for client in 0..6 {
            let rooms: Vec<usize> = plan.rooms_of(client).collect();
            assert_ne!(rooms[0], rooms[1], "nobody joins a room twice");
            for room in rooms {
                members[room] += 1;
            }
        }
        assert_eq!(members, [3, 3, 3, 3]);
    }

    #[test]
    fn tokens_never_reach_the_report() {
        let plan = plan("--token secret1 --token secret2").unwrap();
        assert_eq!(plan.tokens.len(), 2);
        assert!(!serde_json::to_string(&plan).unwrap().contains("secret"));
    }
}
