//! What calls count.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::SECONDS;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabel {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    method: &'static str,
    route: String,
}

/// What calls count.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    calls: Family<CallLabel, Counter>,
    seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self { calls: Family::default(), seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)) }
    }
}

impl HttpMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("http_requests", "HTTP requests, by method, route and status", self.calls.clone());
        registry.register_with_unit(
            "http_request",
            "How long HTTP requests took, by method and route",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }

    /// The count of calls that are answered in one way. `method` and `route` must each be one of few.
    pub fn answers(&self, method: &'static str, route: &str, status: u16) -> Counter {
        self.calls.get_or_create_owned(&CallLabel { method, route: route.to_owned(), status })
    }

    /// A call was answered. `method` and `route` must each be one of few.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        let call = CallLabel { method, route: route.clone(), status };
        self.calls.get_or_create(&call).inc();
        self.seconds.get_or_create(&RouteLabel { method, route }).observe(took.as_secs_f64());
    }
}
