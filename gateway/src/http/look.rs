//! Looking into a room: its history and its members.

use std::sync::Arc;

use axum::extract::State;
use hubbub_shared::Data;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::caller::Who;
use super::path::{InPath, InQuery, position, room_name, user_id};
use super::refusal::ErrorAnswer;
use super::{Http, Refusal};
use crate::dialect::native;
use crate::fault::Fault;
use crate::presence::Member;

/// Which part of a room's log; with neither `before` nor `after` the newest.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Only entries before this position.
    before: Option<String>,
    /// Only entries after this position.
    after: Option<String>,
    /// How many entries at most.
    limit: Option<u64>,
}

/// A part of a room's log, as a `history` frame gives it.
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    /// The room.
    room: String,
    /// The head of the log.
    seq: u64,
    /// The head's position.
    pos: String,
    /// Messages, edits, deletions and reactions, oldest first, as the socket carries them.
    #[schema(value_type = Vec<serde_json::Value>)]
    entries: Vec<Data>,
    /// Whether more entries follow in the direction that was asked for.
    more: bool,
    /// Whether older entries once existed and are gone.
    trimmed: bool,
}

/// Which part of the list of members.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MembersQuery {
    /// The `next` of the page before.
    after: Option<String>,
    /// How many members at most.
    limit: Option<u64>,
}

/// Who is in a room, as a `members` frame gives it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Members {
    /// The room.
    room: String,
    /// How many users are in it.
    count: u64,
    /// Those of this page, ordered by user id.
    members: Vec<MemberAnswer>,
    /// For the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A user in a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberAnswer {
    /// The user id.
    user: String,
    /// The name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Connections in the room.
    connections: u32,
}

/// Read a room's history.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/messages", tag = "rooms",
    params(("room" = String, Path, description = "The room, percent-encoded"), HistoryQuery),
    responses(
        (status = 200, body = History),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = []), ("session" = []), ("session_cookie" = [])),
)]
pub async fn history(
    State(http): State<Arc<Http>>,
    who: Who,
    InPath(room): InPath<String>,
    InQuery(HistoryQuery { before, after, limit }): InQuery<HistoryQuery>,
) -> Result<axum::Json<History>, Refusal> {
    let room = room_name(&room)?;
    let before = before.map(|pos| position(&pos, "before")).transpose()?;
    let after = after.map(|pos| position(&pos, "after")).transpose()?;
    let rooms = &http.context.rooms;
    let page = rooms.history(&who.caller(), &room, before, after, limit).await?;
    let (entries, more) = native::history_entries(&room, &page, rooms.wire.reply_bytes as usize);
    let trimmed = page.trimmed();
    let head = page.head.pos;
    Ok(axum::Json(History { room: room.to_string(), seq: head.seq, pos: head.to_string(), entries, more, trimmed }))
}

/// See who is in a room. Not for guests.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/members", tag = "rooms",
    params(("room" = String, Path, description = "The room, percent-encoded"), MembersQuery),
    responses(
        (status = 200, body = Members),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = []), ("session" = []), ("session_cookie" = [])),
)]
pub async fn members(
    State(http): State<Arc<Http>>,
    who: Who,
    InPath(room): InPath<String>,
    InQuery(MembersQuery { after, limit }): InQuery<MembersQuery>,
) -> Result<axum::Json<Members>, Refusal> {
    if let Who::User(user) = &who
        && user.session.user.is_guest()
    {
        return Err(Fault::Forbidden("guests may not look up who is where; log in with a token").into());
    }
    let room = room_name(&room)?;
    let after = after.map(|cursor| user_id(&cursor, "after")).transpose()?;
    let page = http.context.rooms.members(&who.caller(), &room, after.as_ref(), limit).await?;
    let next = page.members.last().filter(|_| page.more).map(|member| member.author.user.to_string());
    let members = page.members.into_iter().map(|Member { author, connections }| MemberAnswer {
        user: author.user.to_string(),
        name: author.name.as_deref().map(str::to_owned),
        connections,
    });
    Ok(axum::Json(Members { room: room.to_string(), count: page.count, members: members.collect(), next }))
}
