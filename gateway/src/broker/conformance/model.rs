//! A log against its model: random requests to a broker and to a few lines that know no index, no count and no lock,
//! after each of which both must say the same.

use proptest::sample::Index;

use self::plan::{Change, Pick, Say, Step, Way};
use super::*;
use crate::broker::{RETENTION_FLOOR_MS, StandingChange};

pub(crate) mod plan;

const NAMES: [&str; 3] = ["ada", "bob", "eve"];
const EMOJIS: [&str; 2] = ["👍", "👎"];
const SLOW_MODE_MS: u64 = 700;

/// What a log is, without anything that makes it fast.
#[derive(Default)]
struct Model {
    /// Every entry there ever was; what was deleted is without data.
    all: Vec<Entry>,
    /// How many of them retention has passed.
    passed: usize,
    /// Scope, first use, and what it was answered.
    keys: Vec<(DedupeKey, u64, Position, u64)>,
    /// User, and the number up to which it has read.
    read: [u64; 3],
    banned_until_ms: [u64; 3],
    muted_until_ms: [u64; 3],
    /// When a user's last message under slow mode was accepted.
    spoke_ms: [Option<u64>; 3],
}

impl Model {
    fn kept(&self) -> &[Entry] {
        &self.all[self.passed..]
    }

    fn trim(&mut self, retention: Retention, now_ms: u64) {
        while let Some(oldest) = self.kept().first() {
            let age_ms = now_ms - oldest.time_ms;
            let bytes: u64 = self.kept().iter().map(|entry| entry.cost_bytes() as u64).sum();
            let old = age_ms >= RETENTION_FLOOR_MS;
            let outdated = old && (age_ms > retention.age_ms || self.kept().len() as u64 > retention.entries);
            if !outdated && bytes <= retention.bytes {
                return;
            }
            self.passed += 1;
        }
    }

    fn head(&self) -> Head {
        let messages = self.all.iter().filter(|entry| matches!(entry.body, Body::Message { .. }));
        Head {
            pos: self.all.last().map_or_else(Position::start, |entry| entry.pos.clone()),
            count: messages.count() as u64,
            first_seq: self.passed as u64 + 1,
        }
    }

    /// What the broker has to answer; appends to the model what has to be appended.
    fn publish(&mut self, who: usize, publish: &Publish, now_ms: u64, window_ms: u64) -> Published {
        self.trim(publish.retention, now_ms);
        if let Some(key) = &publish.key
            && let Some((_, _, pos, time_ms)) =
                self.keys.iter().find(|(known, since_ms, _, _)| known == key && now_ms - since_ms < window_ms)
        {
            return Published::Duplicate { pos: pos.clone(), time_ms: *time_ms };
        }
        if let Some(refusal) = self.refusal(who, publish, now_ms) {
            return Published::Refused(refusal);
        }
        let answer = self.duplicate(publish).unwrap_or_else(|| self.append(who, publish, now_ms));
        if let (Some(key), Published::Appended { pos, time_ms } | Published::Duplicate { pos, time_ms }) =
            (&publish.key, &answer)
        {
            self.keys.retain(|(known, ..)| known != key);
            self.keys.push((key.clone(), now_ms, pos.clone(), *time_ms));
        }
        self.trim(publish.retention, now_ms);
        answer
    }

    fn refusal(&self, who: usize, publish: &Publish, now_ms: u64) -> Option<Refusal> {
        let (member, server) = (publish.authority == Authority::Member, publish.authority == Authority::Server);
        let is_message = matches!(publish.body, Body::Message { .. });
        if !server && now_ms < self.banned_until_ms[who] {
            return Some(Refusal::Banned);
        }
        if !server && now_ms < self.muted_until_ms[who] && !matches!(publish.body, Body::Delete { .. }) {
            return Some(Refusal::Muted);
        }
        let slow = self.spoke_ms[who].filter(|_| member && is_message && publish.slow_mode_ms > 0);
        let wait_ms = slow.map_or(0, |spoke_ms| (spoke_ms + publish.slow_mode_ms).saturating_sub(now_ms));
        if wait_ms > 0 || publish.refuse_after_ms.is_some() {
            let retry_after_ms = wait_ms.max(publish.refuse_after_ms.unwrap_or(0));
            return Some(Refusal::Limited { retry_after_ms });
        }
        let target = target_of(&publish.body)?;
        let Some(message) = self.kept().iter().find(|entry| entry.pos == *target) else { return Some(Refusal::Gone) };
        match (&message.body, &publish.body) {
            (Body::Message { data: None } | Body::Edit { .. } | Body::Delete { .. } | Body::Reaction { .. }, _) => {
                Some(Refusal::Gone)
            }
            (Body::Message { .. }, Body::Edit { .. } | Body::Delete { .. })
                if member && message.from != publish.from =>
            {
                Some(Refusal::NotAuthor)
            }
            (Body::Message { .. }, _) => None,
        }
    }

    fn duplicate(&self, publish: &Publish) -> Option<Published> {
        let Body::Reaction { target, emoji, op } = &publish.body else { return None };
        let last = self.kept().iter().rfind(|entry| {
            let same = matches!(&entry.body, Body::Reaction { target: t, emoji: e, .. } if t == target && e == emoji);
            same && entry.from == publish.from
        });
        let put = last.filter(|entry| matches!(&entry.body, Body::Reaction { op: ReactionOp::Add, .. }));
        let earlier = match op {
            ReactionOp::Add => put?,
            ReactionOp::Remove if put.is_some() => return None,
            ReactionOp::Remove => self.all.last()?,
        };
        Some(Published::Duplicate { pos: earlier.pos.clone(), time_ms: earlier.time_ms })
    }

    fn append(&mut self, who: usize, publish: &Publish, now_ms: u64) -> Published {
        let before = self.head();
        let is_message = matches!(publish.body, Body::Message { .. });
        let epoch = self.all.first().map_or(&publish.epoch, |entry| &entry.pos.epoch).clone();
        let pos = Position { epoch, seq: before.pos.seq + 1, tag: publish.tag.clone() };
        if let Body::Delete { target } = &publish.body {
            for entry in &mut self.all {
                match &mut entry.body {
                    Body::Message { data } if entry.pos == *target => *data = None,
                    Body::Edit { target: edited, data } if edited == target => *data = None,
                    Body::Message { .. } | Body::Edit { .. } | Body::Delete { .. } | Body::Reaction { .. } => {}
                }
            }
        }
        self.all.push(Entry {
            pos: pos.clone(),
            prev: before.pos.tag,
            count: before.count + u64::from(is_message),
            time_ms: now_ms,
            from: publish.from.clone(),
            key: publish.key.as_ref().map(|key| key.key.clone()),
            body: publish.body.clone(),
        });
        if is_message {
            self.read[who] = pos.seq;
            if publish.authority == Authority::Member && publish.slow_mode_ms > 0 {
                self.spoke_ms[who] = Some(now_ms);
            }
        }
        Published::Appended { pos, time_ms: now_ms }
    }

    /// Whether a position could be one of this log, for all that is still known of it.
    fn is_own(&self, pos: &Position) -> bool {
        let Some(last) = self.all.last() else { return pos.is_start() };
        let knows = |seq: u64| seq as usize >= self.passed || seq == last.pos.seq;
        pos.is_start()
            || (pos.epoch == last.pos.epoch
                && pos.seq <= last.pos.seq
                && (!knows(pos.seq) || self.all[pos.seq as usize - 1].pos == *pos))
    }

    fn read(&self, range: &Range, limit: PageLimit) -> Reading {
        let chosen = |from: u64, to: u64| self.kept().iter().filter(move |e| from < e.pos.seq && e.pos.seq < to);
        let (mut candidates, pos): (Vec<&Entry>, _) = match range {
            Range::Newest => (chosen(0, u64::MAX).collect(), None),
            Range::Before(pos) => (chosen(0, pos.seq).collect(), Some(pos)),
            Range::After(pos) => (chosen(pos.seq, u64::MAX).collect(), Some(pos)),
        };
        if pos.is_some_and(|pos| !self.is_own(pos)) {
            return Reading::OtherLog(self.head());
        }
        let backward = !matches!(range, Range::After(_));
        if backward {
            candidates.reverse();
        }
        let asked = candidates.len();
        let fits = |n: usize| candidates[..n].iter().map(|entry| entry.cost_bytes()).sum::<usize>() <= limit.bytes;
        let taken = (0..=asked.min(limit.entries)).rfind(|&n| n <= 1 || fits(n)).unwrap_or(0);
        candidates.truncate(taken);
        if backward {
            candidates.reverse();
        }
        Reading::Page(Page {
            head: self.head(),
            entries: candidates.into_iter().cloned().map(Arc::new).collect(),
            more: taken < asked,
            gap: matches!(range, Range::After(pos) if (pos.seq as usize) < self.passed),
        })
    }

    fn unread(&self, who: usize) -> Unread {
        let messages = self.kept().iter().filter(|entry| matches!(entry.body, Body::Message { .. }));
        let unread = messages.filter(|entry| entry.pos.seq > self.read[who]).count() as u64;
        Unread { read_seq: self.read[who], head_seq: self.head().pos.seq, unread }
    }

    fn pick(&self, pick: &Pick) -> Position {
        let known = |index: &Index| {
            let all = &self.all;
            if all.is_empty() { Position::start() } else { index.get(all).pos.clone() }
        };
        let last = self.head().pos;
        match pick {
            Pick::Known(index) => known(index),
            Pick::OtherTag(index) => Position { tag: random::tag(), ..known(index) },
            Pick::OtherEpoch(index) => Position { epoch: random::tag(), ..known(index) },
            Pick::Ahead => Position { seq: last.seq + 1, epoch: last.epoch, tag: random::tag() },
            Pick::Start => Position::start(),
        }
    }
}

fn target_of(body: &Body) -> Option<&Position> {
    match body {
        Body::Message { .. } => None,
        Body::Edit { target, .. } | Body::Delete { target } | Body::Reaction { target, .. } => Some(target),
    }
}

/// Follows a plan with a broker and with the model.
pub(crate) async fn a_log_is_like_its_model(fixture: impl Fixture, retention: Retention, steps: Vec<Step>) {
    let (mut replica, room, mut model) = (fixture.replica().await, a_room(), Model::default());
    replica.broker.subscribe(&room).await.unwrap();
    // Entries and receipts, as the bus has to bring them.
    let mut told: Vec<(u64, Option<usize>)> = Vec::new();
    for step in steps {
        let now_ms = fixture.now_ms();
        model.trim(retention, now_ms);
        match step {
            Step::Pass { ms } => fixture.pass_ms(ms).await,
            Step::Publish { name, key, authority, slow, limited, say } => {
                let data = |length: usize| text(&"x".repeat(length));
                let body = match say {
                    Say::Message { length } => Body::Message { data: data(length) },
                    Say::Edit { target, length } => Body::Edit { target: model.pick(&target), data: data(length) },
                    Say::Delete { target } => Body::Delete { target: model.pick(&target) },
                    Say::React { target, emoji, op } => {
                        Body::Reaction { target: model.pick(&target), emoji: Arc::from(EMOJIS[emoji]), op }
                    }
                };
                let publish = Publish {
                    key: key.and_then(|key| user_key(NAMES[name], &key.to_string())),
                    authority,
                    slow_mode_ms: if slow { SLOW_MODE_MS } else { 0 },
                    refuse_after_ms: limited.then_some(3),
                    retention,
                    ..publish(&room, NAMES[name], body)
                };
                let expected = model.publish(name, &publish, now_ms, fixture.dedupe_window_ms());
                if let Published::Appended { pos, .. } = &expected {
                    told.push((pos.seq, None));
                }
                assert_eq!(replica.publish(publish).await, expected);
            }
            Step::Standing { name, change } => {
                let (banned, muted) = (&mut model.banned_until_ms[name], &mut model.muted_until_ms[name]);
                let change = match change {
                    Change::Ban { ms } => StandingChange::Ban { until_ms: replaced(banned, now_ms + ms) },
                    Change::Mute { ms } => StandingChange::Mute { until_ms: replaced(muted, now_ms + ms) },
                    Change::Unban => {
                        replaced(banned, 0);
                        StandingChange::Unban
                    }
                    Change::Unmute => {
                        replaced(muted, 0);
                        StandingChange::Unmute
                    }
                };
                replica.broker.set_standing(&room, &user(NAMES[name]), change).await.unwrap();
            }
            Step::MarkRead { name, pos } => {
                let pos = model.pick(&pos);
                let seq = if model.is_own(&pos) { pos.seq } else { model.head().pos.seq };
                let moved = seq > model.read[name];
                if moved {
                    model.read[name] = seq;
                    told.push((seq, Some(name)));
                }
                let marker = replica.broker.mark_read(&room, &user(NAMES[name]), &pos, None).await.unwrap();
                assert_eq!((marker.pos.seq, marker.moved), (model.read[name], moved));
            }
            Step::Read { way, limit } => {
                let range = match way {
                    Way::Newest => Range::Newest,
                    Way::After(pos) => Range::After(model.pick(&pos)),
                    Way::Before(pos) => Range::Before(model.pick(&pos)),
                };
                let expected = model.read(&range, limit);
                assert_eq!(replica.broker.read(&room, range, limit).await.unwrap(), expected);
            }
        }
        model.trim(retention, fixture.now_ms());
        assert_eq!(replica.head(&room).await, model.head());
        assert_eq!(replica.read(&room, Range::Newest).await, model.read(&Range::Newest, ALL));
        for (who, name) in NAMES.iter().enumerate() {
            assert_eq!(replica.unread(&room, name).await, model.unread(who), "{name}");
        }
    }
    let heard = replica.heard(&room).await.into_iter().map(|envelope| match envelope.payload {
        Payload::Entry(entry) => (entry.pos.seq, None),
        Payload::Receipt { user, pos } => (pos.seq, NAMES.iter().position(|name| *name == user.as_str())),
        Payload::Signal { .. } | Payload::Presence(_) => panic!("nobody asked for {:?}", envelope.payload),
    });
    assert_eq!(heard.collect::<Vec<_>>(), told);
}

fn replaced(place: &mut u64, value: u64) -> u64 {
    *place = value;
    value
}
