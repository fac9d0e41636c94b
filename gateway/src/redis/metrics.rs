//! What is counted about Redis.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::RedisError;

/// Seconds that a call may take, up to more than any deadline that makes sense.
const SECONDS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What is counted about Redis.
#[derive(Debug, Clone)]
pub struct RedisMetrics {
    calls: Family<OutcomeLabel, Counter>,
    answered: Counter,
    call: Histogram,
    /// Messages that the bus brought.
    pub bus_messages: Counter,
    /// How often the bus may have lost some.
    pub bus_gaps: Counter,
}

impl Default for RedisMetrics {
    fn default() -> Self {
        let calls = Family::<OutcomeLabel, Counter>::default();
        Self {
            answered: calls.get_or_create_owned(&OutcomeLabel { outcome: "answered" }),
            calls,
            call: Histogram::new(SECONDS),
            bus_messages: Counter::default(),
            bus_gaps: Counter::default(),
        }
    }
}

impl RedisMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("redis_calls", "Calls to Redis, by what became of them", self.calls.clone());
        registry.register_with_unit("redis_call", "How long calls to Redis took", Unit::Seconds, self.call.clone());
        registry.register("bus_messages", "Messages that the bus brought", self.bus_messages.clone());
        registry.register("bus_gaps", "How often the bus may have lost messages", self.bus_gaps.clone());
    }

    /// A call is over.
    pub fn called<T>(&self, outcome: &Result<T, RedisError>, took: Duration) {
        self.call.observe(took.as_secs_f64());
        let Err(error) = outcome else {
            self.answered.inc();
            return;
        };
        let outcome = match error {
            RedisError::Unavailable => "unavailable",
            RedisError::Full => "full",
            RedisError::Refused(_) => "refused",
            RedisError::Broken(_) => "broken",
        };
        self.calls.get_or_create_owned(&OutcomeLabel { outcome }).inc();
    }
}
