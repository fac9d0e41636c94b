//! `hubbub`: the command line of the gateway.

use std::process::ExitCode;

use clap::Parser;
use hubbub::app::App;
use hubbub::cli::report;
use hubbub::cli::{Arguments, Command, ServeArguments};
use hubbub::clock::Clock;
use hubbub::config::Config;
use hubbub::lifecycle::Signals;
use hubbub::{lifecycle, telemetry};
use tokio_util::sync::CancellationToken;

// It keeps connections close together in large pages: less processor time for each delivery than with the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::parse().into_command() {
        Command::Serve(arguments) => serve(&arguments),
        Command::Config(command) => command.run(),
        Command::Token(arguments) => arguments.run(&Clock::System),
        Command::Key(command) => command.run(),
    }
}

fn serve(arguments: &ServeArguments) -> ExitCode {
    let config = match arguments.load() {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::init(&config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime did not start: {error}")),
    };
    let code = runtime.block_on(run(&config));
    // Everything that had to be waited for was; what is left is not worth a delay.
    runtime.shutdown_background();
    code
}

async fn run(config: &Config) -> ExitCode {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    // From here on a signal finds somebody who handles it, whenever it comes.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("signals cannot be listened to: {error}")),
    };
    let app = match App::start(config).await {
        Ok(app) => app,
        Err(error) => return fail(&error.to_string()),
    };
    report::tell(&report::holds(&format!("Hubbub listens on http://{}", app.address()), &[]));
    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let signals = lifecycle::watch_signals(signals, stop.clone(), kill.clone());
    let life = async {
        stop.cancelled().await;
        tokio::select! {
            () = app.stop() => ExitCode::SUCCESS,
            () = kill.cancelled() => fail("stopped at once, connections were cut"),
        }
    };
    tokio::select! {
        code = life => code,
        () = async { signals.await; std::future::pending().await } => ExitCode::FAILURE,
    }
}

fn fail(sentence: &str) -> ExitCode {
    report::tell(&report::failure(sentence));
    ExitCode::FAILURE
}
