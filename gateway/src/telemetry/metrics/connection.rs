//! What connections count.

use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::{CloseCode, ErrorCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{OutboxMetrics, SECONDS};

/// How a client leaves without a word.
const ABNORMAL: u16 = 1_006;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabel {
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    request: &'static str,
}

/// What connections count.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    /// What their outboxes count.
    pub outbox: Arc<OutboxMetrics>,
    hellos: Family<OutcomeLabel, Counter>,
    requests: Family<RequestLabel, Histogram, fn() -> Histogram>,
    errors: Family<CodeLabel, Counter>,
    closes: Family<CloseLabel, Counter>,
}

impl Default for ConnectionMetrics {
    fn default() -> Self {
        Self {
            outbox: Arc::default(),
            hellos: Family::default(),
            requests: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            errors: Family::default(),
            closes: Family::default(),
        }
    }
}

impl ConnectionMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        self.outbox.register(registry);
        registry.register(
            "hellos",
            "Hellos, by whether they were welcome or the code of their error",
            self.hellos.clone(),
        );
        registry.register_with_unit(
            "request",
            "From when a request of a client began to when its reply was queued, by type",
            Unit::Seconds,
            self.requests.clone(),
        );
        registry.register("errors", "Errors that clients were told of, by code", self.errors.clone());
        registry.register(
            "closes",
            "Connections that ended, by close code; 1006 for a client that just left",
            self.closes.clone(),
        );
    }

    /// A hello was answered.
    pub fn greeted(&self, outcome: Result<(), ErrorCode>) {
        let outcome = outcome.map_or_else(ErrorCode::as_str, |()| "welcome");
        self.hellos.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A request of this type was carried out, or not.
    pub fn handled(&self, request: &'static str, took: Duration) {
        self.requests.get_or_create(&RequestLabel { request }).observe(took.as_secs_f64());
    }

    /// A client was told of an error.
    pub fn failed(&self, code: ErrorCode) {
        self.errors.get_or_create(&CodeLabel { code: code.as_str() }).inc();
    }

    /// A connection ended; without a code because the client just left.
    pub fn ended(&self, code: Option<CloseCode>) {
        let code = code.map_or(ABNORMAL, CloseCode::number);
        self.closes.get_or_create(&CloseLabel { code }).inc();
    }
}
