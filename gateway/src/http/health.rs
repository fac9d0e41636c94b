//! Whether the process lives, and whether a balancer should send it anybody.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Http;
use crate::lifecycle::{Backend, Phase};

/// When a balancer may ask again.
const RETRY_AFTER_S: u64 = 1;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always the same.
    status: &'static str,
}

/// Whether a balancer should send anybody here.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Where the replica stands.
    status: Status,
    /// The replica's id.
    replica: String,
    /// Connections that are open here.
    connections: usize,
}

/// Where a replica stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Takes connections.
    Ready,
    /// Takes connections, but the backend is away.
    Degraded,
    /// Not everything is up yet.
    Starting,
    /// Sends its connections away.
    Draining,
    /// The backend answers, but nothing is heard of the other replicas.
    Deaf,
}

/// Ask whether the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = Health)))]
pub async fn live() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// Ask whether a balancer should send anybody here.
///
/// A replica whose backend is away stays in, so that a balancer does not empty itself; with `?strict` it does not.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    params(("strict" = Option<String>, Query, description = "Answer 503 while the backend is away, too", allow_reserved)),
    responses((status = 200, body = Ready), (status = 503, body = Ready)),
)]
pub async fn ready(State(http): State<Arc<Http>>, RawQuery(query): RawQuery) -> Response {
    let status = Status::of(http.readiness.phase(), http.readiness.backend());
    let context = &http.context;
    let body = Ready { status, replica: context.replica.to_string(), connections: context.registry.sockets_len() };
    if status.is_ready(is_strict(query.as_deref())) {
        return axum::Json(body).into_response();
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    response
}

/// The bare word is enough.
fn is_strict(query: Option<&str>) -> bool {
    let mut pairs = query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.any(|(key, value)| key == "strict" && !matches!(value, "false" | "0"))
}

impl Status {
    fn of(phase: Phase, backend: Backend) -> Self {
        match (phase, backend) {
            (Phase::Starting, _) => Self::Starting,
            (Phase::Draining, _) => Self::Draining,
            (Phase::Ready, Backend::Heard) => Self::Ready,
            (Phase::Ready, Backend::Away) => Self::Degraded,
            (Phase::Ready, Backend::Deaf) => Self::Deaf,
        }
    }

    fn is_ready(self, strict: bool) -> bool {
        match self {
            Self::Ready => true,
            Self::Degraded => !strict,
            Self::Starting | Self::Draining | Self::Deaf => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balancer_does_not_empty_itself_because_the_backend_is_away() {
        let ready = |phase, backend, strict| Status::of(phase, backend).is_ready(strict);
        assert!(ready(Phase::Ready, Backend::Heard, true));
        assert!(ready(Phase::Ready, Backend::Away, false));
        assert!(!ready(Phase::Ready, Backend::Away, true));
        for strict in [false, true] {
            assert!(!ready(Phase::Ready, Backend::Deaf, strict));
            for backend in [Backend::Heard, Backend::Away, Backend::Deaf] {
                assert!(!ready(Phase::Starting, backend, strict));
                assert!(!ready(Phase::Draining, backend, strict));
            }
        }
    }

    #[test]
    fn the_bare_word_strict_is_enough() {
        for (query, strict) in [("strict", true), ("a=b&strict=1", true), ("strict=false", false), ("strictly", false)]
        {
            assert_eq!(is_strict(Some(query)), strict, "{query}");
        }
        assert!(!is_strict(None));
    }
}
