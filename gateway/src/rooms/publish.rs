//! Send, edit, delete, react, signal.

use std::sync::Arc;

use hubbub_shared::limits::EMOJI_BYTES_MAX;
use hubbub_shared::{Data, Position, RoomName};

use super::allowance::{Activity, admitted};
use super::{BANNED, Caller, MUTED, Right, Rooms};
use crate::broker::{Authority, Body, DedupeKey, DedupeScope, Envelope, Payload, Publish, Published, Refusal};
use crate::fault::Fault;
use crate::grants::Rights;
use crate::ids::Origin;
use crate::limits::Verdict;
use crate::random;

/// Something to append, as it was asked for.
#[derive(Debug, Clone)]
pub struct Posting {
    /// The room.
    pub room: RoomName,
    /// Makes a retry safe.
    pub key: Option<String>,
    /// What to append.
    pub body: Body,
}

/// What was appended, now or by an earlier request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Where it stands.
    pub pos: Position,
    /// When it was appended, Unix milliseconds.
    pub time_ms: u64,
    /// Whether an earlier request had done it.
    pub duplicate: bool,
}

impl Rooms {
    /// Appends to a room.
    pub async fn post(&self, caller: &Caller, posting: Posting, origin: Option<Origin>) -> Result<Posted, Fault> {
        let Posting { room, key, body } = posting;
        let (rights, kind) = self.rights(caller, &room);
        if !may_post(&body, rights) {
            return Err(Fault::Forbidden("you may not send to this room; ask for the right `send`"));
        }
        self.check_sizes(&body, key.as_deref())?;
        let verdict = self.charge(caller, Activity::Send(&room)).await?;
        if key.is_none() {
            // Nothing could make this a duplicate, so the store need not be asked.
            admitted(verdict)?;
        }
        let published = self
            .broker
            .publish(Publish {
                from: caller.author().cloned(),
                key: key.map(|key| DedupeKey { scope: scope(caller), key: Arc::from(key) }),
                body,
                authority: authority(caller, rights),
                slow_mode_ms: kind.slow_mode_ms,
                refuse_after_ms: match verdict {
                    Verdict::Allowed => None,
                    Verdict::Limited { retry_after_ms, .. } => Some(retry_after_ms),
                },
                retention: kind.retention,
                origin,
                tag: random::tag(),
                epoch: random::tag(),
                room,
            })
            .await?;
        match published {
            Published::Appended { pos, time_ms } => Ok(Posted { pos, time_ms, duplicate: false }),
            Published::Duplicate { pos, time_ms } => Ok(Posted { pos, time_ms, duplicate: true }),
            Published::Refused(refusal) => Err(refused(refusal)),
        }
    }

    /// Tells everybody in a room something that is never stored.
    pub async fn signal(
        &self,
        caller: &Caller,
        room: &RoomName,
        data: Data,
        origin: Option<Origin>,
    ) -> Result<(), Fault> {
        self.require(caller, room, Right::Send).await?;
        self.check_data(&data)?;
        self.admit(caller, Activity::Signal).await?;
        let payload = Payload::Signal { from: caller.author().cloned(), data };
        self.broker.emit(Envelope { room: room.clone(), origin, payload }).await?;
        Ok(())
    }

    fn check_sizes(&self, body: &Body, key: Option<&str>) -> Result<(), Fault> {
        if let Some(key) = key {
            let max_bytes = self.wire.key_bytes as usize;
            if key.is_empty() {
                return Err(Fault::BadRequest("`key` must not be empty; leave it out or make one up".to_owned()));
            }
            if key.len() > max_bytes {
                return Err(Fault::TooLarge { what: "`key`", bytes: key.len(), max_bytes });
            }
        }
        match body {
            Body::Message { data: Some(data) } | Body::Edit { data: Some(data), .. } => self.check_data(data),
            Body::Reaction { emoji, .. } if emoji.is_empty() => {
                Err(Fault::BadRequest("`emoji` must not be empty".to_owned()))
            }
            Body::Reaction { emoji, .. } if emoji.len() > EMOJI_BYTES_MAX => {
                Err(Fault::TooLarge { what: "`emoji`", bytes: emoji.len(), max_bytes: EMOJI_BYTES_MAX })
            }
            Body::Message { data: None }
            | Body::Edit { data: None, .. }
            | Body::Delete { .. }
            | Body::Reaction { .. } => Ok(()),
        }
    }

    fn check_data(&self, data: &Data) -> Result<(), Fault> {
        let (bytes, max_bytes) = (data.len_bytes(), self.wire.data_bytes as usize);
        if bytes > max_bytes { Err(Fault::TooLarge { what: "`data`", bytes, max_bytes }) } else { Ok(()) }
    }
}

fn may_post(body: &Body, rights: Rights) -> bool {
    match body {
        Body::Message { .. } | Body::Reaction { .. } => rights.send,
        Body::Edit { .. } | Body::Delete { .. } => rights.send || rights.moderate,
    }
}

fn authority(caller: &Caller, rights: Rights) -> Authority {
    match caller {
        Caller::Api { .. } => Authority::Server,
        Caller::Person(_) if rights.moderate => Authority::Moderator,
        Caller::Person(_) => Authority::Member,
    }
}

fn scope(caller: &Caller) -> DedupeScope {
    match caller {
        Caller::Person(person) => DedupeScope::User(person.author.user.clone()),
        Caller::Api { key, .. } => DedupeScope::Api(key.clone()),
    }
}

fn refused(refusal: Refusal) -> Fault {
    match refusal {
        Refusal::Gone => Fault::Gone("the target has left the log, was deleted, or is no message"),
        Refusal::NotAuthor => Fault::Forbidden("only the author and moderators may change this message"),
        Refusal::Banned => Fault::Forbidden(BANNED),
        Refusal::Muted => Fault::Forbidden(MUTED),
        Refusal::Limited { retry_after_ms } => Fault::RateLimited { retry_after_ms },
    }
}
