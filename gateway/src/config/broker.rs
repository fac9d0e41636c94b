//! `[broker]`: the log of the rooms and the bus between the replicas.

use serde::Deserialize;

/// The log of the rooms and the bus between the replicas.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BrokerConfig {
    /// How long a `key` is remembered, so that a retry appends nothing.
    pub dedupe_s: u64,
    /// The bound of all logs of the embedded backend together.
    pub memory_total_bytes: usize,
    /// How long a call to the backend may take.
    pub deadline_ms: u64,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { dedupe_s: 300, memory_total_bytes: 1_073_741_824, deadline_ms: 2_000 }
    }
}
