//! The WebSocket handshake: language, origin, cookie, address.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt;
use hubbub_shared::{ErrorCode, WEBSOCKET_PATH};
use ipnet::IpNet;
use prometheus_client::metrics::counter::Counter;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::TaskTracker;

use super::flusher::Flushers;
use super::websocket::{self, Upgraded};
use crate::connection::Context;
use crate::connection::link::Opening;
use crate::connection::reply::Dialect;
use crate::http::origin::Origin;
use crate::http::{cookie, origin, peer};
use crate::random;

/// What the handshake needs to know.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct Transport {
    /// What every connection works with.
    pub context: Arc<Context>,
    /// The wire languages, by subprotocol; the first is spoken where none is offered.
    pub dialects: Vec<(&'static str, Arc<dyn Dialect>)>,
    /// Whose word on the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// From which pages, besides the own ones, the session cookie counts.
    pub origins: Vec<String>,
    /// The name of the session cookie.
    pub cookie: String,
    /// The connections, for whoever waits for them at the end.
    pub tasks: TaskTracker,
    /// Who writes for them.
    pub flushers: Flushers,
    /// Counts handshakes that were accepted, among the other calls.
    pub upgrades: Counter,
}

/// What a handshake agrees on.
struct Handshake {
    /// The proof that it was understood.
    key: String,
    subprotocol: Option<&'static str>,
    dialect: Arc<dyn Dialect>,
    cookie: Option<String>,
}

/// Why a handshake was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoWebSocket,
    Version,
    Language,
    Origin,
}

/// A handshake that was accepted.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct Accepted {
    transport: Arc<Transport>,
    dialect: Arc<dyn Dialect>,
    /// In a box, so that the task of a connection does not keep the place of what is needed only at first.
    opening: Box<Opening>,
}

/// The route of the socket, for those whose handshake is refused.
pub fn router(transport: Arc<Transport>) -> Router {
    Router::new().route(WEBSOCKET_PATH, get(refuse)).with_state(transport)
}

async fn refuse(State(transport): State<Arc<Transport>>, headers: HeaderMap) -> Refusal {
    transport.accept(&headers).err().unwrap_or(Refusal::NoWebSocket)
}

impl Accepted {
    /// Serves the connection to its end.
    pub fn serve(self, upgraded: Upgraded) -> impl Future<Output = ()> + Send {
        let Self { transport, dialect, opening } = self;
        let counted = transport.tasks.token();
        let place = transport.context.registry.accept();
        let flusher = transport.flushers.assign();
        let run = websocket::run(transport.context.clone(), dialect, opening, place.fits, upgraded, flusher);
        // In a box, since a future that awaits another has room for it twice.
        let run = Box::pin(run);
        async move {
            // A fault in one connection ends that connection; what it held is given back on the way out.
            if AssertUnwindSafe(run).catch_unwind().await.is_err() {
                tracing::error!(incident = random::word(10), "a connection panicked");
            }
            drop((place, counted));
        }
    }
}

fn switching(key: &str, subprotocol: Option<&'static str>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    if let Some(subprotocol) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    }
    response
}

fn accept_key(headers: &HeaderMap) -> Result<String, Refusal> {
    let names = |name: &HeaderName, token: &str| list(headers, name).any(|value| value.eq_ignore_ascii_case(token));
    if !names(&header::CONNECTION, "upgrade") || !names(&header::UPGRADE, "websocket") {
        return Err(Refusal::NoWebSocket);
    }
    if text(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(Refusal::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::NoWebSocket)?;
    Ok(derive_accept_key(key.as_bytes()))
}

impl Transport {
    /// Accepts a handshake: what follows it, and its answer. Anything else is the router's.
    pub fn shake_hands<B>(self: &Arc<Self>, socket: SocketAddr, request: &Request<B>) -> Option<(Accepted, Response)> {
        if request.method() != Method::GET
            || request.uri().path() != WEBSOCKET_PATH
            || request.version() != Version::HTTP_11
        {
            return None;
        }
        let headers = request.headers();
        let Handshake { key, subprotocol, dialect, cookie } = self.accept(headers).ok()?;
        let opening = Box::new(Opening {
            address: peer::address(socket, headers, &self.trusted_proxies),
            cookie,
            user_agent: text(headers, &header::USER_AGENT).map(|agent| agent.chars().take(200).collect()),
        });
        self.upgrades.inc();
        Some((Accepted { transport: self.clone(), dialect, opening }, switching(&key, subprotocol)))
    }

    fn accept(&self, headers: &HeaderMap) -> Result<Handshake, Refusal> {
        let key = accept_key(headers)?;
        let (subprotocol, dialect) = self.language(headers)?;
        let cookie = self.cookie(headers)?;
        Ok(Handshake { key, subprotocol, dialect, cookie })
    }

    /// The language to speak, and the subprotocol to answer with where some were offered.
    fn language(&self, headers: &HeaderMap) -> Result<(Option<&'static str>, Arc<dyn Dialect>), Refusal> {
        let mut offered = list(headers, &header::SEC_WEBSOCKET_PROTOCOL).peekable();
        if offered.peek().is_none() {
            let (_, dialect) = self.dialects.first().ok_or(Refusal::Language)?;
            return Ok((None, dialect.clone()));
        }
        let known = offered.find_map(|offer| self.dialects.iter().find(|(name, _)| *name == offer));
        known.map(|(name, dialect)| (Some(*name), dialect.clone())).ok_or(Refusal::Language)
    }

    /// The session cookie, which counts only from a page of an origin that may use it.
    fn cookie(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        let Some(cookie) = cookie::read(headers, &self.cookie) else { return Ok(None) };
        match origin::of(headers, &self.origins) {
            // A program that sends no origin is no page; it can use the secret itself.
            Origin::Unknown => Ok(None),
            Origin::Trusted => Ok(Some(cookie)),
            Origin::Foreign => Err(Refusal::Origin),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|value| !value.is_empty())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::NoWebSocket => (
                StatusCode::UPGRADE_REQUIRED,
                ErrorCode::BadRequest,
                "this is a WebSocket endpoint; connect with a WebSocket client",
            ),
            Self::Version => {
                (StatusCode::UPGRADE_REQUIRED, ErrorCode::BadRequest, "only version 13 of WebSocket is spoken here")
            }
            Self::Language => (
                StatusCode::BAD_REQUEST,
                ErrorCode::BadRequest,
                "none of the offered subprotocols is spoken here; offer `hubbub.v1`, or none",
            ),
            Self::Origin => (
                StatusCode::FORBIDDEN,
                ErrorCode::Forbidden,
                "the session cookie may not be used from this origin; add it to `server.origins`",
            ),
        };
        let error = serde_json::json!({ "error": { "code": code, "message": message } });
        let mut response = (status, axum::Json(error)).into_response();
        if status == StatusCode::UPGRADE_REQUIRED {
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}
