//! One message to many rooms: `/v1/broadcast`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use futures_util::StreamExt;
use futures_util::stream;
use hubbub_shared::names::ROOM_NAME_BYTES_MAX;
use hubbub_shared::{Data, strict};
use indexmap::IndexSet;
use serde::{Deserialize, Serialize, Serializer};
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::body::{Input, Json};
use super::caller::ApiKey;
use super::path::room_name;
use super::publish::{Message, SentAnswer, Speaker};
use super::refusal::{ErrorAnswer, Problem};
use super::{Http, Refusal};
use crate::broker::Body;
use crate::fault::Fault;
use crate::rooms::Caller;
use crate::rooms::publish::Posting;

/// The most rooms of one call.
pub const ROOMS_MAX: usize = 1_000;
/// Rooms that are published to at the same time.
const AT_ONCE: usize = 64;
/// Rooms that are not answered by then are told to be tried again.
const DEADLINE: Duration = Duration::from_secs(20);

/// One message to many rooms.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Broadcast {
    /// Which; a room that is named twice counts once.
    #[schema(min_items = 1, max_items = 1000)]
    rooms: Vec<String>,
    /// What the message says: any JSON value.
    #[schema(value_type = serde_json::Value)]
    data: Data,
    /// Makes a retry safe, within the API key and room.
    #[serde(default)]
    key: Option<String>,
    /// In whose name; absent: in nobody's.
    #[serde(default, deserialize_with = "strict::object")]
    from: Option<Speaker>,
}

impl Input for Broadcast {
    fn max_bytes(http: &Http) -> usize {
        // Each name stands in quotes and before a comma.
        Message::max_bytes(http) + ROOMS_MAX * (ROOM_NAME_BYTES_MAX + 3)
    }
}

/// What became of a broadcast.
#[derive(Debug, Serialize, ToSchema)]
pub struct BroadcastAnswer {
    /// By room, in the order in which they were named.
    #[serde(serialize_with = "in_order")]
    #[schema(value_type = std::collections::HashMap<String, RoomResult>)]
    results: Vec<(String, RoomResult)>,
}

/// What became of a broadcast in one room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum RoomResult {
    /// It was appended.
    Sent(SentAnswer),
    /// It was not, or nobody knows.
    Failed {
        /// What went wrong.
        error: Problem,
    },
}

fn in_order<S: Serializer>(results: &[(String, RoomResult)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(results.iter().map(|(room, result)| (room, result)))
}

/// Publish one message to many rooms.
///
/// Each room has a result of its own; with a `key` the whole call can be repeated without anything being published
/// twice.
#[utoipa::path(
    post, path = "/v1/broadcast", tag = "rooms",
    request_body = Broadcast,
    responses(
        (status = 200, body = BroadcastAnswer),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn broadcast(
    State(http): State<Arc<Http>>,
    api_key: ApiKey,
    Json(Broadcast { rooms, data, key, from }): Json<Broadcast>,
) -> Result<axum::Json<BroadcastAnswer>, Refusal> {
    let rooms: IndexSet<String> = rooms.into_iter().collect();
    if !(1..=ROOMS_MAX).contains(&rooms.len()) {
        let message =
            format!("`rooms` has {} rooms; name 1 to {ROOMS_MAX}, and make several calls for more", rooms.len());
        return Err(Fault::BadRequest(message).into());
    }
    let caller = api_key.caller(from.map(Speaker::author).transpose()?);
    let deadline = Instant::now() + DEADLINE;
    let results = stream::iter(rooms)
        .map(|room| {
            let (http, caller, key) = (&http, &caller, key.clone());
            let body = Body::Message { data: Some(data.clone()) };
            async move {
                let sent = timeout_at(deadline, http.post_one(caller, &room, key, body)).await;
                let result = match sent.unwrap_or(Err(Fault::Unavailable)) {
                    Ok(sent) => RoomResult::Sent(sent),
                    Err(fault) => RoomResult::Failed { error: Problem::from(&fault) },
                };
                (room, result)
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(axum::Json(BroadcastAnswer { results }))
}

impl Http {
    async fn post_one(
        &self,
        caller: &Caller,
        room: &str,
        key: Option<String>,
        body: Body,
    ) -> Result<SentAnswer, Fault> {
        let posting = Posting { room: room_name(room)?, key, body };
        Ok(self.context.rooms.post(caller, posting, None).await?.into())
    }
}
