//! Publishes on their way to `publish.lua` and back.

use std::collections::HashMap;

use fred::types::Value;
use hubbub_shared::client_frame::ReactionOp;
use hubbub_shared::{Position, RoomName};

use super::body::{self, Kind};
use super::{RoomKeys, envelope, number};
use crate::broker::{Author, Authority, Body, DedupeKey, DedupeScope, Entry, Publish, Published, Refusal, Retention};
use crate::redis::{Keys, Partition};

/// A publish with its text.
#[derive(Debug)]
pub(super) struct Question {
    publish: Publish,
    body: String,
}

/// Publishes that go in one call.
#[derive(Debug)]
pub(super) struct Batch {
    /// The partition of one of them; where keys may not share a call, of all.
    pub(super) at: Partition,
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<Value>,
}

/// The rules that publishes of one room may share.
#[derive(Debug, PartialEq, Eq)]
struct Terms {
    room: usize,
    authority: Authority,
    slow_mode_ms: u64,
    retention: Retention,
}

impl Question {
    pub(super) fn of(publish: Publish) -> Self {
        let key = publish.key.as_ref().map(|key| &*key.key);
        let body = body::encode(publish.from.as_ref(), key, &publish.body);
        Self { publish, body }
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.body.len()
    }

    fn user(&self) -> &str {
        self.publish.from.as_ref().map_or("", |Author { user, .. }| user.as_str())
    }

    fn target(&self) -> Option<&Position> {
        match &self.publish.body {
            Body::Message { .. } => None,
            Body::Edit { target, .. } | Body::Delete { target } | Body::Reaction { target, .. } => Some(target),
        }
    }

    /// Whether slow mode concerns it.
    fn is_slow(&self) -> bool {
        self.publish.slow_mode_ms > 0
            && self.publish.authority == Authority::Member
            && matches!(self.publish.body, Body::Message { .. })
            && self.publish.from.is_some()
    }

    /// The keys that are this publish's own.
    fn keys(&self, room: &RoomKeys<'_>) -> impl Iterator<Item = String> {
        let key = self.publish.key.as_ref().map(|DedupeKey { scope, key }| {
            // The key comes last, as anything may stand in it; a length says where any other free text ends.
            let name = match scope {
                DedupeScope::User(user) => format!("{} user {user} {key}", room.name),
                DedupeScope::Api(name) => format!("{} api {}:{name} {key}", room.name, name.len()),
            };
            room.keys.key(room.at, "key", &name)
        });
        let pace = self.is_slow().then(|| room.keys.key(room.at, "pace", &format!("{} {}", room.name, self.user())));
        let about = self
            .target()
            .map(|Position { seq, tag, .. }| room.keys.key(room.at, "about", &format!("{}:{seq}-{tag}", room.name)));
        [key, pace, about].into_iter().flatten()
    }

    fn args(&self, terms: usize) -> [Value; 11] {
        let Publish { body, key, tag, refuse_after_ms, origin, .. } = &self.publish;
        let reaction = match body {
            Body::Reaction { emoji, op: ReactionOp::Add, .. } => format!("add {emoji}"),
            Body::Reaction { emoji, op: ReactionOp::Remove, .. } => format!("remove {emoji}"),
            Body::Message { .. } | Body::Edit { .. } | Body::Delete { .. } => String::new(),
        };
        let cost = Entry::cost_bytes_of(body, key.as_ref().map(|key| &*key.key));
        [
            number(terms as u64),
            Value::from(Kind::of(body).word()),
            Value::from(&**tag),
            Value::from(self.user()),
            Value::from(if key.is_some() { "1" } else { "" }),
            refuse_after_ms.map_or_else(|| Value::from(""), number),
            number(cost as u64),
            Value::from(envelope::end_of_line(*origin, &self.body)),
            Value::from(
                self.target().map_or_else(String::new, |Position { epoch, seq, tag }| format!("{epoch} {seq} {tag}")),
            ),
            Value::from(reaction),
            Value::from(self.body.as_str()),
        ]
    }

    /// Reads the script's answer; nothing where it has another shape.
    pub(super) fn read_answer(&self, answer: &str) -> Option<Published> {
        let words: Vec<_> = answer.split(' ').collect();
        let published = match words[..] {
            ["appended", seq, time_ms, epoch] => Published::Appended {
                pos: Position { epoch: epoch.into(), seq: seq.parse().ok()?, tag: self.publish.tag.clone() },
                time_ms: time_ms.parse().ok()?,
            },
            ["duplicate", epoch, seq, tag, time_ms] => Published::Duplicate {
                pos: Position { epoch: epoch.into(), seq: seq.parse().ok()?, tag: tag.into() },
                time_ms: time_ms.parse().ok()?,
            },
            ["limited", ms] => Published::Refused(Refusal::Limited { retry_after_ms: ms.parse().ok()? }),
            ["gone"] => Published::Refused(Refusal::Gone),
            ["not_author"] => Published::Refused(Refusal::NotAuthor),
            ["banned"] => Published::Refused(Refusal::Banned),
            ["muted"] => Published::Refused(Refusal::Muted),
            _ => return None,
        };
        Some(published)
    }
}

impl Batch {
    /// Puts publishes together, in their order. There must be one at least.
    pub(super) fn of(keys: &Keys, questions: &[Question], window_ms: u64) -> Self {
        let mut rooms: Vec<(RoomKeys<'_>, &Publish)> = Vec::new();
        let mut room_of: HashMap<&RoomName, usize> = HashMap::new();
        let mut all_terms: Vec<Terms> = Vec::new();
        let (mut own_keys, mut own_args) = (Vec::new(), Vec::new());
        for question in questions {
            let Publish { room, authority, slow_mode_ms, retention, .. } = &question.publish;
            let index = *room_of.entry(room).or_insert_with(|| {
                let named = RoomKeys { keys, at: keys.room(room), name: room.as_str().to_owned() };
                rooms.push((named, &question.publish));
                rooms.len() - 1
            });
            let terms =
                Terms { room: index, authority: *authority, slow_mode_ms: *slow_mode_ms, retention: *retention };
            let terms = all_terms.iter().position(|known| *known == terms).unwrap_or_else(|| {
                all_terms.push(terms);
                all_terms.len() - 1
            });
            own_keys.extend(question.keys(&rooms[index].0));
            own_args.extend(question.args(terms + 1));
        }
        let parts = ["log", "meta", "gone", "read", "standing"];
        let room_keys = rooms.iter().flat_map(|(room, _)| parts.iter().map(|part| room.key(part)));
        let mut args = vec![number(rooms.len() as u64), number(all_terms.len() as u64), number(window_ms)];
        for (room, publish) in &rooms {
            args.extend([Value::from(room.channel().name), Value::from(&*publish.epoch)]);
        }
        args.extend(all_terms.iter().flat_map(Terms::args));
        args.extend(own_args);
        Self { at: rooms[0].0.at, keys: room_keys.chain(own_keys).collect(), args }
    }
}

impl Terms {
    fn args(&self) -> [Value; 4] {
        let authority = match self.authority {
            Authority::Member => "member",
            Authority::Moderator => "moderator",
            Authority::Server => "server",
        };
        let Retention { entries, bytes, age_ms } = self.retention;
        let [entries, bytes, age_ms] = [entries, bytes, age_ms].map(|limit| limit.min(super::NUMBER_MAX));
        let limits = format!("{entries} {bytes} {age_ms}");
        [number(self.room as u64 + 1), Value::from(authority), number(self.slow_mode_ms), Value::from(limits)]
    }
}
