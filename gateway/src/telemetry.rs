//! What operators see: logs and metrics.

pub mod metrics;

use crate::config::LogConfig;

/// Begins to write logs to standard error.
pub fn init(config: &LogConfig) {
    let _ = config;
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
}
