//! Kick, ban, mute.

use std::sync::Arc;

use axum::extract::State;
use hubbub_shared::client_frame::ModerationAction;
use hubbub_shared::strict;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{Done, Input, Json};
use super::caller::Who;
use super::path::{InPath, room_name, user_id};
use super::refusal::ErrorAnswer;
use super::{Http, Refusal};
use crate::rooms::moderate::Moderation;

/// What a moderator does to somebody.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Moderation)]
pub struct ModerationInput {
    /// Whom it concerns.
    user: String,
    /// What to do.
    #[serde(deserialize_with = "strict::word")]
    action: Action,
    /// For how long a ban or mute holds; absent: until it is ended.
    #[serde(default)]
    for_ms: Option<u64>,
    /// Why, for the log.
    #[serde(default)]
    reason: Option<String>,
}

impl Input for ModerationInput {}

/// What a moderator can do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Out of the room; may come back.
    Kick,
    /// Out of the room until the ban ends.
    Ban,
    /// Ends a ban.
    Unban,
    /// May read, but not speak.
    Mute,
    /// Ends a mute.
    Unmute,
}

impl From<Action> for ModerationAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Kick => Self::Kick,
            Action::Ban => Self::Ban,
            Action::Unban => Self::Unban,
            Action::Mute => Self::Mute,
            Action::Unmute => Self::Unmute,
        }
    }
}

/// Kick, ban or mute somebody in a room, or end that. For moderators.
///
/// Without an answer, repeat the call.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/moderation", tag = "rooms",
    params(("room" = String, Path, description = "The room, percent-encoded")),
    request_body = ModerationInput,
    responses(
        (status = 200, body = Done),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = []), ("session" = []), ("session_cookie" = [])),
)]
pub async fn moderate(
    State(http): State<Arc<Http>>,
    who: Who,
    InPath(room): InPath<String>,
    Json(ModerationInput { user, action, for_ms, reason }): Json<ModerationInput>,
) -> Result<axum::Json<Done>, Refusal> {
    let moderation =
        Moderation { room: room_name(&room)?, user: user_id(&user, "user")?, action: action.into(), for_ms, reason };
    http.context.rooms.moderate(&who.caller(), moderation).await?;
    Ok(axum::Json(Done {}))
}
