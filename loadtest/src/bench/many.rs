//! As many connections as this machine carries: one replica after the other, each with a generator of its own, all on one
//! Redis and in one room; then a few messages that reach all of them.

mod sums;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use thiserror::Error;

use self::sums::{Broadcasts, Many};
use super::contender::{Contender, Site, start_redis};
use super::memory::{Memory, resident_bytes};
use super::process::{Process, StartError, command, free_port};
use super::step::{self, StepError};

/// What is asked for.
#[derive(Debug, Clone, Args)]
pub(crate) struct ManyArguments {
    /// How many connections
    #[arg(default_value_t = 200_000)]
    connections: usize,
    /// How many of them one replica takes; a process may open 20,000 files here
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 19_000)]
    per_replica: usize,
    /// Messages that are sent to all, one every 50 seconds
    #[arg(long, default_value_t = 3)]
    messages: u64,
    /// Also write what was found to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The folder of the repository
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// The folder of what was built
    #[arg(long, value_name = "FOLDER", default_value = "target")]
    target: PathBuf,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub(crate) enum ManyError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("a generator ended before its clients were in the room; its words are in {0}")]
    Ended(PathBuf),
}

/// What must stay free, so that the machine does not begin to kill.
const RESERVE_BYTES: u64 = 1 << 30;
/// A message every 50 seconds: one to a million takes the processors of a small machine for longer than ten.
const RATE: &str = "0.02";
const EVERY_S: u64 = 50;
/// How long a generator waits for what another one sends, and how long a crowd may take to connect.
const PATIENCE: &str = "2h";
const CONNECT_MAX: &str = "20m";
/// What generators may take from the last message on until they have written their reports.
const FAREWELL_MAX: Duration = Duration::from_mins(10);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A replica, and the generator whose clients are with it.
struct Crowd {
    replica: Process,
    port: u16,
    generator: Process,
    words: PathBuf,
    json: PathBuf,
}

/// Connects, sends, and tells what it cost.
pub(crate) fn many(arguments: &ManyArguments, out: &mut impl Write) -> Result<Many, ManyError> {
    let site = Site::new(&arguments.root, &arguments.target)?;
    let before = Memory::now();
    // So many replicas and generators on one machine would leave it too little to answer in time.
    let (redis, redis_port) = start_redis(&site, -10)?;
    let run = format!("many-{}", std::process::id());
    let mut crowds: Vec<Crowd> = Vec::new();
    let mut many = Many { asked: arguments.connections as u64, ..Many::default() };
    let started = Instant::now();
    let mut left = arguments.connections;
    let mut limit = "as many as were asked for";
    while left > 0 {
        let clients = left.min(arguments.per_replica);
        let available = Memory::now().available_bytes;
        let begun = Instant::now();
        let mut crowd = Crowd::gather(&site, crowds.len(), redis_port, &run, clients, arguments.messages)?;
        let connected = crowd.wait_until_connected()?;
        many.connected += connected;
        many.crowds_per_second.push(connected as f64 / begun.elapsed().as_secs_f64());
        left -= clients;
        crowds.push(crowd);
        let now = Memory::now().available_bytes;
        writeln!(
            out,
            "{} of {} connections with {} replicas after {:.0} s, {:.0} a second; {:.1} GiB are free",
            many.connected,
            arguments.connections,
            crowds.len(),
            started.elapsed().as_secs_f64(),
            many.crowds_per_second.last().copied().unwrap_or_default(),
            now as f64 / f64::from(1 << 30)
        )?;
        if connected < clients as u64 {
            limit = "a replica that took no more connections";
            break;
        }
        if left > 0 && now < RESERVE_BYTES + available.saturating_sub(now) {
            limit = "memory: one more replica with its generator would leave less than 1 GiB";
            break;
        }
    }
    limit.clone_into(&mut many.limit);
    many.connect_s = started.elapsed().as_secs_f64();
    many.replicas = crowds.len() as u64;
    many.machine = Memory::now().since(before);
    many.replicas_bytes = resident_bytes(crowds.iter().map(|crowd| &crowd.replica));
    many.generators_bytes = resident_bytes(crowds.iter().map(|crowd| &crowd.generator));
    many.redis_bytes = resident_bytes([&redis]);
    writeln!(out, "Sending {} messages to all", arguments.messages)?;
    let mut broadcasts = Broadcasts::default();
    if let Some(first) = crowds.first() {
        broadcasts.add(&send(&site, first.port, &run, arguments.messages)?);
    }
    let end = Instant::now() + FAREWELL_MAX;
    for crowd in &mut crowds {
        broadcasts.add(&crowd.report(end)?);
    }
    broadcasts.finish(&mut many);
    Ok(many)
}

/// What all generators of the run have in common.
fn common_flags(command: &mut Command, run: &str, messages: u64) {
    let duration = format!("{}s", messages * EVERY_S);
    command.args(["--run", run, "--room-prefix", run, "--rooms", "1", "--rate", RATE, "--duration", &duration]);
}

/// Sends from a client of its own, which is one more of the room.
fn send(site: &Site, port: u16, run: &str, messages: u64) -> Result<crate::report::Report, StepError> {
    let json = site.logs.join("many-sender.json");
    let mut sender = command(&site.generator, None);
    sender.args(["run", "--clients", "1", "--senders", "1", "--url", &url(port)]);
    common_flags(&mut sender, run, messages);
    step::read_report(sender.arg("--json").arg(&json), &json)
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}{}", hubbub_shared::WEBSOCKET_PATH)
}

impl Crowd {
    fn gather(
        site: &Site,
        number: usize,
        redis: u16,
        run: &str,
        clients: usize,
        messages: u64,
    ) -> Result<Self, ManyError> {
        let port = free_port()?;
        let replica = Contender::Hubbub.command(site, "many.toml", port, Some(redis), None)?;
        let replica = Process::start("replica", replica, port, &site.logs)?;
        let json = site.logs.join(format!("many-{number}.json"));
        let words = site.logs.join(format!("many-{number}.log"));
        let mut generator = command(&site.generator, None);
        generator.args([
            "run",
            "--listen",
            "--threads",
            "1",
            "--connect-rate",
            "max",
            "--clients",
            &clients.to_string(),
        ]);
        generator.args(["--drain", PATIENCE, "--connect-timeout", CONNECT_MAX, "--url", &url(port)]);
        common_flags(&mut generator, run, messages);
        generator
            .arg("--json")
            .arg(&json)
            .stdout(File::create(site.logs.join("many-words.log"))?)
            .stderr(File::create(&words)?);
        let generator = Process::spawn("generator", generator)?;
        Ok(Self { replica, port, generator, words, json })
    }

    /// How many of the clients are in the room, once the generator says so.
    fn wait_until_connected(&mut self) -> Result<u64, ManyError> {
        loop {
            if let Some(connected) = connected(&std::fs::read_to_string(&self.words)?) {
                return Ok(connected);
            }
            if self.generator.ended().is_some() {
                return Err(ManyError::Ended(self.words.clone()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What its generator found, once it has heard of every message.
    fn report(&mut self, end: Instant) -> Result<crate::report::Report, ManyError> {
        while self.generator.ended().is_none() {
            if Instant::now() > end {
                return Err(ManyError::Ended(self.words.clone()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        read(&self.json)
    }
}

fn read(json: &Path) -> Result<crate::report::Report, ManyError> {
    let report =
        serde_json::from_slice(&std::fs::read(json)?).map_err(|error| StepError::NoReport(error.to_string()))?;
    Ok(report)
}

/// Reads `N of M clients are in their rooms after T s`.
fn connected(words: &str) -> Option<u64> {
    let line = words.lines().find(|line| line.contains("are in their rooms after"))?;
    line.split(' ').next()?.parse().ok()
}
