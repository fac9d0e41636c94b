//! Envelopes as frames on the bus: a byte that says what it is, and then text.
//!
//! * `E` entries that came together, in order; each is a line `epoch seq tag count time_ms prev cost sum connection
//!   request body_bytes`, with `-` for what there is not, and then the body. Cost and sum are the log's own affair.
//! * `S` a signal, `P` a change of presence, `R` a receipt: a JSON object each.
//!
//! Scripts write `E`, `P` and `R`; all that any of them writes is read here.

use std::borrow::Cow;
use std::str;
use std::sync::Arc;

use bytes::Bytes;
use hubbub_shared::{Data, Position, RoomName, UserId};
use serde::{Deserialize, Serialize};

use super::body::{self, Place};
use crate::broker::{Author, Entry, Envelope, Payload, PresenceChange};
use crate::ids::{ConnectionId, Origin};

/// Fields that a later version adds are passed over, as replicas of two versions share a bus during an upgrade.
#[derive(Debug, Serialize, Deserialize)]
struct SignalFrame<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    connection: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<u64>,
    data: Data,
}

#[derive(Debug, Serialize, Deserialize)]
struct PresenceFrame<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    present: bool,
    count: u64,
}

#[derive(Debug, Deserialize)]
struct ReceiptFrame<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    pos: Cow<'a, str>,
    #[serde(borrow, default)]
    connection: Option<Cow<'a, str>>,
    #[serde(default)]
    request: Option<u64>,
}

/// Writes an envelope as a frame.
pub(super) fn encode(envelope: &Envelope) -> Bytes {
    let origin = envelope.origin;
    let text = match &envelope.payload {
        Payload::Entry(entry) => format!("E{}", entry_frame(entry, origin)),
        Payload::Signal { from, data } => {
            let frame = SignalFrame {
                user: from.as_ref().map(|author| Cow::from(author.user.as_str())),
                name: from.as_ref().and_then(|author| author.name.as_deref()).map(Cow::from),
                connection: origin.map(|origin| Cow::from(origin.connection.to_string())),
                request: origin.map(|origin| origin.request),
                data: data.clone(),
            };
            format!("S{}", json(&frame))
        }
        Payload::Presence(PresenceChange { member, present, count }) => {
            let frame = PresenceFrame {
                user: Cow::from(member.user.as_str()),
                name: member.name.as_deref().map(Cow::from),
                present: *present,
                count: *count,
            };
            format!("P{}", json(&frame))
        }
        Payload::Receipt { user, pos } => format!("R{{\"user\":\"{user}\",\"pos\":\"{pos}\"{}", end_of_receipt(origin)),
    };
    Bytes::from(text)
}

#[expect(clippy::expect_used, reason = "texts, numbers and JSON can always be written as JSON")]
fn json(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("a frame is always valid")
}

/// A receipt's JSON after its position.
pub(super) fn end_of_receipt(origin: Option<Origin>) -> String {
    origin.map_or_else(
        || "}".to_owned(),
        |Origin { connection, request }| format!(",\"connection\":\"{connection}\",\"request\":{request}}}"),
    )
}

/// The end of an entry's line: whose request made it, and how long the body is.
pub(super) fn end_of_line(origin: Option<Origin>, body: &str) -> String {
    let bytes = body.len();
    origin.map_or_else(
        || format!("- - {bytes}"),
        |Origin { connection, request }| format!("{connection} {request} {bytes}"),
    )
}

fn entry_frame(entry: &Entry, origin: Option<Origin>) -> String {
    let Entry { pos: Position { epoch, seq, tag }, prev, count, time_ms, from, key, body } = entry;
    let body = body::encode(from.as_ref(), key.as_deref(), body);
    let prev = if prev.is_empty() { "-" } else { &**prev };
    let cost = entry.cost_bytes();
    format!("{epoch} {seq} {tag} {count} {time_ms} {prev} {cost} {cost} {}\n{body}", end_of_line(origin, &body))
}

/// Reads a frame; nothing where it is none.
pub(super) fn decode(room: &RoomName, frame: &[u8]) -> Option<Vec<Envelope>> {
    let frame = str::from_utf8(frame).ok()?;
    let rest = frame.get(1..)?;
    let (origin, payload) = match frame.as_bytes().first()? {
        b'E' => return entries(room, rest),
        b'S' => signal(rest)?,
        b'P' => presence(rest)?,
        b'R' => receipt(rest)?,
        _ => return None,
    };
    Some(vec![Envelope { room: room.clone(), origin, payload }])
}

fn entries(room: &RoomName, mut rest: &str) -> Option<Vec<Envelope>> {
    let (mut envelopes, mut last) = (Vec::new(), None);
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n')?;
        let mut words = line.split(' ');
        let mut word = || words.next().filter(|word| !word.is_empty());
        let (epoch, seq, tag, count) = (word()?, word()?, word()?, word()?);
        let (time_ms, prev, _cost, _sum) = (word()?, word()?, word()?, word()?);
        let (connection, request, bytes) = (word()?, word()?, word()?);
        if word().is_some() {
            return None;
        }
        let bytes: usize = bytes.parse().ok()?;
        let (body, following) = (after.get(..bytes)?, after.get(bytes..)?);
        let place = Place::read(last.as_ref(), epoch, seq.parse().ok()?, [tag, prev, count, time_ms])?;
        let entry = Arc::new(body::decode(place, body)?);
        last = Some(entry.pos.clone());
        let origin = origin_of_words(connection, request).ok()?;
        envelopes.push(Envelope { room: room.clone(), origin, payload: Payload::Entry(entry) });
        rest = following;
    }
    (!envelopes.is_empty()).then_some(envelopes)
}

/// What was read is no origin, and not nothing either.
struct NoOrigin;

fn origin_of_words(connection: &str, request: &str) -> Result<Option<Origin>, NoOrigin> {
    match (connection, request) {
        ("-", "-") => Ok(None),
        (connection, request) => origin(connection, request.parse().map_err(|_| NoOrigin)?),
    }
}

fn origin_of_fields(connection: Option<&str>, request: Option<u64>) -> Result<Option<Origin>, NoOrigin> {
    match (connection, request) {
        (None, None) => Ok(None),
        (Some(connection), Some(request)) => origin(connection, request),
        (Some(_), None) | (None, Some(_)) => Err(NoOrigin),
    }
}

fn origin(connection: &str, request: u64) -> Result<Option<Origin>, NoOrigin> {
    let connection = ConnectionId::parse(connection).ok_or(NoOrigin)?;
    Ok(Some(Origin { connection, request }))
}

fn author(user: &str, name: Option<Cow<'_, str>>) -> Option<Author> {
    Some(Author { user: UserId::new(user).ok()?, name: name.map(Arc::from) })
}

fn signal(json: &str) -> Option<(Option<Origin>, Payload)> {
    let SignalFrame { user, name, connection, request, data } = serde_json::from_str(json).ok()?;
    let from = match (user, name) {
        (Some(user), name) => Some(author(&user, name)?),
        (None, None) => None,
        (None, Some(_)) => return None,
    };
    Some((origin_of_fields(connection.as_deref(), request).ok()?, Payload::Signal { from, data }))
}

fn presence(json: &str) -> Option<(Option<Origin>, Payload)> {
    let PresenceFrame { user, name, present, count } = serde_json::from_str(json).ok()?;
    let member = author(&user, name)?;
    Some((None, Payload::Presence(PresenceChange { member, present, count })))
}

fn receipt(json: &str) -> Option<(Option<Origin>, Payload)> {
    let ReceiptFrame { user, pos, connection, request } = serde_json::from_str(json).ok()?;
    let payload = Payload::Receipt { user: UserId::new(&user).ok()?, pos: pos.parse().ok()? };
    Some((origin_of_fields(connection.as_deref(), request).ok()?, payload))
}
