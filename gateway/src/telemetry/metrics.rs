//! Counters and gauges, in the form that Prometheus reads.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// What the hub counts.
#[derive(Debug, Clone, Default)]
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
}

impl HubMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("entries_heard", "Entries that the bus brought", self.entries_heard.clone());
        registry.register("catch_ups", "Reads of the log by rooms that were behind", self.catch_ups.clone());
        registry.register("log_reads", "Reads of the log by the hub", self.log_reads.clone());
        registry.register("replays_from_ring", "Resumes that the ring could prove", self.replays_from_ring.clone());
        registry.register("replays_from_log", "Resumes that needed the log", self.replays_from_log.clone());
    }
}
