//! `hubbub`: from arguments to an exit code.

use std::process::ExitCode;

use clap::Parser;
use hubbub::cli::{Arguments, Command};
use hubbub::clock::Clock;

fn main() -> ExitCode {
    match Arguments::parse().into_command() {
        Command::Serve(arguments) => match arguments.load() {
            Ok(_config) => ExitCode::SUCCESS,
            Err(code) => code,
        },
        Command::Config(command) => command.run(),
        Command::Token(arguments) => arguments.run(&Clock::System),
        Command::Key(command) => command.run(),
    }
}
