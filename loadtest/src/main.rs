//! A load generator for Hubbub that says what was lost, doubled or out of order, not only how fast it went.
//!
//! Modules in reading order:
//!
//! * [`plan`]: what the arguments ask for, checked.
//! * [`schedule`]: when which message is due; an open loop, so a slow gateway cannot slow the test down.
//! * [`payload`]: what our messages carry, so that a receiver can tell how old they are.
//! * [`run`]: the phases of a run, from the first connection to the last answer.
//! * [`player`]: one virtual user, who comes back and resumes as a client should.
//! * [`socket`]: one connection, with bounded buffers.
//! * [`arrival`]: a frame of the gateway, as far as it matters here.
//! * [`subscription`]: the position in one room, and what one subscription saw.
//! * [`ledger`]: what was sent to a room against what arrived.
//! * [`latency`], [`tally`]: how long things took, and how often they went wrong.
//! * [`servers`]: what the gateway's processes used.
//! * [`report`], [`verdict`], [`sentences`], [`progress`]: what comes out, for programs and for people.

mod arrival;
mod command;
mod latency;
mod ledger;
mod pass;
mod payload;
mod plan;
mod player;
mod progress;
mod report;
mod run;
mod scenario;
mod schedule;
mod sentences;
mod servers;
mod settings;
mod socket;
mod source;
mod subscription;
mod tally;
mod verdict;
mod wire;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::command::{Cli, Command, RunArguments};
use crate::plan::Plan;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(arguments) | Command::FindHighest(arguments) => measure(arguments),
        Command::Scenarios => list_scenarios(),
    }
}

/// Lists what comes with the program.
fn list_scenarios() -> ExitCode {
    let scenarios = match scenario::list() {
        Ok(scenarios) => scenarios,
        Err(error) => return refuse(&error),
    };
    let mut out = anstream::stdout().lock();
    for (name, about) in scenarios {
        if writeln!(out, "{name:<16} {about}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn measure(arguments: RunArguments) -> ExitCode {
    let json = arguments.json.clone();
    let plan = match Plan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => return refuse(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let report = runtime.block_on(run::run(plan));
    // Nobody waits for sockets that are still closing.
    runtime.shutdown_background();
    if sentences::write(&report, &mut anstream::stdout().lock()).is_err() {
        return ExitCode::FAILURE;
    }
    if let Some(path) = json
        && let Err(error) = report.save(&path)
    {
        return refuse(&format!("the report could not be written to {}: {error}", path.display()));
    }
    if report.verdict.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says why there is no report. 2, as for wrong arguments, so that it is not taken for a verdict.
fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    // Where even this cannot be written, the exit code is all that is left to say.
    drop(writeln!(anstream::stderr(), "hubbub-loadtest: {error}"));
    ExitCode::from(2)
}
