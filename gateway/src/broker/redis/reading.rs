//! What scripts answer about logs.

use std::sync::Arc;

use fred::types::Value;
use hubbub_shared::Position;

use super::body::{self, Place};
use crate::broker::{Entry, Head, Marker, Page, Range, Reading, Unread};
use crate::redis::RedisError;

/// The error of an answer that is not what the script promises.
pub(super) fn other_shape(what: &str) -> RedisError {
    RedisError::Broken(format!("{what} has another shape than agreed"))
}

/// The head of a room that has no log.
fn no_head() -> Head {
    Head { pos: Position::start(), count: 0, first_seq: 1 }
}

/// Reads epoch, seq, tag, count and first number.
pub(super) fn head(answer: &[Value]) -> Result<Head, RedisError> {
    let read = || {
        let [epoch, seq, tag, count, first_seq] = answer else { return None };
        Some(Head { pos: position(epoch, seq, tag)?, count: count.as_u64()?, first_seq: first_seq.as_u64()? })
    };
    read().ok_or_else(|| other_shape("a head"))
}

/// Reads epoch, seq and tag.
fn position(epoch: &Value, seq: &Value, tag: &Value) -> Option<Position> {
    let seq = seq.as_u64()?;
    if seq == 0 {
        return Some(Position::start());
    }
    Some(Position { epoch: Arc::from(epoch.as_str()?), seq, tag: Arc::from(tag.as_str()?) })
}

/// Reads whether a marker moved, and where it stands.
pub(super) fn marker(answer: &[Value]) -> Result<Marker, RedisError> {
    let read = || {
        let [moved, epoch, seq, tag] = answer else { return None };
        Some(Marker { pos: position(epoch, seq, tag)?, moved: moved.as_u64()? == 1 })
    };
    read().ok_or_else(|| other_shape("a read marker"))
}

/// Reads the number of the marker, that of the head, and the messages between.
pub(super) fn unread(answer: &[Value]) -> Result<Unread, RedisError> {
    let read = || {
        let [read_seq, head_seq, unread] = answer else { return None };
        Some(Unread { read_seq: read_seq.as_u64()?, head_seq: head_seq.as_u64()?, unread: unread.as_u64()? })
    };
    read().ok_or_else(|| other_shape("what is unread"))
}

/// Reads what `read.lua` answers to this range.
pub(super) fn reading(answer: Vec<Value>, range: &Range) -> Result<Reading, RedisError> {
    match answer.len() {
        0 => Ok(reading_of_nothing(range)),
        5 => Ok(Reading::OtherLog(head(&answer)?)),
        _ => page(&answer).ok_or_else(|| other_shape("a page")).map(Reading::Page),
    }
}

/// What a read of a room that has no log finds.
fn reading_of_nothing(range: &Range) -> Reading {
    match range {
        Range::After(pos) | Range::Before(pos) if !pos.is_start() => Reading::OtherLog(no_head()),
        Range::After(_) | Range::Before(_) | Range::Newest => {
            Reading::Page(Page { head: no_head(), entries: Vec::new(), more: false, gap: false })
        }
    }
}

fn page(answer: &[Value]) -> Option<Page> {
    let (start, rest) = answer.split_at_checked(5)?;
    let head = head(start).ok()?;
    let [more, gap, first, entries @ ..] = rest else { return None };
    let (mut seq, mut read) = (first.as_u64()?, Vec::<Arc<Entry>>::with_capacity(entries.len() / 2));
    let mut pairs = entries.chunks_exact(2);
    for pair in pairs.by_ref() {
        let (h, b) = (pair[0].as_str()?, pair[1].as_str()?);
        // Epoch and number are known.
        let mut words = h.split(' ').skip(2);
        let mut word = || words.next();
        let (tag, count, time_ms, prev) = (word()?, word()?, word()?, word()?);
        let last = read.last().map_or(&head.pos, |entry| &entry.pos);
        let place = Place::read(Some(last), &head.pos.epoch, seq, [tag, prev, count, time_ms])?;
        read.push(Arc::new(body::decode(place, &b)?));
        seq += 1;
    }
    if !pairs.remainder().is_empty() {
        return None;
    }
    Some(Page { more: more.as_u64()? == 1, gap: gap.as_u64()? == 1, head, entries: read })
}
