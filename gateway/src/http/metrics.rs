//! What operators scrape, and the counting of calls.

use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::{Http, Refusal};
use crate::connection::Context;
use crate::fault::Fault;
use crate::lifecycle::{Backend, Readiness};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics, in the text that Prometheus reads.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses((status = 200, body = String, content_type = "application/openmetrics-text")),
)]
pub async fn metrics(State(http): State<Arc<Http>>) -> Result<impl IntoResponse, Refusal> {
    let mut text = String::new();
    encode(&mut text, &http.exported)
        .map_err(|error| Fault::internal(&format!("the metrics cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}

/// Counts a call by its route, never by its path, of which there are many.
pub(super) async fn count(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = name(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    http.metrics.answered(method, route, response.status().as_u16(), started.elapsed());
    response
}

/// A client may make up methods; they must not become labels.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What is not counted but looked up when somebody asks, so that it is always true.
struct Gauges(Arc<Context>, Arc<Readiness>);

/// Lets the metrics tell how much of everything there is right now.
pub fn register_gauges(context: Arc<Context>, readiness: Arc<Readiness>, registry: &mut Registry) {
    registry.register_collector(Box::new(Gauges(context, readiness)));
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Context { registry, hub, .. } = &*self.0;
        let backend = self.1.backend();
        let outbox_bytes: usize = registry.all().iter().map(|handle| handle.outbox.queued_bytes()).sum();
        for (name, help, value) in [
            ("sockets", "Sockets that are open, welcome or not", registry.sockets_len()),
            ("connections", "Connections that are welcome", registry.len()),
            ("users", "Users with a connection here", registry.users_len()),
            ("rooms", "Rooms that are open here", hub.rooms_len()),
            ("outbox_bytes", "Bytes that wait to be written to clients", outbox_bytes),
            ("backend_up", "Whether the backend answers", usize::from(backend != Backend::Away)),
            ("bus_up", "Whether the other replicas are heard", usize::from(backend == Backend::Heard)),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(gauge)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}
