//! Everything that the embedded broker knows about one room, and the rules of publishing to it. A room is one lock's
//! worth: whoever holds it sees and changes all of this as one.

use std::sync::Arc;

use hubbub_shared::{Position, UserId};

use super::dedupe::{self, First, Keys};
use super::log::{Draft, Log, Relation};
use super::markers::{self, Markers};
use super::standing::{self, Pace, Standings};
use crate::broker::{
    Authority, Body, Entry, Head, Marker, Page, PageLimit, Publish, Published, Range, Reading, Refusal, Standing,
    StandingChange, Unread,
};

/// What a room takes in memory beside what is counted in its parts, in bytes.
const ROOM_BYTES: u64 = 860;

/// A log's end is remembered for so long after its last entry has gone, for clients that come back to a quiet room;
/// after that its room begins a new log.
pub(super) const HEAD_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// One room.
#[derive(Debug, Default)]
pub(super) struct Room {
    log: Option<Log>,
    keys: Keys,
    markers: Markers,
    standings: Standings,
    pace: Pace,
    /// What the store's budget holds for this room.
    pub(super) charged_bytes: u64,
    /// The store has let go of this room: look it up again.
    pub(super) retired: bool,
}

impl Room {
    /// What becomes of a publish by the rules, unless it is to be appended.
    pub(super) fn verdict(&mut self, publish: &Publish, now_ms: u64, window_ms: u64) -> Option<Published> {
        self.trim(now_ms);
        if let Some(key) = &publish.key
            && let Some(log) = &self.log
            && let Some(first) = self.keys.get(key, now_ms, window_ms)
            && log.relation(&first.pos) != Relation::Foreign
        {
            return Some(Published::Duplicate { pos: first.pos.clone(), time_ms: first.time_ms });
        }
        if let Some(refusal) = self.standing_refuses(publish, now_ms) {
            return Some(Published::Refused(refusal));
        }
        let wait_ms = slow_mode_user(publish).map_or(0, |user| self.pace.wait_ms(user, publish.slow_mode_ms, now_ms));
        if wait_ms > 0 || publish.refuse_after_ms.is_some() {
            let retry_after_ms = wait_ms.max(publish.refuse_after_ms.unwrap_or(0));
            return Some(Published::Refused(Refusal::Limited { retry_after_ms }));
        }
        self.target_verdict(publish, now_ms)
    }

    fn standing_refuses(&self, publish: &Publish, now_ms: u64) -> Option<Refusal> {
        let user = match publish.authority {
            Authority::Member | Authority::Moderator => &publish.from.as_ref()?.user,
            Authority::Server => return None,
        };
        let standing = self.standings.get(user, now_ms);
        // Who may not speak may still take back what was said.
        let speaks = !matches!(publish.body, Body::Delete { .. });
        if standing.banned { Some(Refusal::Banned) } else { (standing.muted && speaks).then_some(Refusal::Muted) }
    }

    fn target_verdict(&mut self, publish: &Publish, now_ms: u64) -> Option<Published> {
        let target = match &publish.body {
            Body::Message { .. } => return None,
            Body::Edit { target, .. } | Body::Delete { target } | Body::Reaction { target, .. } => target,
        };
        let user = publish.from.as_ref().map(|author| &author.user);
        let Some(log) = &self.log else { return Some(Published::Refused(Refusal::Gone)) };
        let Some(message) = log.message(target) else { return Some(Published::Refused(Refusal::Gone)) };
        match &publish.body {
            Body::Reaction { emoji, op, .. } => {
                let earlier = log.reacted(target.seq, user, emoji, *op)?;
                let first = First { pos: earlier.pos.clone(), time_ms: earlier.time_ms };
                // The key is spent all the same: a retry must not undo what came between.
                if let Some(key) = &publish.key {
                    self.keys.insert(key.clone(), first.clone(), now_ms);
                }
                Some(Published::Duplicate { pos: first.pos, time_ms: first.time_ms })
            }
            Body::Message { .. } | Body::Edit { .. } | Body::Delete { .. } => {
                let own = user.is_some() && user == message.from.as_ref().map(|author| &author.user);
                let allowed = own || publish.authority != Authority::Member;
                (!allowed).then_some(Published::Refused(Refusal::NotAuthor))
            }
        }
    }

    /// At most so many bytes will [`Room::append`] add to what the room takes.
    pub(super) fn append_bytes_max(&self, publish: &Publish) -> u64 {
        let key = publish.key.as_ref();
        let log = Log::resident_bytes_of(&publish.body, key.map(|key| &*key.key));
        let user = publish.from.as_ref().map(|author| &author.user);
        self.base_bytes_max(publish.room.as_str())
            + log
            + key.map_or(0, dedupe::cost_bytes)
            + user.map_or(0, |user| markers::cost_bytes(user) + standing::cost_bytes(user))
    }

    /// Appends what no rule refused.
    pub(super) fn append(&mut self, publish: Publish, now_ms: u64) -> Arc<Entry> {
        if let Some(user) = slow_mode_user(&publish) {
            self.pace.spoke(user, publish.slow_mode_ms, now_ms);
        }
        let Publish { from, key, body, retention, tag, epoch, .. } = publish;
        let log = self.log.get_or_insert_with(|| Log::new(epoch, retention));
        let draft = Draft { from, key: key.as_ref().map(|key| key.key.clone()), body, tag };
        let entry = log.append(draft, retention, now_ms);
        if let Some(key) = key {
            self.keys.insert(key, First { pos: entry.pos.clone(), time_ms: entry.time_ms }, now_ms);
        }
        if let (Body::Message { .. }, Some(author)) = (&entry.body, &entry.from) {
            self.markers.advance(&author.user, &entry.pos, log, now_ms);
        }
        entry
    }

    pub(super) fn head(&mut self, now_ms: u64) -> Head {
        self.trim(now_ms);
        self.log.as_ref().map_or_else(no_head, Log::head)
    }

    pub(super) fn read(&mut self, range: &Range, limit: PageLimit, now_ms: u64) -> Reading {
        self.trim(now_ms);
        self.log.as_ref().map_or_else(|| read_nothing(range), |log| log.read(range, limit))
    }

    pub(super) fn mark_read(&mut self, user: &UserId, pos: &Position, now_ms: u64) -> Marker {
        self.trim(now_ms);
        let Some(log) = &self.log else { return no_marker() };
        let (pos, moved) = self.markers.advance(user, pos, log, now_ms);
        Marker { pos, moved }
    }

    /// At most so many bytes will [`Room::mark_read`] add to what the room takes; `None` where there is nothing to read.
    pub(super) fn mark_read_bytes_max(&self, user: &UserId) -> Option<u64> {
        self.log.as_ref()?;
        Some(if self.markers.has(user) { 0 } else { markers::cost_bytes(user) })
    }

    pub(super) fn unread(&mut self, user: &UserId, now_ms: u64) -> Unread {
        self.trim(now_ms);
        let Some(log) = &self.log else { return nothing_unread() };
        let (pos, count) = self.markers.get(user, log);
        Unread { read_seq: pos.seq, head_seq: log.head().pos.seq, unread: log.count() - count.max(log.trimmed_count()) }
    }

    pub(super) fn standing(&self, user: &UserId, now_ms: u64) -> Standing {
        self.standings.get(user, now_ms)
    }

    pub(super) fn set_standing(&mut self, user: &UserId, change: StandingChange) {
        self.standings.change(user, change);
    }

    /// At most so many bytes will [`Room::set_standing`] add to what the room takes.
    pub(super) fn set_standing_bytes_max(&self, room: &str, user: &UserId, change: StandingChange) -> u64 {
        match change {
            StandingChange::Ban { .. } | StandingChange::Mute { .. } => {
                self.base_bytes_max(room) + standing::cost_bytes(user)
            }
            StandingChange::Unban | StandingChange::Unmute => 0,
        }
    }

    fn trim(&mut self, now_ms: u64) {
        if let Some(log) = &mut self.log {
            log.trim(now_ms);
        }
    }

    /// Drops everything whose time is over.
    pub(super) fn sweep(&mut self, now_ms: u64, window_ms: u64, subscribed: bool) {
        self.trim(now_ms);
        self.keys.forget(now_ms, window_ms);
        self.standings.forget(now_ms);
        self.pace.forget(now_ms);
        self.keys.shrink();
        let Some(log) = &mut self.log else { return };
        log.shrink();
        self.markers.forget(log, now_ms, HEAD_KEPT_MS);
        if now_ms.saturating_sub(log.time_ms()) >= HEAD_KEPT_MS {
            self.forget_head(subscribed);
        }
    }

    /// Forgets where an empty log ended, unless somebody would notice at once: its next entry begins a new log.
    pub(super) fn forget_head(&mut self, subscribed: bool) {
        if !subscribed && self.keys.is_empty() && self.log.as_ref().is_some_and(Log::is_empty) {
            self.lose_log();
        }
    }

    /// Loses the log and what it alone gives a meaning, but for the keys.
    pub(super) fn lose_log(&mut self) {
        self.log = None;
        self.markers = Markers::default();
    }

    /// Loses the entries after a number.
    pub(super) fn rewind(&mut self, seq: u64) {
        if let Some(log) = &mut self.log {
            log.rewind(seq);
        }
    }

    pub(super) fn trim_log_to_resident_bytes(&mut self, bytes_max: u64) {
        if let Some(log) = &mut self.log {
            log.trim_to_resident_bytes(bytes_max);
        }
    }

    /// What the kept entries take in memory.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::resident_bytes)
    }

    /// What the room takes in memory; 0 for one that holds nothing, which can be let go.
    pub(super) fn bytes(&self, room: &str) -> u64 {
        let parts =
            self.log_bytes() + self.keys.bytes() + self.markers.bytes() + self.standings.bytes() + self.pace.bytes();
        if parts == 0 && self.log.is_none() { 0 } else { parts + ROOM_BYTES + room.len() as u64 }
    }

    fn base_bytes_max(&self, room: &str) -> u64 {
        if self.charged_bytes == 0 { ROOM_BYTES + room.len() as u64 } else { 0 }
    }
}

/// The user whom slow mode concerns.
fn slow_mode_user(publish: &Publish) -> Option<&UserId> {
    let concerned = publish.slow_mode_ms > 0
        && publish.authority == Authority::Member
        && matches!(publish.body, Body::Message { .. });
    publish.from.as_ref().filter(|_| concerned).map(|author| &author.user)
}

/// The head of a room that has no log.
pub(super) fn no_head() -> Head {
    Head { pos: Position::start(), count: 0, first_seq: 1 }
}

/// What a read of a room that has no log finds.
pub(super) fn read_nothing(range: &Range) -> Reading {
    match range {
        Range::After(pos) | Range::Before(pos) if !pos.is_start() => Reading::OtherLog(no_head()),
        Range::After(_) | Range::Before(_) | Range::Newest => {
            Reading::Page(Page { head: no_head(), entries: Vec::new(), more: false, gap: false })
        }
    }
}

pub(super) fn no_marker() -> Marker {
    Marker { pos: Position::start(), moved: false }
}

pub(super) fn nothing_unread() -> Unread {
    Unread { read_seq: 0, head_seq: 0, unread: 0 }
}
