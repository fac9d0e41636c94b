//! Counters and gauges, in the form that Prometheus reads.

use hubbub_shared::{CloseCode, ErrorCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
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

/// The code of an answer that failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabel {
    code: &'static str,
}

/// The code of a close.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CloseLabel {
    code: u16,
}

/// What connections count.
#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    errors: Family<CodeLabel, Counter>,
    closes: Family<CloseLabel, Counter>,
}

impl ConnectionMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("errors", "Requests that failed, by code", self.errors.clone());
        registry.register(
            "closes",
            "Connections that ended, by close code; 1006 for a client that just left",
            self.closes.clone(),
        );
    }

    /// A request failed.
    pub fn failed(&self, code: ErrorCode) {
        self.errors.get_or_create(&CodeLabel { code: code.as_str() }).inc();
    }

    /// A connection ended; without a code because the client just left.
    pub fn ended(&self, code: Option<CloseCode>) {
        let code = code.map_or(1006, CloseCode::number);
        self.closes.get_or_create(&CloseLabel { code }).inc();
    }
}

/// What a replica counts.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// The hub's.
    pub hub: HubMetrics,
    /// The connections'.
    pub connection: ConnectionMetrics,
}

impl Metrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        self.hub.register(registry);
        self.connection.register(registry);
    }
}
