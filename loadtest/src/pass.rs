//! What a run must reach to pass, apart from keeping every promise.

use serde::{Deserialize, Serialize};

/// The thresholds of a scenario, in its section `[pass]`; a field that is absent is not looked at, unless it says so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pass {
    /// How many deliveries may be lost, or seqs left out; none if absent.
    pub(crate) lost: Option<u64>,
    /// How many messages may be answered with an error; none if absent.
    pub(crate) refused: Option<u64>,
    /// How many entries the gateway may pass over, though it says so.
    pub(crate) skipped: Option<u64>,
    /// How many connections may end that the scenario does not end.
    pub(crate) closes: Option<u64>,
    /// How many connections may fail to open, though they are tried again.
    pub(crate) failed_connections: Option<u64>,
    /// The highest 99th percentile of the delivery latency.
    pub(crate) delivered_p99_ms: Option<f64>,
    /// The lowest number of deliveries per second while messages are sent.
    pub(crate) deliveries_per_second: Option<f64>,
    /// The lowest number of clients per second that are let in and join their rooms.
    pub(crate) handshakes_per_second: Option<f64>,
    /// Processor time of all servers together, per delivery.
    pub(crate) cpu_us_per_delivery: Option<f64>,
    /// System calls of all servers together, per delivery.
    pub(crate) system_calls_per_delivery: Option<f64>,
    /// Resident memory of all servers together, per connection.
    pub(crate) resident_kib_per_connection: Option<f64>,
    /// How often longer the return with missed messages may take than the return without.
    pub(crate) recovery_ratio: Option<f64>,
}
