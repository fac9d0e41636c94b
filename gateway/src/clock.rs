//! Wall time as a value that is handed in, so that tests can hold it still.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where Unix time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A fixed start plus tokio's time, which stands still in tests that pause it.
    Tokio {
        /// Unix milliseconds at `since`.
        start_ms: u64,
        /// The moment of `start_ms`.
        since: Instant,
    },
}

impl Clock {
    /// A clock that shows `start_ms` now and then follows tokio's time.
    pub fn tokio(start_ms: u64) -> Self {
        Self::Tokio { start_ms, since: Instant::now() }
    }

    /// Unix time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64,
            Self::Tokio { start_ms, since } => start_ms + since.elapsed().as_millis() as u64,
        }
    }
}
