//! Who makes a call.
//!
//! A call brings one credential; the first of these counts: `X-API-Key`, `X-Session`, `Authorization: Bearer` with an
//! API key or a session's secret, the session cookie. The cookie counts only where no page of another site can have
//! made the browser send it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, header};

use super::origin::Origin;
use super::{Http, Refusal, cookie, origin, peer};
use crate::broker::Author;
use crate::fault::{BANNED, Fault};
use crate::rooms::allowance::admitted;
use crate::rooms::{Caller, Person};
use crate::sessions::Session;

/// The header of an API key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The header of a session's secret.
pub(super) const SESSION: HeaderName = HeaderName::from_static("x-session");

/// Where a call comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The client's address, proxies taken into account.
    pub address: IpAddr,
    /// Whether the client's connection is encrypted.
    pub https: bool,
}

/// Who makes a call.
#[derive(Debug)]
pub enum Who {
    /// The application's back end, by the name of its key.
    Api(Arc<str>),
    /// Somebody who is logged in.
    User(LoggedIn),
}

/// The application's back end, by the name of its key.
#[derive(Debug)]
pub struct ApiKey(pub Arc<str>);

/// Somebody who is logged in.
#[derive(Debug)]
pub struct LoggedIn {
    /// The login.
    pub session: Box<Session>,
    /// Where the call comes from.
    pub peer: Peer,
}

enum Credential {
    ApiKey(String),
    Session(String),
    Bearer(String),
    Cookie(String),
}

impl Who {
    /// In whose name rooms are asked.
    pub fn caller(&self) -> Caller {
        match self {
            Self::Api(key) => Caller::Api { key: key.clone(), from: None },
            Self::User(user) => user.caller(),
        }
    }
}

impl ApiKey {
    /// In whose name rooms are asked.
    pub fn caller(self, from: Option<Author>) -> Caller {
        Caller::Api { key: self.0, from }
    }
}

impl LoggedIn {
    /// In whose name rooms are asked.
    pub fn caller(&self) -> Caller {
        let Session { user, name, grants, .. } = &*self.session;
        let author = Author { user: user.clone(), name: name.clone() };
        Caller::Person(Arc::new(Person { author, grants: grants.clone(), address: self.peer.address }))
    }
}

impl FromRequestParts<Arc<Http>> for Peer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refusal> {
        let ConnectInfo(socket) = ConnectInfo::<SocketAddr>::from_request_parts(parts, http)
            .await
            .map_err(|error| Fault::internal(&format!("a request came from nowhere: {error}")))?;
        Ok(Self {
            address: peer::address(socket, &parts.headers, &http.trusted_proxies),
            https: peer::is_https(socket, &parts.headers, &http.trusted_proxies),
        })
    }
}

impl FromRequestParts<Arc<Http>> for Who {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refusal> {
        let peer = Peer::from_request_parts(parts, http).await?;
        match http.recognize(parts, peer).await {
            Err(Refusal::Fault(fault @ Fault::Unauthenticated(_))) => {
                // Whoever tries credentials is slowed down like one who sends what cannot be understood.
                admitted(http.context.rooms.charge_noise(peer.address).await?)?;
                Err(fault.into())
            }
            outcome => outcome,
        }
    }
}

impl FromRequestParts<Arc<Http>> for ApiKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refusal> {
        match Who::from_request_parts(parts, http).await? {
            Who::Api(key) => Ok(Self(key)),
            Who::User(_) => {
                Err(Fault::Forbidden("only the application's back end may do this, with an API key").into())
            }
        }
    }
}

impl FromRequestParts<Arc<Http>> for LoggedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refusal> {
        match Who::from_request_parts(parts, http).await? {
            Who::User(user) => Ok(user),
            Who::Api(_) => Err(Fault::Forbidden("an API key has no logins; make this call with a session").into()),
        }
    }
}

impl Http {
    async fn recognize(&self, parts: &Parts, peer: Peer) -> Result<Who, Refusal> {
        let secret = match self.credential(&parts.headers) {
            None => {
                let message = "this call needs an API key or a session, as `Authorization: Bearer …`";
                return Err(Fault::Unauthenticated(message.to_owned()).into());
            }
            Some(Credential::ApiKey(key)) => {
                let name = self.api_key(&key).ok_or_else(|| {
                    Fault::Unauthenticated("this API key is not one of `auth.api_keys`; check which is used".to_owned())
                })?;
                return Ok(Who::Api(name));
            }
            Some(Credential::Bearer(text)) => match self.api_key(&text) {
                Some(name) => return Ok(Who::Api(name)),
                None => text,
            },
            Some(Credential::Session(secret)) => secret,
            Some(Credential::Cookie(secret)) => {
                self.check_origin(parts)?;
                secret
            }
        };
        let Some(session) = self.context.sessions.open(&secret, peer.address).await? else {
            let message = "this is no API key and no session that stands; log in with POST /v1/sessions";
            return Err(Fault::Unauthenticated(message.to_owned()).into());
        };
        if self.context.sessions.user_standing(&session.user).await?.banned {
            return Err(Fault::Forbidden(BANNED).into());
        }
        Ok(Who::User(LoggedIn { session: Box::new(session), peer }))
    }

    fn credential(&self, headers: &HeaderMap) -> Option<Credential> {
        let api_key = || text(headers, &API_KEY).map(Credential::ApiKey);
        let session = || text(headers, &SESSION).map(Credential::Session);
        let bearer = || bearer(headers).map(Credential::Bearer);
        let cookie = || cookie::read(headers, &self.cookie).map(Credential::Cookie);
        api_key().or_else(session).or_else(bearer).or_else(cookie)
    }

    fn api_key(&self, key: &str) -> Option<Arc<str>> {
        self.api_keys.find(key).map(|name| Arc::from(name.as_str()))
    }

    /// Browsers send `Origin` with everything that could change something; reading they do without it, and keep the
    /// answer from other sites themselves.
    fn check_origin(&self, parts: &Parts) -> Result<(), Fault> {
        let reading = matches!(parts.method, Method::GET | Method::HEAD);
        match origin::of(&parts.headers, &self.origins) {
            Origin::Trusted => Ok(()),
            Origin::Unknown if reading => Ok(()),
            Origin::Unknown => Err(Fault::Forbidden(
                "the session cookie alone changes nothing without an `Origin`; send the secret as `X-Session`",
            )),
            Origin::Foreign => Err(Fault::Forbidden(FOREIGN)),
        }
    }
}

pub(super) const FOREIGN: &str = "pages of this origin may not use sessions; add it to `server.origins`";

/// The credential of `Authorization: Bearer`. Other schemes are a proxy's business.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let authorization = text(headers, &header::AUTHORIZATION)?;
    let (scheme, credential) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim().to_owned())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    // What is no text is no credential, and must not make another one count in its place.
    headers.get(name).map(|value| value.to_str().unwrap_or_default().to_owned())
}
