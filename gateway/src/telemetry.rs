//! What operators see: logs and metrics.

use std::io::stderr;

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogConfig, LogFormat};

pub mod metrics;

/// Begins to write logs to standard error. Where somebody did so before, theirs stays.
pub fn init(config: &LogConfig) {
    // The configuration was checked with the same parser; if they ever differ, saying more is better than nothing.
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = match config.format {
        LogFormat::Pretty => fmt::layer().with_writer(stderr).with_ansi(wants_colour()).boxed(),
        LogFormat::Json => fmt::layer().with_writer(stderr).json().flatten_event(true).boxed(),
    };
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// Whether somebody is looking, and has nothing against colour.
fn wants_colour() -> bool {
    AutoStream::choice(&stderr()) != ColorChoice::Never
}
