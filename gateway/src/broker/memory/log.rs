//! One room's log: numbers, proof, retention, and what was deleted.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hubbub_shared::client_frame::ReactionOp;
use hubbub_shared::{Position, UserId};

use crate::broker::{Author, Body, Entry, Head, Page, PageLimit, RETENTION_FLOOR_MS, Range, Reading, Retention};

/// What an entry takes in memory beside what it counts for in bounds of bytes: its own struct, the words of its
/// positions and what is known about its target.
const RESIDENT_BYTES: u64 = 240;

/// The log of a room, from its first entry on.
#[derive(Debug)]
pub(super) struct Log {
    epoch: Arc<str>,
    seq: u64,
    tag: Arc<str>,
    count: u64,
    /// When the newest entry was appended.
    time_ms: u64,
    retention: Retention,
    /// The kept entries, oldest first, numbers without a hole up to `seq`.
    entries: VecDeque<Arc<Entry>>,
    /// What the kept entries count for.
    bytes: u64,
    /// What hangs on kept messages that were not deleted, by their number.
    about: HashMap<u64, About, ahash::RandomState>,
}

/// What hangs on a message.
#[derive(Debug, Default)]
struct About {
    /// Numbers of its edits.
    edits: Vec<u64>,
    /// Where each reaction was put on it.
    reactions: HashMap<(Option<UserId>, Arc<str>), u64, ahash::RandomState>,
}

/// How a position relates to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is one of this log, and nothing after it is missing.
    Proven,
    /// Retention has passed it, and with it what could prove it.
    Passed,
    /// It is of another log, of one that went another way, or ahead of the head.
    Foreign,
}

/// A new entry's share that is not the log's to find.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) from: Option<Author>,
    pub(super) key: Option<Arc<str>>,
    pub(super) body: Body,
    pub(super) tag: Arc<str>,
}

impl Log {
    pub(super) fn new(epoch: Arc<str>, retention: Retention) -> Self {
        Self {
            epoch,
            seq: 0,
            tag: Arc::from(""),
            count: 0,
            time_ms: 0,
            retention,
            entries: VecDeque::new(),
            bytes: 0,
            about: HashMap::default(),
        }
    }

    /// Numbers and appends an entry and does what it does to others. Times never go back within a log.
    pub(super) fn append(&mut self, draft: Draft, retention: Retention, now_ms: u64) -> Arc<Entry> {
        self.seq += 1;
        self.count += u64::from(matches!(draft.body, Body::Message { .. }));
        self.time_ms = self.time_ms.max(now_ms);
        self.retention = retention;
        let prev = std::mem::replace(&mut self.tag, draft.tag.clone());
        let entry = Arc::new(Entry {
            pos: Position { epoch: self.epoch.clone(), seq: self.seq, tag: draft.tag },
            prev,
            count: self.count,
            time_ms: self.time_ms,
            from: draft.from,
            key: draft.key,
            body: draft.body,
        });
        self.bytes += entry.cost_bytes() as u64;
        self.entries.push_back(entry.clone());
        self.heed(&entry);
        self.trim(now_ms);
        entry
    }

    /// Does to a kept message what a new entry says about it.
    fn heed(&mut self, entry: &Entry) {
        let target = match &entry.body {
            Body::Message { .. } => return,
            Body::Edit { target, .. } | Body::Delete { target } | Body::Reaction { target, .. } => target,
        };
        if self.message(target).is_none() {
            return;
        }
        let about = self.about.entry(target.seq).or_default();
        match &entry.body {
            Body::Message { .. } => {}
            Body::Edit { .. } => about.edits.push(entry.pos.seq),
            Body::Reaction { emoji, op, .. } => {
                let user = entry.from.as_ref().map(|author| author.user.clone());
                match op {
                    ReactionOp::Add => _ = about.reactions.insert((user, emoji.clone()), entry.pos.seq),
                    ReactionOp::Remove => _ = about.reactions.remove(&(user, emoji.clone())),
                }
            }
            Body::Delete { .. } => {
                let edits = self.about.remove(&target.seq).unwrap_or_default().edits;
                for seq in edits.into_iter().chain([target.seq]) {
                    self.blank(seq);
                }
            }
        }
    }

    /// Takes the data away from a message or an edit and keeps the rest.
    fn blank(&mut self, seq: u64) {
        let first_seq = self.first_seq();
        let Some(place) = seq.checked_sub(first_seq).and_then(|index| self.entries.get_mut(index as usize)) else {
            return;
        };
        let body = match &place.body {
            Body::Message { .. } => Body::Message { data: None },
            Body::Edit { target, .. } => Body::Edit { target: target.clone(), data: None },
            Body::Delete { .. } | Body::Reaction { .. } => return,
        };
        let blank = Entry {
            pos: place.pos.clone(),
            prev: place.prev.clone(),
            count: place.count,
            time_ms: place.time_ms,
            from: place.from.clone(),
            key: place.key.clone(),
            body,
        };
        self.bytes = self.bytes + blank.cost_bytes() as u64 - place.cost_bytes() as u64;
        *place = Arc::new(blank);
    }

    /// Drops what retention no longer allows.
    pub(super) fn trim(&mut self, now_ms: u64) {
        while let Some(oldest) = self.entries.front() {
            let age_ms = now_ms.saturating_sub(oldest.time_ms);
            let too_many = self.entries.len() as u64 > self.retention.entries;
            let outdated = age_ms >= RETENTION_FLOOR_MS && (too_many || age_ms > self.retention.age_ms);
            if !outdated && self.bytes <= self.retention.bytes {
                break;
            }
            self.drop_oldest();
        }
    }

    /// Drops the oldest entries until the rest takes no more memory than this.
    pub(super) fn trim_to_resident_bytes(&mut self, bytes_max: u64) {
        while self.resident_bytes() > bytes_max && !self.entries.is_empty() {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.bytes -= oldest.cost_bytes() as u64;
            // What hangs on a message came after it, so nothing of it outlives the message's place here.
            self.about.remove(&oldest.pos.seq);
        }
    }

    /// Gives back what a burst left allocated.
    pub(super) fn shrink(&mut self) {
        if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }

    pub(super) fn head(&self) -> Head {
        Head { pos: self.head_pos(), count: self.count, first_seq: self.first_seq() }
    }

    fn head_pos(&self) -> Position {
        Position { epoch: self.epoch.clone(), seq: self.seq, tag: self.tag.clone() }
    }

    /// The number of the oldest kept entry, or the one that the next entry will get.
    pub(super) fn first_seq(&self) -> u64 {
        self.seq + 1 - self.entries.len() as u64
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// When the newest entry was appended, Unix milliseconds.
    pub(super) fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// What an entry with this body and key will take in memory.
    pub(super) fn resident_bytes_of(body: &Body, key: Option<&str>) -> u64 {
        Entry::cost_bytes_of(body, key) as u64 + RESIDENT_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the kept entries take in memory.
    pub(super) fn resident_bytes(&self) -> u64 {
        self.bytes + self.entries.len() as u64 * RESIDENT_BYTES
    }

    /// Messages up to and including the entry with this number; trimmed ones count as one lump.
    pub(super) fn count_at(&self, seq: u64) -> u64 {
        self.kept(seq).map_or(self.trimmed_count(), |entry| entry.count)
    }

    /// Messages that retention has passed.
    pub(super) fn trimmed_count(&self) -> u64 {
        let Some(oldest) = self.entries.front() else { return self.count };
        oldest.count - u64::from(matches!(oldest.body, Body::Message { .. }))
    }

    fn kept(&self, seq: u64) -> Option<&Arc<Entry>> {
        let index = seq.checked_sub(self.first_seq())?;
        self.entries.get(index as usize)
    }

    /// How a position relates to this log.
    pub(super) fn relation(&self, pos: &Position) -> Relation {
        let first_seq = self.first_seq();
        if pos.is_start() {
            return if first_seq == 1 { Relation::Proven } else { Relation::Passed };
        }
        if pos.epoch != self.epoch || pos.seq > self.seq {
            return Relation::Foreign;
        }
        let tag = if pos.seq == self.seq {
            &self.tag
        } else if let Some(entry) = self.kept(pos.seq) {
            &entry.pos.tag
        } else if pos.seq + 1 == first_seq {
            &self.entries[0].prev
        } else {
            return Relation::Passed;
        };
        if *tag == pos.tag { Relation::Proven } else { Relation::Foreign }
    }

    /// The kept message at a position, unless it was deleted.
    pub(super) fn message(&self, pos: &Position) -> Option<&Entry> {
        let entry = self.kept(pos.seq)?;
        (entry.pos == *pos && matches!(entry.body, Body::Message { data: Some(_) })).then_some(entry)
    }

    /// What stands for a reaction that would change nothing: the entry that had put it there, or for one that is not
    /// there the head. `None` for one that would change something.
    pub(super) fn reacted(
        &self,
        target: u64,
        user: Option<&UserId>,
        emoji: &Arc<str>,
        op: ReactionOp,
    ) -> Option<&Entry> {
        let there = self
            .about
            .get(&target)
            .and_then(|about| about.reactions.get(&(user.cloned(), emoji.clone())))
            .and_then(|&seq| self.kept(seq));
        match (op, there) {
            (ReactionOp::Add, there) => there.map(|entry| &**entry),
            (ReactionOp::Remove, Some(_)) => None,
            (ReactionOp::Remove, None) => self.entries.back().map(|entry| &**entry),
        }
    }

    pub(super) fn read(&self, range: &Range, limit: PageLimit) -> Reading {
        let head = self.head();
        let relation = match range {
            Range::Newest => Relation::Proven,
            Range::Before(pos) | Range::After(pos) => self.relation(pos),
        };
        if relation == Relation::Foreign {
            return Reading::OtherLog(head);
        }
        let kept = self.entries.len();
        let index = |seq: u64| seq.saturating_sub(head.first_seq) as usize;
        let (backward, bounds) = match range {
            Range::Newest => (true, 0..kept),
            Range::Before(pos) => (true, 0..index(pos.seq)),
            Range::After(pos) => (false, index(pos.seq + 1)..kept),
        };
        let asked = bounds.len();
        let mut slice = self.entries.range(bounds);
        let (mut entries, mut bytes) = (Vec::with_capacity(asked.min(limit.entries)), 0);
        while let Some(entry) = if backward { slice.next_back() } else { slice.next() } {
            bytes += entry.cost_bytes();
            let full = entries.len() >= limit.entries || (!entries.is_empty() && bytes > limit.bytes);
            if full {
                break;
            }
            entries.push(entry.clone());
        }
        if backward {
            entries.reverse();
        }
        let more = entries.len() < asked;
        let gap = !backward && relation == Relation::Passed;
        Reading::Page(Page { head, entries, more, gap })
    }

    /// Forgets the entries after a number, as a failover to a replica that lagged does; nothing where the entry with
    /// that number has been trimmed.
    pub(super) fn rewind(&mut self, seq: u64) {
        let Some(newest) = self.kept(seq).cloned() else { return };
        self.entries.truncate((seq - self.first_seq() + 1) as usize);
        (self.seq, self.tag, self.count) = (seq, newest.pos.tag.clone(), newest.count);
        self.bytes = self.entries.iter().map(|entry| entry.cost_bytes() as u64).sum();
        self.about.clear();
        for entry in self.entries.clone() {
            self.heed(&entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::conformance::{KEEP_ALL, author, text};
    use crate::random;

    fn append(log: &mut Log, retention: Retention, now_ms: u64, body: Body) -> Position {
        let draft = Draft { from: Some(author("ada")), key: None, body, tag: random::tag() };
        log.append(draft, retention, now_ms).pos.clone()
    }

    fn append_with_all_that_hangs_on_it(log: &mut Log) {
        let target = append(log, KEEP_ALL, 0, Body::Message { data: text("hi") });
        let emoji = Arc::from("👍");
        append(log, KEEP_ALL, 0, Body::Edit { target: target.clone(), data: text("ho") });
        append(log, KEEP_ALL, 0, Body::Reaction { target, emoji, op: ReactionOp::Add });
    }

    #[test]
    fn what_hangs_on_a_message_is_forgotten_with_it() {
        let mut log = Log::new(random::tag(), KEEP_ALL);
        append_with_all_that_hangs_on_it(&mut log);
        assert_eq!(log.about.len(), 1);
        let three = Retention { entries: 3, ..KEEP_ALL };
        append(&mut log, three, RETENTION_FLOOR_MS, Body::Message { data: text("hi") });
        assert_eq!((log.first_seq(), log.about.len()), (2, 0));
        // What still hangs on it is not remembered again by a log that was rewound.
        log.rewind(3);
        assert_eq!((log.seq, log.about.len()), (3, 0));
    }

    #[test]
    fn a_rewound_log_knows_what_hangs_on_the_messages_that_are_left() {
        let mut log = Log::new(random::tag(), KEEP_ALL);
        append_with_all_that_hangs_on_it(&mut log);
        append_with_all_that_hangs_on_it(&mut log);
        log.rewind(4);
        assert_eq!(log.about.keys().collect::<Vec<_>>(), [&1]);
        assert_eq!((log.about[&1].edits.as_slice(), log.about[&1].reactions.len()), ([2].as_slice(), 1));
        assert_eq!(log.bytes, log.entries.iter().map(|entry| entry.cost_bytes() as u64).sum::<u64>());
    }
}
