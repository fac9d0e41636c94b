//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bench::{BenchArguments, ManyArguments};
use crate::compare::CompareArguments;
use crate::floor::FloorArguments;
use crate::servers::Server;
use crate::settings::Settings;
use crate::wire::Language;

/// Puts load on a real-time gateway and checks that nothing is lost, doubled or out of order.
///
/// Ends with 0 when all is well, with 1 when the server broke a promise or missed a threshold, and with 2 when the test
/// could not be made.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario, or what the flags ask for
    Run(RunArguments),
    /// Find the highest rate that a scenario holds with a 99th percentile of 250 ms (or the scenario's own)
    FindHighest(RunArguments),
    /// List the scenarios that come with the program
    Scenarios,
    /// Serve as a bare server that shows what the kernel alone costs
    Floor(FloorArguments),
    /// Put two runs side by side
    Compare(CompareArguments),
    /// Measure Hubbub beside the floor, sockudo and Socket.IO
    BenchPeers(BenchArguments),
    /// Connect as many clients as this machine carries to as many replicas, and send to all of them
    Many(ManyArguments),
}

/// One run: a scenario, the flags that change it, and whom it is run against.
#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub(crate) struct RunArguments {
    /// The name of a scenario that comes with the program, or the path of a file like one; flags change it
    pub(crate) scenario: Option<String>,
    /// Where the server listens; give several replicas by commas, clients take turns
    #[arg(long, value_name = "WS_URL", value_delimiter = ',', default_value = "ws://127.0.0.1:8080/v1/ws")]
    pub(crate) url: Vec<String>,
    /// The language of the server
    #[arg(long, value_enum, default_value_t)]
    pub(crate) language: Language,
    /// The app's key, with --language pusher
    #[arg(long, value_name = "KEY", default_value = "app-key")]
    pub(crate) pusher_key: String,
    /// The app's secret, with which channels are signed, with --language pusher
    #[arg(long, value_name = "SECRET", default_value = "app-secret")]
    pub(crate) pusher_secret: String,
    /// Addresses of this machine to connect from, by commas or as a range like 127.0.0.2-127.0.0.9
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    pub(crate) source: Vec<String>,
    /// Tokens to log in with, one per client, in turns; without any, clients are guests
    #[arg(long, value_name = "JWT", conflicts_with = "token_file")]
    pub(crate) token: Vec<String>,
    /// A file with one token per line
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// What the rooms' names begin with; without it, rooms that no other run uses
    #[arg(long, value_name = "NAME")]
    pub(crate) room_prefix: Option<String>,
    /// What several processes that make one run together have in common; drawn if not given
    #[arg(long, value_name = "NAME")]
    pub(crate) run: Option<String>,
    /// How many threads play the clients; as many as there are processors if not given
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// A process of this machine whose use of it is told, such as the gateway's, with a name if wanted; may be given
    /// several times
    #[arg(long, value_name = "[NAME=]PID", value_delimiter = ',')]
    pub(crate) pid: Vec<Server>,
    /// The seed of every random decision; drawn if not given
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Fail if the 99th percentile of the delivery latency is above this
    #[arg(long, value_name = "MS")]
    pub(crate) max_p99_ms: Option<f64>,
    /// How many deliveries may be lost, or seqs left out, before the test fails
    #[arg(long, value_name = "DELIVERIES")]
    pub(crate) max_loss: Option<u64>,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Also write the report to this file, as a page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[cfg(test)]
impl RunArguments {
    /// The arguments of `run`, from a line.
    pub(crate) fn parse_words(line: &str) -> Self {
        match Cli::parse_from(format!("hubbub-loadtest run {line}").split_whitespace()).command {
            Command::Run(arguments) => arguments,
            _ => unreachable!("the line is run's"),
        }
    }
}
