//! Saying something in a room: messages, edits, deletions, signals.

use std::sync::Arc;

use axum::extract::State;
use hubbub_shared::limits::DISPLAY_NAME_BYTES_MAX;
use hubbub_shared::{Data, strict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Done, Input, Json, MaybeJson};
use super::caller::ApiKey;
use super::path::{InPath, position, room_name, user_id};
use super::refusal::ErrorAnswer;
use super::{Http, Refusal};
use crate::broker::{Author, Body};
use crate::fault::Fault;
use crate::rooms::publish::{Posted, Posting};

/// Something to publish.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Message {
    /// What the message says: any JSON value.
    #[schema(value_type = serde_json::Value)]
    data: Data,
    /// Makes a retry safe, within the API key.
    #[serde(default)]
    key: Option<String>,
    /// In whose name; absent: in nobody's.
    #[serde(default, deserialize_with = "strict::object")]
    from: Option<Speaker>,
}

impl Input for Message {}

/// What a deletion may say besides.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Deletion {
    /// Makes a retry safe, within the API key.
    #[serde(default)]
    key: Option<String>,
    /// In whose name; absent: in nobody's.
    #[serde(default, deserialize_with = "strict::object")]
    from: Option<Speaker>,
}

impl Input for Deletion {}

/// Something that is never stored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Signal {
    /// Any JSON value.
    #[schema(value_type = serde_json::Value)]
    data: Data,
    /// In whose name; absent: in nobody's.
    #[serde(default, deserialize_with = "strict::object")]
    from: Option<Speaker>,
}

impl Input for Signal {}

/// In whose name something is published.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Author)]
pub struct Speaker {
    /// The user id.
    user: String,
    /// The name to show.
    #[serde(default)]
    name: Option<String>,
}

impl Speaker {
    pub(super) fn author(self) -> Result<Author, Fault> {
        let Self { user, name } = self;
        let user = user_id(&user, "from.user")?;
        if let Some(name) = name.as_deref().filter(|name| name.len() > DISPLAY_NAME_BYTES_MAX) {
            return Err(Fault::TooLarge { what: "`from.name`", bytes: name.len(), max_bytes: DISPLAY_NAME_BYTES_MAX });
        }
        Ok(Author { user, name: name.map(Arc::from) })
    }
}

/// What was appended, now or by an earlier call with the same key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sent)]
pub struct SentAnswer {
    /// The entry's number.
    seq: u64,
    /// The entry's position, which is also its name.
    pos: String,
    /// When it was appended, Unix milliseconds.
    time: u64,
    /// Whether an earlier call had done it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    duplicate: bool,
}

impl From<Posted> for SentAnswer {
    fn from(Posted { pos, time_ms, duplicate }: Posted) -> Self {
        Self { seq: pos.seq, pos: pos.to_string(), time: time_ms, duplicate }
    }
}

/// Publish a message.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/messages", tag = "rooms",
    params(("room" = String, Path, description = "The room, percent-encoded")),
    request_body = Message,
    responses(
        (status = 200, body = SentAnswer),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn publish(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath(room): InPath<String>,
    Json(Message { data, key, from }): Json<Message>,
) -> Result<axum::Json<SentAnswer>, Refusal> {
    http.post(api_key, &room, key, from, Body::Message { data: Some(data) }).await
}

/// Edit a message.
#[utoipa::path(
    patch, path = "/v1/rooms/{room}/messages/{pos}", tag = "rooms",
    params(
        ("room" = String, Path, description = "The room, percent-encoded"),
        ("pos" = String, Path, description = "The position of the message"),
    ),
    request_body = Message,
    responses(
        (status = 200, body = SentAnswer),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn edit(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath((room, pos)): InPath<(String, String)>,
    Json(Message { data, key, from }): Json<Message>,
) -> Result<axum::Json<SentAnswer>, Refusal> {
    let target = position(&pos, "pos")?;
    http.post(api_key, &room, key, from, Body::Edit { target, data: Some(data) }).await
}

/// Delete a message.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}/messages/{pos}", tag = "rooms",
    params(
        ("room" = String, Path, description = "The room, percent-encoded"),
        ("pos" = String, Path, description = "The position of the message"),
    ),
    request_body(content = Option<Deletion>, description = "May be left out"),
    responses(
        (status = 200, body = SentAnswer),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn delete(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath((room, pos)): InPath<(String, String)>,
    MaybeJson(deletion): MaybeJson<Deletion>,
) -> Result<axum::Json<SentAnswer>, Refusal> {
    let target = position(&pos, "pos")?;
    let Deletion { key, from } = deletion.unwrap_or_default();
    http.post(api_key, &room, key, from, Body::Delete { target }).await
}

/// Send a signal.
///
/// It reaches everybody in the room at most once and is never stored.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/signals", tag = "rooms",
    params(("room" = String, Path, description = "The room, percent-encoded")),
    request_body = Signal,
    responses(
        (status = 200, body = Done),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn signal(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    InPath(room): InPath<String>,
    Json(Signal { data, from }): Json<Signal>,
) -> Result<axum::Json<Done>, Refusal> {
    let room = room_name(&room)?;
    let from = from.map(Speaker::author).transpose()?;
    http.context.rooms.signal(&api_key.caller(from), &room, data, None).await?;
    Ok(axum::Json(Done {}))
}

impl Http {
    async fn post(
        &self,
        api_key: ApiKey,
        room: &str,
        key: Option<String>,
        from: Option<Speaker>,
        body: Body,
    ) -> Result<axum::Json<SentAnswer>, Refusal> {
        let posting = Posting { room: room_name(room)?, key, body };
        let from = from.map(Speaker::author).transpose()?;
        let posted = self.context.rooms.post(&api_key.caller(from), posting, None).await?;
        Ok(axum::Json(posted.into()))
    }
}
