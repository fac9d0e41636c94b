//! What the hub counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::SECONDS;
use crate::clock::Clock;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: &'static str,
}

/// What the hub counts.
#[derive(Debug, Clone)]
pub struct HubMetrics {
    /// Entries that the bus brought.
    pub entries_heard: Counter,
    /// Reads of the log by rooms that were behind.
    pub catch_ups: Counter,
    /// Reads of the log for any reason of the hub's.
    pub log_reads: Counter,
    /// Resumes that the ring could prove.
    pub replays_from_ring: Counter,
    /// Resumes that needed the log.
    pub replays_from_log: Counter,
    replays: Family<SourceLabel, Counter>,
    fan_out: Histogram,
    clock: Clock,
}

impl Default for HubMetrics {
    fn default() -> Self {
        let replays = Family::<SourceLabel, Counter>::default();
        Self {
            entries_heard: Counter::default(),
            catch_ups: Counter::default(),
            log_reads: Counter::default(),
            replays_from_ring: replays.get_or_create_owned(&SourceLabel { source: "ring" }),
            replays_from_log: replays.get_or_create_owned(&SourceLabel { source: "log" }),
            replays,
            fan_out: Histogram::new(SECONDS),
            clock: Clock::System,
        }
    }
}

impl HubMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("entries_heard", "Entries that the bus brought", self.entries_heard.clone());
        registry.register("catch_ups", "Reads of the log by rooms that were behind", self.catch_ups.clone());
        registry.register("log_reads", "Reads of the log by the hub", self.log_reads.clone());
        registry.register("replays", "Resumes, by where they could be proven", self.replays.clone());
        registry.register_with_unit(
            "fan_out",
            "From when an entry was appended, by the clock of the store, to when it was queued for everybody here",
            Unit::Seconds,
            self.fan_out.clone(),
        );
    }

    /// An entry that the bus brought was queued for everybody here; `time_ms` is when it was appended.
    pub fn fanned_out(&self, time_ms: u64) {
        self.entries_heard.inc();
        self.fan_out.observe(self.clock.now_ms().saturating_sub(time_ms) as f64 / 1_000.0);
    }
}
