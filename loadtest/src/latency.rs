//! How long things took: one histogram per stage and thread, in microseconds.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2Serializer};
use serde::{Deserialize, Serialize};

/// Three digits are kept: a percentile is right to 0.1 %.
const DIGITS: u8 = 3;

/// The histogram of one stage.
#[derive(Debug)]
pub(crate) struct Stage(Histogram<u64>);

impl Default for Stage {
    #[expect(clippy::expect_used, reason = "the constructor refuses only more than five digits")]
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("three digits are fine"))
    }
}

impl Stage {
    /// Records one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_us(latency.as_micros() as u64);
    }

    /// Records one latency, in microseconds.
    pub(crate) fn record_us(&mut self, latency_us: u64) {
        let recorded = self.0.record(latency_us);
        debug_assert!(recorded.is_ok(), "the histogram grows to hold what comes");
    }

    /// The 99th percentile so far, in microseconds.
    pub(crate) fn p99_us(&self) -> u64 {
        self.0.value_at_quantile(0.99)
    }

    /// All records so far, as `HdrHistogram` V2 in base64, which its tools read and can add to others.
    fn export(&self) -> String {
        let mut bytes = Vec::new();
        match V2Serializer::new().serialize(&self.0, &mut bytes) {
            Ok(_) => BASE64.encode(bytes),
            // Memory cannot be written to only where there is none.
            Err(_) => String::new(),
        }
    }

    /// The percentiles so far.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let ms = |us: u64| us as f64 / 1_000.0;
        let at = |quantile| ms(self.0.value_at_quantile(quantile));
        Percentiles {
            count: self.0.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: ms(self.0.max()),
        }
    }
}

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The stages that are measured, by one thread.
        #[derive(Debug, Default)]
        pub(crate) struct Latencies {
            $($(#[$doc])* pub(crate) $name: Stage,)*
        }

        /// The percentiles of every stage.
        #[derive(Debug, Clone, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct LatencyReport {
            $($(#[$doc])* pub(crate) $name: Percentiles,)*
        }

        impl Latencies {
            /// Takes the other's records in.
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$name.0 += &other.$name.0;)*
            }

            pub(crate) fn report(&self) -> LatencyReport {
                LatencyReport { $($name: self.$name.percentiles(),)* }
            }

            /// The stages that were reached, each with all of its records.
            pub(crate) fn histograms(&self) -> BTreeMap<String, String> {
                let stages = [$((stringify!($name), &self.$name),)*];
                let reached = stages.into_iter().filter(|(_, stage)| !stage.0.is_empty());
                reached.map(|(name, stage)| (name.to_owned(), stage.export())).collect()
            }
        }

        impl LatencyReport {
            /// The stages by their names, in the order in which they come.
            pub(crate) fn stages(&self) -> Vec<(&'static str, Percentiles)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

stages! {
    /// From the first packet of a connection until TCP has it.
    tcp_connected,
    /// From there until the WebSocket is open.
    upgraded,
    /// From there until the client is let in.
    welcomed,
    /// From the moment a connection was due until the client is let in; only the first one of each client.
    connected,
    /// From `join` to `joined`.
    joined,
    /// Of those who were cut with nothing missed: from the moment they may come back until they are in their rooms.
    returned,
    /// Of those who were cut and missed something: from the moment they may come back until they have it all.
    recovered,
    /// From the moment a message was due to its `sent`.
    acknowledged,
    /// From the moment a message was due to each of its deliveries, those aside that make up for an absence that the
    /// scenario wanted.
    delivered,
    /// From the first delivery of a message to its last, where there are few messages.
    spread,
    /// From the moment a message was due to the moment it was handed to the socket: what this program, or a gateway
    /// that did not read, added to those above.
    held_back,
}

/// Percentiles of a stage, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
    fn percentiles_are_those_of_all_threads_together() {
        let mut threads: [Latencies; 4] = std::array::from_fn(|_| Latencies::default());
        for us in 0..1_000 {
            threads[us % 4].delivered.record(Duration::from_micros(us as u64 + 1));
        }
        let [mut all, rest @ ..] = threads;
        for each in &rest {
            all.add(each);
        }
        let percentiles = all.report().delivered;
        assert_eq!((percentiles.count, percentiles.p50_ms, percentiles.max_ms), (1_000, 0.5, 1.0));
        assert!((percentiles.p99_ms - 0.99).abs() < 0.001);
    }

    #[test]
    fn what_was_exported_can_be_added_to_what_others_found() {
        let mut processes: [Latencies; 2] = std::array::from_fn(|_| Latencies::default());
        for us in 1..=1_000 {
            processes[us % 2].delivered.record(Duration::from_micros(us as u64));
        }
        let mut all = Stage::default();
        for process in &processes {
            let exported = process.histograms();
            assert_eq!(exported.keys().collect::<Vec<_>>(), ["delivered"], "the others were not reached");
            let bytes = BASE64.decode(&exported["delivered"]).unwrap();
            all.0 += &hdrhistogram::serialization::Deserializer::new().deserialize::<u64, _>(&mut &*bytes).unwrap();
        }
        assert_eq!((all.percentiles().count, all.percentiles().p50_ms, all.percentiles().max_ms), (1_000, 0.5, 1.0));
    }

    #[test]
    fn a_latency_of_days_is_recorded_too() {
        let mut stage = Stage::default();
        stage.record(Duration::from_hours(72));
        let max_ms = stage.percentiles().max_ms;
        assert!((max_ms / 259_200_000.0 - 1.0).abs() < 0.001, "{max_ms}");
    }

    #[test]
    fn a_stage_without_a_record_has_zeros() {
        let percentiles = Stage::default().percentiles();
        assert_eq!((percentiles.count, percentiles.max_ms), (0, 0.0));
    }
}
