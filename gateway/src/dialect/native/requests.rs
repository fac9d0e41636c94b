//! Client frames to requests.

use std::sync::Arc;

use hubbub_shared::client_frame::{self as wire, ClientFrame};
use hubbub_shared::{Position, RoomName, UserId, frame};

use crate::broker::Body;
use crate::connection::command::{Command, Credential, Hello, Refused, Request};
use crate::fault::Fault;
use crate::hub::join::Join;
use crate::hub::subscription::Wants;
use crate::rooms::moderate::Moderation;
use crate::rooms::publish::Posting;

/// Reads one frame.
pub(super) fn read(text: &str) -> Result<Request, Refused> {
    let hello = || frame::kind(text).as_deref() == Some("hello");
    let frame = ClientFrame::decode(text).map_err(|error| Refused {
        id: error.id(),
        fault: Fault::BadRequest(error.to_string()),
        fatal: error.is_fatal(),
        hello: hello(),
    })?;
    let id = id_of(&frame);
    let command = command(frame).map_err(|fault| Refused { id, fault, fatal: false, hello: hello() })?;
    Ok(Request { id, command })
}

fn id_of(frame: &ClientFrame) -> Option<u32> {
    match frame {
        ClientFrame::Hello(frame) => frame.id,
        ClientFrame::Refresh(frame) => frame.id,
        ClientFrame::Join(frame) => frame.id,
        ClientFrame::Leave(frame) => frame.id,
        ClientFrame::Send(frame) => frame.id,
        ClientFrame::Edit(frame) => frame.id,
        ClientFrame::Delete(frame) => frame.id,
        ClientFrame::React(frame) => frame.id,
        ClientFrame::Signal(frame) => frame.id,
        ClientFrame::Members(frame) => frame.id,
        ClientFrame::Read(frame) => frame.id,
        ClientFrame::Unread(frame) => frame.id,
        ClientFrame::History(frame) => frame.id,
        ClientFrame::Moderate(frame) => frame.id,
        ClientFrame::Ping(frame) => frame.id,
        ClientFrame::Pong(frame) => frame.id,
    }
}

fn command(frame: ClientFrame) -> Result<Command, Fault> {
    Ok(match frame {
        ClientFrame::Hello(frame) => Command::Hello(hello(frame)?),
        ClientFrame::Refresh(wire::Refresh { token, .. }) => Command::Refresh { token },
        ClientFrame::Join(wire::Join { room, since, limit, presence, receipts, .. }) => Command::Join(Join {
            room: name(&room)?,
            since: optional(since, "since")?,
            limit: limit.unwrap_or(0),
            wants: Wants { presence, receipts },
        }),
        ClientFrame::Leave(wire::Leave { room, .. }) => Command::Leave { room: name(&room)? },
        ClientFrame::Send(wire::Send { room, key, data, echo, .. }) => {
            post(&room, key, Body::Message { data: Some(data) }, echo)?
        }
        ClientFrame::Edit(wire::Edit { room, target, key, data, .. }) => {
            post(&room, key, Body::Edit { target: position(&target, "target")?, data: Some(data) }, true)?
        }
        ClientFrame::Delete(wire::Delete { room, target, key, .. }) => {
            post(&room, key, Body::Delete { target: position(&target, "target")? }, true)?
        }
        ClientFrame::React(wire::React { room, target, key, emoji, op, .. }) => {
            let target = position(&target, "target")?;
            post(&room, key, Body::Reaction { target, emoji: Arc::from(emoji), op }, true)?
        }
        ClientFrame::Signal(wire::SignalRequest { room, data, .. }) => Command::Signal { room: name(&room)?, data },
        ClientFrame::Members(wire::MembersRequest { room, limit, after, .. }) => Command::Members {
            room: name(&room)?,
            limit,
            after: after.map(|cursor| user(&cursor, "after")).transpose()?,
        },
        ClientFrame::Read(wire::Read { room, pos, .. }) => {
            Command::Read { room: name(&room)?, pos: position(&pos, "pos")? }
        }
        ClientFrame::Unread(wire::UnreadRequest { rooms, .. }) => {
            Command::Unread { rooms: rooms.iter().map(|room| name(room)).collect::<Result<_, _>>()? }
        }
        ClientFrame::History(wire::HistoryRequest { room, before, after, limit, .. }) => Command::History {
            room: name(&room)?,
            before: optional(before, "before")?,
            after: optional(after, "after")?,
            limit,
        },
        ClientFrame::Moderate(wire::Moderate { room, user: whom, action, for_ms, reason, .. }) => {
            Command::Moderate(Moderation { room: name(&room)?, user: user(&whom, "user")?, action, for_ms, reason })
        }
        ClientFrame::Ping(_) => Command::Ping,
        ClientFrame::Pong(_) => Command::Pong,
    })
}

fn hello(frame: wire::Hello) -> Result<Hello, Fault> {
    let wire::Hello { token, session, guest, client, replaces, .. } = frame;
    let credential = match (token, session, guest) {
        (Some(token), None, None) => Credential::Token(token),
        (None, Some(secret), None) => Credential::Session(secret),
        (None, None, Some(wire::Guest { name })) => Credential::Guest { name },
        (None, None, None) => Credential::Cookie,
        _ => return Err(Fault::BadRequest("give one of `token`, `session` and `guest`, not several".to_owned())),
    };
    let program = client.map(|wire::ClientInfo { name, version }| {
        let parts = [name.as_deref().unwrap_or("unnamed"), version.as_deref().unwrap_or("")];
        parts.join(" ").trim().chars().take(100).collect()
    });
    Ok(Hello { credential, program, replaces })
}

fn post(room: &str, key: Option<String>, body: Body, echo: bool) -> Result<Command, Fault> {
    Ok(Command::Post { posting: Posting { room: name(room)?, key, body }, echo })
}

fn name(room: &str) -> Result<RoomName, Fault> {
    Ok(RoomName::new(room)?)
}

fn user(text: &str, field: &str) -> Result<UserId, Fault> {
    UserId::new(text).map_err(|error| Fault::BadRequest(format!("`{field}` is no user id: {error}")))
}

fn position(text: &str, field: &str) -> Result<Position, Fault> {
    text.parse().map_err(|error| Fault::BadRequest(format!("`{field}`: {error}")))
}

fn optional(text: Option<String>, field: &str) -> Result<Option<Position>, Fault> {
    text.map(|text| position(&text, field)).transpose()
}
