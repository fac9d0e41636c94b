//! How long things took: one histogram per stage, in microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Histograms per stage, so that the worker threads rarely wait for each other.
const SHARDS: usize = 8;
/// Three digits are kept: a percentile is right to 0.1 %.
const DIGITS: u8 = 3;

/// The stages that are measured.
#[derive(Debug)]
pub(crate) struct Latencies {
    /// From the moment a connection was due to its `welcome`; only the first one of each client.
    pub(crate) connected: Stage,
    /// From `join` to `joined`.
    pub(crate) joined: Stage,
    /// From the moment a message was due to its `sent`.
    pub(crate) acknowledged: Stage,
    /// From the moment a message was due to each of its live deliveries.
    pub(crate) delivered: Stage,
    /// From the moment a message was due to the moment it was handed to the socket: what this program, or a gateway
    /// that did not read, added to the two above.
    pub(crate) held_back: Stage,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self {
            connected: Stage::new(),
            joined: Stage::new(),
            acknowledged: Stage::new(),
            delivered: Stage::new(),
            held_back: Stage::new(),
        }
    }
}

/// The histogram of one stage.
#[derive(Debug)]
pub(crate) struct Stage {
    shards: [Mutex<Histogram<u64>>; SHARDS],
}

impl Stage {
    fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::new(empty())) }
    }

    /// Records one latency; `client` spreads the recorders.
    pub(crate) fn record(&self, client: usize, latency: Duration) {
        let recorded = self.shards[client % SHARDS].lock().record(latency.as_micros() as u64);
        debug_assert!(recorded.is_ok(), "the histogram grows to hold what comes");
    }

    /// The percentiles so far.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let mut all = empty();
        for shard in &self.shards {
            all += &*shard.lock();
        }
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(all.value_at_quantile(quantile));
        Percentiles {
            count: all.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: ms(all.max()),
        }
    }
}

#[expect(clippy::expect_used, reason = "the constructor refuses only more than five digits")]
fn empty() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("three digits are fine")
}

/// Percentiles of a stage, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p99_9_ms: f64,
    pub(crate) max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_clients_together() {
        let stage = Stage::new();
        for client in 0..1_000 {
            stage.record(client, Duration::from_micros(client as u64 + 1));
        }
        let percentiles = stage.percentiles();
        assert_eq!((percentiles.count, percentiles.p50_ms, percentiles.max_ms), (1_000, 0.5, 1.0));
        assert!((percentiles.p99_ms - 0.99).abs() < 0.001);
    }

    #[test]
    fn a_latency_of_days_is_recorded_too() {
        let stage = Stage::new();
        stage.record(0, Duration::from_hours(72));
        let max_ms = stage.percentiles().max_ms;
        assert!((max_ms / 259_200_000.0 - 1.0).abs() < 0.001, "{max_ms}");
    }

    #[test]
    fn a_stage_without_a_record_has_zeros() {
        let percentiles = Stage::new().percentiles();
        assert_eq!((percentiles.count, percentiles.max_ms), (0, 0.0));
    }
}
