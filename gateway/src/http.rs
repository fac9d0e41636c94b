//! HTTP beside the socket: logins, rooms, broadcast, health, metrics, and the embedded web client.
//!
//! * [`peer`], [`origin`], [`cookie`]: where a request comes from, whose page it is, and the session it brings.
//! * [`caller`]: who makes a call; [`path`], [`body`]: what for; [`refusal`]: why not.
//! * [`sessions`]; [`publish`], [`look`], [`moderate`], [`broadcast`]; [`users`]; [`replicas`]: the calls; [`openapi`]
//!   describes them.
//! * [`health`], [`metrics`]: for operators; [`web`]: the page for people; [`headers`]: what every answer carries.

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use prometheus_client::registry::Registry;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::api_keys::ApiKeys;
use crate::connection::Context;
use crate::fault::Fault;
use crate::lifecycle::Readiness;
use crate::replicas::Replicas;
use crate::telemetry::metrics::HttpMetrics;

pub mod body;
pub mod broadcast;
pub mod caller;
pub mod cookie;
pub mod headers;
pub mod health;
pub mod look;
pub mod metrics;
pub mod moderate;
pub mod openapi;
pub mod origin;
pub mod path;
pub mod peer;
pub mod publish;
pub mod refusal;
pub mod replicas;
pub mod sessions;
pub mod users;
pub mod web;

pub use refusal::Refusal;

/// What calls work with.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct Http {
    /// What every connection works with.
    pub context: Arc<Context>,
    /// Where the replica stands in its life.
    pub readiness: Arc<Readiness>,
    /// The replicas that act as one with this.
    pub replicas: Arc<dyn Replicas>,
    /// The keys of the application's back end.
    pub api_keys: ApiKeys,
    /// Everything that `/metrics` tells.
    pub exported: Registry,
    /// Whether `/metrics` is on a listener of its own, and not beside the API.
    pub metrics_apart: bool,
    /// Counters of calls.
    pub metrics: HttpMetrics,
    /// Whose word on the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// From which pages, besides the own ones, sessions may be used.
    pub origins: Vec<String>,
    /// The name of the session cookie.
    pub cookie: String,
}

/// Everything, with the socket's own route among it.
pub fn router(http: Arc<Http>, socket: Router) -> Router {
    let api = if http.metrics_apart { api().merge(health()) } else { documented() };
    let (router, _) = api.split_for_parts();
    finish(router.fallback(page).with_state(http.clone()).merge(socket), &http)
}

/// Health and metrics alone, for a listener of their own.
pub fn operator_router(http: Arc<Http>) -> Router {
    let (router, _) = health().merge(scrape()).split_for_parts();
    finish(router.fallback(no_such_path).with_state(http.clone()), &http)
}

fn finish(router: Router, http: &Arc<Http>) -> Router {
    let router = router
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(http.clone(), metrics::count));
    headers::secure(headers::share(router, http))
}

/// All that is described by `/v1/openapi.json`.
fn documented() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::with_openapi(openapi::Description::openapi()).merge(api()).merge(health()).merge(scrape())
}

fn api() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::default()
        .routes(routes!(sessions::log_in, sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(publish::publish, look::history))
        .routes(routes!(publish::edit, publish::delete))
        .routes(routes!(publish::signal))
        .routes(routes!(look::members))
        .routes(routes!(moderate::moderate))
        .routes(routes!(broadcast::broadcast))
        .routes(routes!(users::revoke))
        .routes(routes!(users::ban, users::unban))
        .routes(routes!(replicas::list))
        .routes(routes!(openapi::openapi))
}

fn health() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::default().routes(routes!(health::live)).routes(routes!(health::ready))
}

fn scrape() -> OpenApiRouter<Arc<Http>> {
    OpenApiRouter::default().routes(routes!(metrics::metrics))
}

/// A file of the web client, if it is one.
async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let reading = matches!(method, Method::GET | Method::HEAD);
    let file = if reading { web::file::<web::Client>(uri.path(), &headers) } else { None };
    file.unwrap_or_else(|| NO_SUCH_PATH.into_response())
}

async fn no_such_path() -> Refusal {
    NO_SUCH_PATH
}

const NO_SUCH_PATH: Refusal = Refusal::NotFound("there is nothing at this path; /v1/openapi.json lists what there is");

async fn wrong_method() -> Refusal {
    Refusal::WrongMethod
}

/// A fault in one call ends that call.
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let what = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Refusal::Fault(Fault::internal(&format!("a call panicked: {}", what.unwrap_or("without a word")))).into_response()
}
