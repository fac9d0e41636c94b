//! Logins: `/v1/sessions`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{AppendHeaders, IntoResponse};
use hubbub_shared::strict;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Input, MaybeJson};
use super::caller::{self, LoggedIn, Peer};
use super::cookie::SetCookie;
use super::origin::Origin;
use super::refusal::ErrorAnswer;
use super::{Http, Refusal, origin};
use crate::connection::link::Opening;
use crate::control::Order;
use crate::fault::{BANNED, Fault};
use crate::rooms::allowance::{Activity, admitted};
use crate::sessions::{Created, NewSession, Session, UserStanding};

/// How somebody logs in: one of the two, or a token as `Authorization: Bearer`.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Login {
    /// A JSON Web Token.
    #[serde(default)]
    token: Option<String>,
    /// Lets somebody in without a login, where that is allowed.
    #[serde(default, deserialize_with = "strict::object")]
    guest: Option<Guest>,
}

/// What a guest says of themselves.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Guest {
    /// The name to show to others; never an id.
    #[serde(default)]
    name: Option<String>,
}

impl Input for Login {}

/// A login that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewLogin {
    /// The login's id, fit to be shown.
    id: String,
    /// What the login is used with: in `hello` as `session`, here as `Authorization: Bearer`. It is given only once.
    secret: String,
    /// Whose login it is.
    user: User,
    /// When it ends at the latest, Unix milliseconds.
    expires_at: u64,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    /// The user id.
    id: String,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// The logins of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct Logins {
    /// The newest first.
    sessions: Vec<KnownLogin>,
}

/// A login, never with its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct KnownLogin {
    /// The login's id.
    id: String,
    /// The program and device, as they named themselves.
    device: String,
    /// Where it was last used from.
    address: String,
    /// When it was made, Unix milliseconds.
    created_at: u64,
    /// When it was last used, Unix milliseconds; exact to a minute.
    last_seen: u64,
    /// When it ends at the latest, Unix milliseconds.
    expires_at: u64,
    /// Whether it is the one that this call was made with.
    current: bool,
}

/// The logins that were ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct EndedLogins {
    /// Their ids.
    ended: Vec<String>,
}

/// Log in.
///
/// With a JSON Web Token, in the body or as `Authorization: Bearer`, or as a guest. Makes a session, sets the session
/// cookie and answers with the session's secret, for programs that keep no cookies. The cookie may only travel
/// encrypted where a trusted proxy says that the call came so.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions",
    request_body = Login,
    responses(
        (status = 200, body = NewLogin, headers(("Set-Cookie" = String, description = "The session cookie"))),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security((), ("token" = [])),
)]
pub async fn log_in(
    State(http): State<Arc<Http>>,
    peer: Peer,
    headers: HeaderMap,
    MaybeJson(login): MaybeJson<Login>,
) -> Result<impl IntoResponse, Refusal> {
    // A page of another site must not log its visitors in, to a login of its own.
    if origin::of(&headers, &http.origins) == Origin::Foreign {
        return Err(Fault::Forbidden(caller::FOREIGN).into());
    }
    admitted(http.context.rooms.charge_hello(peer.address).await?)?;
    let Login { token, guest } = login.unwrap_or_default();
    let token = token.or_else(|| caller::bearer(&headers).filter(|_| guest.is_none()));
    let (session, secret) = match (token, guest) {
        (Some(token), None) => http.by_token(&token, device(&headers), peer).await?,
        (None, Some(Guest { name })) => {
            let opening = Opening { address: peer.address, cookie: None, user_agent: None };
            http.context.make_guest(name.as_deref(), device(&headers), &opening).await?
        }
        (Some(_), Some(_)) => {
            return Err(Fault::BadRequest("give a `token` or a `guest`, not both".to_owned()).into());
        }
        (None, None) => {
            let message = "nothing to log in with: give a `token` or a `guest`";
            return Err(Fault::Unauthenticated(message.to_owned()).into());
        }
    };
    let max_age_s = session.ends_ms.saturating_sub(http.context.clock.now_ms()) / 1_000;
    let cookie = http.set_cookie(&secret, max_age_s, peer);
    let user = User { id: session.user.to_string(), name: session.name.as_deref().map(str::to_owned) };
    let answer = NewLogin { id: session.id.to_string(), secret, user, expires_at: session.ends_ms };
    Ok((cookie, axum::Json(answer)))
}

/// List my logins.
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions",
    responses(
        (status = 200, body = Logins),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("session" = []), ("session_cookie" = [])),
)]
pub async fn list(State(http): State<Arc<Http>>, user: LoggedIn) -> Result<axum::Json<Logins>, Refusal> {
    http.context.rooms.admit(&user.caller(), Activity::Request).await?;
    let sessions = http.context.sessions.list(&user.session.user).await?;
    let sessions = sessions.into_iter().map(|session| KnownLogin {
        id: session.id.to_string(),
        address: session.address.to_string(),
        created_at: session.created_ms,
        last_seen: session.seen_ms,
        expires_at: session.ends_ms,
        current: session.id == user.session.id,
        device: session.device,
    });
    Ok(axum::Json(Logins { sessions: sessions.collect() }))
}

/// End one of my logins.
///
/// Its sockets are closed (4504). Without an answer, repeat the call.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", tag = "sessions",
    params(("id" = String, Path, description = "The id of a login, or `current` for the one that this call is made with")),
    responses(
        (status = 200, body = EndedLogins),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("session" = []), ("session_cookie" = [])),
)]
pub async fn end(
    State(http): State<Arc<Http>>,
    user: LoggedIn,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    http.context.rooms.admit(&user.caller(), Activity::Request).await?;
    let unknown = Refusal::NotFound("no login of yours has this id; GET /v1/sessions lists them");
    let id = if id == "current" { user.session.id.to_string() } else { id };
    if !may_be_id(&id) {
        return Err(unknown);
    }
    let owner = &user.session.user;
    let found = http.context.sessions.revoke(owner, &id).await?;
    // The order is given even where the session is gone already: the call may be the repetition of one that got no
    // answer between the two.
    let order = Order::EndSessions { user: owner.clone(), sessions: vec![id.clone()] };
    http.context.rooms.control.give(order).await?;
    if !found {
        return Err(unknown);
    }
    let cookie = (*user.session.id == *id).then(|| http.set_cookie("", 0, user.peer));
    Ok((cookie, axum::Json(EndedLogins { ended: vec![id] })))
}

/// End all my logins but this one.
///
/// Their sockets are closed (4504). Without an answer, repeat the call.
#[utoipa::path(
    delete, path = "/v1/sessions", tag = "sessions",
    responses(
        (status = 200, body = EndedLogins),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("session" = []), ("session_cookie" = [])),
)]
pub async fn end_others(State(http): State<Arc<Http>>, user: LoggedIn) -> Result<axum::Json<EndedLogins>, Refusal> {
    http.context.rooms.admit(&user.caller(), Activity::Request).await?;
    let Session { id, user: owner, .. } = &*user.session;
    let ended = http.context.sessions.revoke_others(owner, id).await?;
    // Every replica looks at all connections of the user again, so that a repetition closes those of sessions that an
    // earlier call ended without getting as far as here.
    http.context.rooms.control.give(Order::EndUser { user: owner.clone(), banned: false }).await?;
    Ok(axum::Json(EndedLogins { ended: ended.iter().map(ToString::to_string).collect() }))
}

/// What goes into the control log is short, whatever a caller put into the path.
fn may_be_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn device(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.unwrap_or_default().chars().take(200).collect()
}

impl Http {
    async fn by_token(&self, token: &str, device: String, peer: Peer) -> Result<(Box<Session>, String), Refusal> {
        let context = &self.context;
        let identity = context.authenticator.verify(token).await.map_err(Fault::Token)?;
        let new = NewSession {
            user: identity.user,
            name: identity.name,
            grants: identity.grants,
            issued_at_s: Some(identity.issued_at_s),
            not_after_ms: Some(identity.expires_at_ms),
            device,
            address: peer.address,
        };
        match context.sessions.create(new).await? {
            Created::Session(session, secret) => Ok((session, secret)),
            Created::Refused(UserStanding { banned: true, .. }) => Err(Fault::Forbidden(BANNED).into()),
            Created::Refused(_) => {
                Err(Fault::Unauthenticated("this token was revoked; log in again".to_owned()).into())
            }
        }
    }

    fn set_cookie(
        &self,
        value: &str,
        max_age_s: u64,
        peer: Peer,
    ) -> AppendHeaders<Option<(header::HeaderName, HeaderValue)>> {
        let cookie = SetCookie { name: &self.cookie, value, max_age_s, secure: peer.https };
        AppendHeaders(cookie.header().map(|cookie| (header::SET_COOKIE, cookie)))
    }
}
