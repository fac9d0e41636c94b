//! Publishes on their way to `publish.lua` and back.

use std::collections::HashMap;
use std::sync::Arc;

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
    /// The room of each, by its number among the rooms.
    pub(super) rooms: Vec<usize>,
}

/// What many publishes have in common.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    authority: Authority,
    slow_mode_ms: u64,
    retention: Retention,
    kind: Kind,
    is_keyed: bool,
    is_told: bool,
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

    fn form(&self) -> Form {
        let Publish { authority, slow_mode_ms, retention, body, key, refuse_after_ms, .. } = &self.publish;
        Form {
            authority: *authority,
            slow_mode_ms: *slow_mode_ms,
            retention: *retention,
            kind: Kind::of(body),
            is_keyed: key.is_some(),
            is_told: refuse_after_ms.is_some(),
        }
    }

    /// What is this publish's own, with the numbers of its room and form.
    fn args(&self, room: usize, form: usize) -> impl Iterator<Item = Value> {
        let Publish { body, key, tag, refuse_after_ms, origin, .. } = &self.publish;
        let reaction = match body {
            Body::Message { .. } => None,
            Body::Edit { .. } | Body::Delete { .. } => Some(String::new()),
            Body::Reaction { emoji, op: ReactionOp::Add, .. } => Some(format!("add {emoji}")),
            Body::Reaction { emoji, op: ReactionOp::Remove, .. } => Some(format!("remove {emoji}")),
        };
        let cost = Entry::cost_bytes_of(body, key.as_ref().map(|key| &*key.key));
        let always = [
            number(room as u64),
            number(form as u64),
            Value::from(&**tag),
            Value::from(self.user()),
            number(cost as u64),
            Value::from(envelope::end_of_line(*origin, &self.body)),
            Value::from(self.body.as_str()),
        ];
        let target = self.target().map(|Position { epoch, seq, tag }| Value::from(format!("{epoch} {seq} {tag}")));
        always.into_iter().chain(refuse_after_ms.map(number)).chain(target).chain(reaction.map(Value::from))
    }

    /// Reads the script's answer; nothing where it has another shape.
    fn read_answer(&self, answer: &Value, time_ms: u64, epoch: &Arc<str>) -> Option<Published> {
        if let Value::Integer(seq) = answer {
            let pos = Position { epoch: epoch.clone(), seq: (*seq).try_into().ok()?, tag: self.publish.tag.clone() };
            return Some(Published::Appended { pos, time_ms });
        }
        let answer = answer.as_str()?;
        let words: Vec<_> = answer.split(' ').collect();
        let published = match words[..] {
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
        let mut number_of: HashMap<&RoomName, usize> = HashMap::new();
        let mut forms: Vec<Form> = Vec::new();
        let (mut own_keys, mut own_args, mut rooms_of) = (Vec::new(), Vec::new(), Vec::new());
        for question in questions {
            let room = &question.publish.room;
            let index = *number_of.entry(room).or_insert_with(|| {
                let named = RoomKeys { keys, at: keys.room(room), name: room.as_str().to_owned() };
                rooms.push((named, &question.publish));
                rooms.len() - 1
            });
            let form = question.form();
            let form = forms.iter().position(|known| *known == form).unwrap_or_else(|| {
                forms.push(form);
                forms.len() - 1
            });
            own_keys.extend(question.keys(&rooms[index].0));
            own_args.extend(question.args(index + 1, form + 1));
            rooms_of.push(index);
        }
        let parts = ["log", "meta", "gone", "read", "standing"];
        let room_keys = rooms.iter().flat_map(|(room, _)| parts.iter().map(|part| room.key(part)));
        let mut args = vec![number(rooms.len() as u64), number(forms.len() as u64), number(window_ms)];
        for (room, publish) in &rooms {
            args.extend([Value::from(room.channel().name), Value::from(&*publish.epoch)]);
        }
        args.extend(forms.iter().flat_map(Form::args));
        args.extend(own_args);
        Self { at: rooms[0].0.at, keys: room_keys.chain(own_keys).collect(), args, rooms: rooms_of }
    }
}

/// Reads what the script answers to the publishes of a batch, whose rooms are these; nothing where it has another
/// shape.
pub(super) fn read_answers(questions: &[Question], rooms: &[usize], answers: &[Value]) -> Option<Vec<Published>> {
    let (answers, of_rooms) = answers.split_at_checked(questions.len())?;
    let of_rooms: Vec<(u64, Arc<str>)> = of_rooms
        .chunks_exact(2)
        .map(|pair| Some((pair[0].as_u64()?, Arc::from(&*pair[1].as_str()?))))
        .collect::<Option<_>>()?;
    let read = questions.iter().zip(rooms).zip(answers).map(|((question, room), answer)| {
        let (time_ms, epoch) = of_rooms.get(*room)?;
        question.read_answer(answer, *time_ms, epoch)
    });
    read.collect()
}

impl Form {
    fn args(&self) -> [Value; 6] {
        let authority = match self.authority {
            Authority::Member => "member",
            Authority::Moderator => "moderator",
            Authority::Server => "server",
        };
        let Retention { entries, bytes, age_ms } = self.retention;
        let [entries, bytes, age_ms] = [entries, bytes, age_ms].map(|limit| limit.min(super::NUMBER_MAX));
        let is = |it| Value::from(if it { "1" } else { "" });
        [
            Value::from(authority),
            number(self.slow_mode_ms),
            Value::from(format!("{entries} {bytes} {age_ms}")),
            Value::from(self.kind.word()),
            is(self.is_keyed),
            is(self.is_told),
        ]
    }
}
