//! Counters and histograms, in the form that Prometheus reads. What there is at one moment (connections, rooms) is not
//! counted up and down but looked up when it is asked for, see [`crate::http::metrics`].

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::redis::RedisMetrics;

mod connection;
mod http;
mod hub;
mod outbox;

pub use connection::ConnectionMetrics;
pub use http::HttpMetrics;
pub use hub::HubMetrics;
pub use outbox::{OutboxMetrics, Tally};

/// Seconds that something may take between a process's own memory and a backend that is about to be given up.
const SECONDS: [f64; 16] =
    [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What a replica counts.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// The hub's.
    pub hub: HubMetrics,
    /// The connections'.
    pub connection: ConnectionMetrics,
    /// Those of calls.
    pub http: HttpMetrics,
    /// Those of the backend that many replicas share.
    pub redis: RedisMetrics,
}

impl Metrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        self.hub.register(registry);
        self.connection.register(registry);
        self.http.register(registry);
        self.redis.register(registry);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which build this is", build);
    }
}
