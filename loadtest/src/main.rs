//! A load generator for Hubbub that says what was lost, doubled or out of order, not only how fast it went.
//!
//! Modules in reading order:
//!
//! * [`command`], [`settings`], [`scenario`], [`pass`]: what can be asked for, by flags and by files.
//! * [`plan`], [`source`]: what is asked for, checked.
//! * [`schedule`]: when which message is due; an open loop, so a slow gateway cannot slow the test down.
//! * [`membership`]: which rooms each client is in.
//! * [`payload`], [`clock`]: what our messages carry, so that a receiver can tell how old they are.
//! * [`run`], [`phase`], [`shared`]: the phases of a run, from the first connection to the last answer.
//! * [`worker`], [`local`]: one thread with its event loop, and what belongs to it alone.
//! * [`client`]: one virtual user, who comes back and resumes as a client should.
//! * [`connection`], [`websocket`]: one connection, and the bytes on it.
//! * [`wire`]: the languages of other servers.
//! * [`arrival`], [`recent`]: a frame of the gateway, as far as it matters here, and whether it came before.
//! * [`subscription`], [`numbers`]: the position in one room, and what one subscription saw.
//! * [`ledger`]: what was sent to a room against what arrived.
//! * [`latency`], [`tally`]: how long things took, and how often they went wrong.
//! * [`servers`], [`machine`]: what the gateway's processes used, and on what.
//! * [`gathered`], [`report`], [`verdict`], [`limit`], [`sentences`], [`progress`]: what comes out, for programs and for people.
//! * [`search`]: the highest rate that holds.
//! * [`files`]: what is written for others to read.
//! * [`html`], [`plot`], [`compare`]: the report as a page with pictures, and two runs side by side.
//! * [`floor`]: a bare server to compare with.
//! * [`bench`]: Hubbub beside others.

mod arrival;
mod bench;
mod client;
mod clock;
mod command;
mod compare;
mod connection;
mod files;
mod floor;
mod gathered;
mod html;
mod latency;
mod ledger;
mod limit;
mod local;
mod machine;
mod membership;
mod numbers;
mod pass;
mod payload;
mod phase;
mod plan;
mod plot;
mod progress;
mod recent;
mod report;
mod run;
mod scenario;
mod schedule;
mod search;
mod sentences;
mod servers;
mod settings;
mod shared;
mod source;
mod subscription;
mod tally;
mod verdict;
mod websocket;
mod wire;
mod worker;

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Parser;

use crate::bench::{BenchArguments, ManyArguments};
use crate::command::{Cli, Command, RunArguments};
use crate::compare::{CompareArguments, Comparison};
use crate::floor::FloorArguments;
use crate::plan::Plan;
use crate::report::Report;
use crate::run::RunError;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(arguments) => measure(arguments, run::run),
        Command::FindHighest(arguments) => measure(arguments, search::find_highest),
        Command::Scenarios => list_scenarios(),
        Command::Floor(arguments) => serve_floor(&arguments),
        Command::Compare(arguments) => compare_runs(&arguments),
        Command::BenchPeers(arguments) => bench_peers(&arguments),
        Command::Many(arguments) => connect_many(&arguments),
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

fn serve_floor(arguments: &FloorArguments) -> ExitCode {
    match floor::serve(arguments, &mut anstream::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn bench_peers(arguments: &BenchArguments) -> ExitCode {
    match bench::bench(arguments, &mut anstream::stderr().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn connect_many(arguments: &ManyArguments) -> ExitCode {
    if let Err(error) = files::check_writable(&arguments.json) {
        return refuse(&error);
    }
    let many = match bench::many(arguments, &mut anstream::stderr().lock()) {
        Ok(many) => many,
        Err(error) => return refuse(&error),
    };
    if write!(anstream::stdout(), "{many}").is_err() {
        return ExitCode::FAILURE;
    }
    match arguments.json.iter().try_for_each(|path| files::write_json(path, &many)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

fn compare_runs(arguments: &CompareArguments) -> ExitCode {
    let comparison = match Comparison::read(arguments) {
        Ok(comparison) => comparison,
        Err(error) => return refuse(&error),
    };
    let names = compare::names(arguments);
    let names = names.each_ref().map(String::as_str);
    if compare::write(&comparison, names, &mut anstream::stdout().lock()).is_err() {
        return ExitCode::FAILURE;
    }
    match arguments.html.iter().try_for_each(|path| files::write_page(path, html::comparison(&comparison, names))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

/// Makes a run, or several, and tells what came out.
fn measure(arguments: RunArguments, how: fn(Plan) -> Result<Report, RunError>) -> ExitCode {
    let (json, page) = (arguments.json.clone(), arguments.html.clone());
    if let Err(error) = files::check_writable(json.iter().chain(&page)) {
        return refuse(&error);
    }
    let plan = match Plan::new(arguments) {
        Ok(plan) => plan,
        Err(error) => return refuse(&error),
    };
    let interrupted = || {
        run::INTERRUPTS.fetch_add(1, Ordering::Relaxed);
    };
    if let Err(error) = ctrlc::set_handler(interrupted) {
        return refuse(&error);
    }
    let report = match how(plan) {
        Ok(report) => report,
        Err(error) => return refuse(&error),
    };
    if sentences::write(&report, &mut anstream::stdout().lock()).is_err() {
        return ExitCode::FAILURE;
    }
    let saved = json.iter().map(|path| files::write_json(path, &report));
    let shown = page.iter().map(|path| files::write_page(path, html::report(&report)));
    let mut code = if report.verdict.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    // Where one of the two cannot be written, the other one still is.
    for error in saved.chain(shown).filter_map(Result::err) {
        code = refuse(&error);
    }
    code
}

/// Says why there is no report. 2, as for wrong arguments, so that it is not taken for a verdict.
fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    // Where even this cannot be written, the exit code is all that is left to say.
    drop(writeln!(anstream::stderr(), "hubbub-loadtest: {error}"));
    ExitCode::from(2)
}
