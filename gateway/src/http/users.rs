//! Users of the whole service: `/v1/users/{user}/…`.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Input, MaybeJson};
use super::caller::ApiKey;
use super::path::{InPath, user_id};
use super::refusal::ErrorAnswer;
use super::{Http, Refusal};
use crate::control::Order;
use crate::rooms::allowance::Activity;

/// What was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Revoked {
    /// Whose logins.
    user: String,
    /// Tokens that were issued before are refused, Unix milliseconds. Tokens count in whole seconds, so it is the
    /// beginning of the next one.
    revoked_before: u64,
}

/// How long a ban holds.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Ban {
    /// For how long; absent: until it is ended.
    #[serde(default)]
    for_ms: Option<u64>,
}

impl Input for Ban {}

/// How a user stands with the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Standing {
    /// Who.
    user: String,
    /// Whether the user is banned.
    banned: bool,
    /// Until when, Unix milliseconds; absent: until it is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

/// Log a user out everywhere.
///
/// All sockets of the user are closed (4504), all sessions end, and tokens issued before now are refused. Without an
/// answer, repeat the call.
#[utoipa::path(
    delete, path = "/v1/users/{user}/sessions", tag = "users",
    params(("user" = String, Path, description = "The user id, percent-encoded")),
    responses(
        (status = 200, body = Revoked),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn revoke(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath(user): InPath<String>,
) -> Result<axum::Json<Revoked>, Refusal> {
    let user = user_id(&user, "user")?;
    let by = api_key.0.clone();
    http.context.rooms.admit(&api_key.caller(None), Activity::Request).await?;
    let revoked_before_s = http.context.sessions.revoke_user(&user).await?;
    http.context.rooms.control.give(Order::EndUser { user: user.clone(), banned: false }).await?;
    tracing::info!(%user, %by, "logged out everywhere");
    let revoked_before = (revoked_before_s + 1).saturating_mul(1_000);
    Ok(axum::Json(Revoked { user: user.to_string(), revoked_before }))
}

/// Ban a user from the whole service.
///
/// All sockets of the user are closed (4505), and neither tokens nor sessions let the user in until the ban ends.
/// Without an answer, repeat the call.
#[utoipa::path(
    put, path = "/v1/users/{user}/ban", tag = "users",
    params(("user" = String, Path, description = "The user id, percent-encoded")),
    request_body(content = Option<Ban>, description = "May be left out"),
    responses(
        (status = 200, body = Standing),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn ban(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath(user): InPath<String>,
    MaybeJson(ban): MaybeJson<Ban>,
) -> Result<axum::Json<Standing>, Refusal> {
    let user = user_id(&user, "user")?;
    let by = api_key.0.clone();
    http.context.rooms.admit(&api_key.caller(None), Activity::Request).await?;
    let Ban { for_ms } = ban.unwrap_or_default();
    let until = for_ms.map(|for_ms| http.context.clock.now_ms().saturating_add(for_ms));
    http.context.sessions.set_banned(&user, Some(until.unwrap_or(u64::MAX))).await?;
    http.context.rooms.control.give(Order::EndUser { user: user.clone(), banned: true }).await?;
    tracing::info!(%user, for_ms, %by, "banned from the service");
    Ok(axum::Json(Standing { user: user.to_string(), banned: true, until }))
}

/// Let a banned user in again.
#[utoipa::path(
    delete, path = "/v1/users/{user}/ban", tag = "users",
    params(("user" = String, Path, description = "The user id, percent-encoded")),
    responses(
        (status = 200, body = Standing),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn unban(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath(user): InPath<String>,
) -> Result<axum::Json<Standing>, Refusal> {
    let user = user_id(&user, "user")?;
    let by = api_key.0.clone();
    http.context.rooms.admit(&api_key.caller(None), Activity::Request).await?;
    http.context.sessions.set_banned(&user, None).await?;
    tracing::info!(%user, %by, "let into the service again");
    Ok(axum::Json(Standing { user: user.to_string(), banned: false, until: None }))
}
