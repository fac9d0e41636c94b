//! What an entry says, as text: the same bytes in the stream and on the bus.
//!
//! The first line is a JSON object of everything but the data, `kind` and `user` first; the data's JSON follows, or
//! nothing. So a script can see whose message it is and take the data away without reading JSON.

use std::borrow::Cow;
use std::sync::Arc;

use hubbub_shared::client_frame::ReactionOp;
use hubbub_shared::{Data, Position, UserId};
use serde::{Deserialize, Serialize};

use crate::broker::{Author, Body, Entry};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Message,
    Edit,
    Delete,
    Reaction,
}

impl Kind {
    pub(super) fn of(body: &Body) -> Self {
        match body {
            Body::Message { .. } => Self::Message,
            Body::Edit { .. } => Self::Edit,
            Body::Delete { .. } => Self::Delete,
            Body::Reaction { .. } => Self::Reaction,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Reaction => "reaction",
        }
    }
}

/// The first line. Scripts rely on the order of its first two fields.
#[derive(Debug, Serialize, Deserialize)]
struct FirstLine<'a> {
    kind: Kind,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    emoji: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    op: Option<ReactionOp>,
}

/// Writes what an entry says.
pub(super) fn encode(from: Option<&Author>, key: Option<&str>, body: &Body) -> String {
    let (target, emoji, op, data) = match body {
        Body::Message { data } => (None, None, None, data.as_ref()),
        Body::Edit { target, data } => (Some(target), None, None, data.as_ref()),
        Body::Delete { target } => (Some(target), None, None, None),
        Body::Reaction { target, emoji, op } => (Some(target), Some(emoji), Some(*op), None),
    };
    let line = FirstLine {
        kind: Kind::of(body),
        user: from.map(|author| Cow::from(author.user.as_str())),
        name: from.and_then(|author| author.name.as_deref()).map(Cow::from),
        key: key.map(Cow::from),
        target: target.map(Position::to_string),
        emoji: emoji.map(|emoji| Cow::from(&**emoji)),
        op,
    };
    #[expect(clippy::expect_used, reason = "texts and words can always be written as JSON")]
    let mut text = serde_json::to_string(&line).expect("a first line is always valid");
    text.push('\n');
    text.push_str(data.map_or("", Data::as_json));
    text
}

/// Where an entry stands, and what else is not in its text.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) pos: Position,
    pub(super) prev: Arc<str>,
    pub(super) count: u64,
    pub(super) time_ms: u64,
}

impl Place {
    /// Reads tag, predecessor's tag, count and time; what it shares with the entry before is not stored twice.
    pub(super) fn read(last: Option<&Position>, epoch: &str, seq: u64, words: [&str; 4]) -> Option<Self> {
        let [tag, prev, count, time_ms] = words;
        let epoch =
            last.filter(|last| *last.epoch == *epoch).map_or_else(|| Arc::from(epoch), |last| last.epoch.clone());
        let prev = if prev == "-" { "" } else { prev };
        let prev = last.filter(|last| *last.tag == *prev).map_or_else(|| Arc::from(prev), |last| last.tag.clone());
        let pos = Position { epoch, seq, tag: Arc::from(tag) };
        Some(Self { pos, prev, count: count.parse().ok()?, time_ms: time_ms.parse().ok()? })
    }
}

/// Reads what [`encode`] wrote, with or without data; nothing where it is something else.
pub(super) fn decode(place: Place, text: &str) -> Option<Entry> {
    let (line, data) = text.split_once('\n')?;
    let line: FirstLine<'_> = serde_json::from_str(line).ok()?;
    let data = if data.is_empty() { None } else { Some(Data::from_json(data).ok()?) };
    let target = line.target.map(|target| target.parse::<Position>()).transpose().ok()?;
    let body = match (line.kind, target, line.emoji, line.op, data) {
        (Kind::Message, None, None, None, data) => Body::Message { data },
        (Kind::Edit, Some(target), None, None, data) => Body::Edit { target, data },
        (Kind::Delete, Some(target), None, None, None) => Body::Delete { target },
        (Kind::Reaction, Some(target), Some(emoji), Some(op), None) => {
            Body::Reaction { target, emoji: Arc::from(emoji), op }
        }
        (Kind::Message | Kind::Edit | Kind::Delete | Kind::Reaction, ..) => return None,
    };
    let from = match (line.user, line.name) {
        (Some(user), name) => Some(Author { user: UserId::new(&user).ok()?, name: name.map(Arc::from) }),
        (None, None) => None,
        (None, Some(_)) => return None,
    };
    let Place { pos, prev, count, time_ms } = place;
    Some(Entry { pos, prev, count, time_ms, from, key: line.key.map(Arc::from), body })
}
