//! What is stored of a session; `record.lua` has the other half.

use std::sync::Arc;

use hubbub_shared::UserId;
use serde::{Deserialize, Serialize};

use crate::grants::{Grants, Pattern, Rights};
use crate::redis::RedisError;
use crate::sessions::{NewSession, Session};

/// What never changes.
#[derive(Debug, Serialize, Deserialize)]
struct Unchanging {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grants: Vec<Grant>,
    device: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Grant {
    rooms: Pattern,
    join: bool,
    send: bool,
    moderate: bool,
}

/// What never changes of a session, as JSON.
pub(super) fn unchanging(new: &NewSession) -> Result<String, RedisError> {
    let grants = new.grants.0.iter().map(|(rooms, Rights { join, send, moderate })| Grant {
        rooms: rooms.clone(),
        join: *join,
        send: *send,
        moderate: *moderate,
    });
    let unchanging = Unchanging {
        name: new.name.as_deref().map(str::to_owned),
        grants: grants.collect(),
        device: new.device.clone(),
    };
    serde_json::to_string(&unchanging).map_err(|error| RedisError::Broken(error.to_string()))
}

/// Reads the record of a session.
pub(super) fn session(user: &UserId, id: &str, record: &str) -> Result<Session, RedisError> {
    parse(user, id, record)
        .ok_or_else(|| RedisError::Broken(format!("session {id} of {user} is stored in another way")))
}

fn parse(user: &UserId, id: &str, record: &str) -> Option<Session> {
    let (line, unchanging) = record.split_once('\n')?;
    let mut words = line.split(' ').skip(1);
    let mut next_ms = || words.next()?.parse().ok();
    let (created_ms, seen_ms, expires_ms, ends_ms) = (next_ms()?, next_ms()?, next_ms()?, next_ms()?);
    let address = words.next()?.parse().ok()?;
    let Unchanging { name, grants, device } = serde_json::from_str(unchanging).ok()?;
    let grants =
        grants.into_iter().map(|Grant { rooms, join, send, moderate }| (rooms, Rights { join, send, moderate }));
    Some(Session {
        id: Arc::from(id),
        user: user.clone(),
        name: name.map(Arc::from),
        grants: Grants(grants.collect()),
        created_ms,
        seen_ms,
        expires_ms,
        ends_ms,
        device,
        address,
    })
}
