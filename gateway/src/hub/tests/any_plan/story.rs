//! What one connection got of one room, followed as a client follows it, and everything that must never be in it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hubbub_shared::server_frame::ResetReason;
use hubbub_shared::{Position, UserId};

use super::plan::Plan;
use crate::broker::{Body, Entry};
use crate::hub::event::Event;
use crate::hub::join::{Join, Joined};
use crate::hub::tests::frames::{Frame, text_of};

/// Every entry that there ever was in a room.
pub(super) type Truth = HashMap<Position, Arc<Entry>>;

/// Where a client stands.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The join that holds.
    pub(super) joined: Option<(Join, Joined)>,
    seq: u64,
    /// `None` while the entries of a replay come whose start nobody named.
    pos: Option<Position>,
    /// Entries that are still to come before the live ones.
    to_replay: u64,
    /// Entries whose `sent` was given in this subscription, since its last reset.
    told: HashSet<Position>,
    /// The same for those that stand beside their entries.
    told_with_echo: HashSet<Position>,
    /// As a page and the frames behind it show them; `None` before a page and after a word that some were lost.
    pub(super) members: Option<HashSet<UserId>>,
}

impl Story {
    /// Where the client would go on.
    pub(super) fn position(&self) -> Option<Position> {
        self.pos.clone()
    }

    /// Entries that the client believes to be in the log, because a `sent` said so.
    pub(super) fn promised(&self) -> impl Iterator<Item = &Position> {
        self.told.iter().chain(&self.told_with_echo)
    }

    /// Takes in the next frame of the room. Without a truth nothing is compared with it.
    pub(super) fn follow(&mut self, frame: &Frame, plan: &Plan, truth: Option<&Truth>) {
        match frame {
            Frame::Joined(join, joined) => self.begin(join, joined, plan),
            Frame::Left(_) => self.joined = None,
            Frame::Members(_, page) => {
                self.members = Some(page.members.iter().map(|member| member.author.user.clone()).collect());
            }
            Frame::Sent(_, _, pos) => _ = self.told_with_echo.insert(pos.clone()),
            Frame::Failed(_) | Frame::Event(_, Event::Unproven { .. }) => {}
            Frame::Event(_, Event::Sent(sent)) => self.answer(&sent.pos, truth),
            Frame::Event(_, event) => {
                assert!(self.joined.is_some(), "{frame} came to somebody who is not in the room");
                match event {
                    Event::Entry(entry) => self.entry(entry, plan, truth),
                    Event::Reset { pos, reason } => self.reset(pos, *reason, plan),
                    Event::Presence(update) => {
                        assert!(self.joined.as_ref().is_some_and(|(join, _)| join.wants.presence));
                        if update.resync {
                            self.members = None;
                        }
                        if let Some(members) = &mut self.members {
                            update.left.iter().for_each(|user| _ = members.remove(user));
                            members.extend(update.joined.iter().map(|author| author.user.clone()));
                        }
                    }
                    Event::Removed { .. } => self.joined = None,
                    Event::Signal { .. } | Event::Receipt { .. } | Event::Sent(_) | Event::Unproven { .. } => {}
                }
            }
        }
    }

    fn begin(&mut self, join: &Join, joined: &Joined, plan: &Plan) {
        assert!(self.joined.is_none(), "joined twice");
        self.joined = Some((join.clone(), joined.clone()));
        self.told.clear();
        self.told_with_echo.clear();
        self.members = None;
        self.to_replay = joined.replayed;
        self.seq = joined.pos.seq - joined.replayed;
        let all_is_there = plan.keeps_all() && !plan.store_loses();
        match (&join.since, joined.recovered) {
            (Some(since), Some(Ok(()))) => {
                assert_eq!(self.seq, since.seq, "{joined:?} does not go on from {since}");
                self.pos = Some(since.clone());
            }
            (Some(_), Some(Err(_))) | (None, None) => {
                assert!(joined.replayed <= join.limit);
                assert!(!all_is_there || joined.replayed == join.limit.min(joined.pos.seq), "{joined:?} for {join:?}");
                self.pos = (joined.replayed == 0).then(|| joined.pos.clone());
            }
            (_, recovered) => panic!("{recovered:?} for {join:?}"),
        }
    }

    fn entry(&mut self, entry: &Entry, plan: &Plan, truth: Option<&Truth>) {
        self.go_to(&entry.pos, &entry.before());
        assert!(!self.told.contains(&entry.pos), "entry {} came behind its `sent`", entry.pos);
        let replayed = self.to_replay > 0;
        self.to_replay = self.to_replay.saturating_sub(1);
        let Some(truth) = truth else { return };
        let Some(real) = truth.get(&entry.pos) else { panic!("{entry:?} was never appended") };
        assert_eq!(
            (&real.from, &real.key, real.count, real.time_ms),
            (&entry.from, &entry.key, entry.count, entry.time_ms)
        );
        let deletion = deletion_of(real, truth);
        match text_of(entry) {
            Some(text) => assert_eq!(text_of(real), Some(text)),
            None => assert!(text_of(real).is_none() || deletion.is_some(), "{entry:?} lost its data"),
        }
        if let (Some(deletion), Some((_, joined))) = (deletion, &self.joined)
            && replayed
            && deletion.seq <= joined.pos.seq
            && !plan.store_loses()
        {
            assert!(text_of(entry).is_none(), "{entry:?} was replayed although {deletion} had deleted it");
        }
    }

    fn answer(&mut self, pos: &Position, truth: Option<&Truth>) {
        let before = truth.map(|truth| {
            let Some(entry) = truth.get(pos) else { panic!("a `sent` for {pos}, which was never appended") };
            entry.before()
        });
        self.told.insert(pos.clone());
        if self.joined.is_some() && pos.seq > self.seq {
            let before = before.or_else(|| self.pos.clone());
            self.go_to(pos, &before.unwrap_or_else(Position::start));
            self.to_replay = self.to_replay.saturating_sub(1);
        }
    }

    fn go_to(&mut self, pos: &Position, before: &Position) {
        assert_eq!(pos.seq, self.seq + 1, "a hole or a double: {pos} came behind {:?}", self.pos);
        if let Some(last) = &self.pos {
            assert_eq!(before, last, "{pos} does not prove what came before it");
        }
        self.seq = pos.seq;
        self.pos = Some(pos.clone());
    }

    fn reset(&mut self, pos: &Position, reason: ResetReason, plan: &Plan) {
        match reason {
            ResetReason::Lag => panic!("nobody was that far behind"),
            ResetReason::Trimmed => assert!(!plan.keeps_all(), "nothing was trimmed"),
            ResetReason::Reset => assert!(plan.store_loses(), "the log went no other way"),
        }
        self.seq = pos.seq;
        self.pos = Some(pos.clone());
        self.to_replay = 0;
        self.told.clear();
        self.told_with_echo.clear();
    }
}

/// What deleted a message, or the message of an edit.
fn deletion_of<'a>(entry: &Entry, truth: &'a Truth) -> Option<&'a Position> {
    let message = match &entry.body {
        Body::Message { .. } => &entry.pos,
        Body::Edit { target, .. } => target,
        Body::Delete { .. } | Body::Reaction { .. } => return None,
    };
    let deletion = truth.values().find(|other| matches!(&other.body, Body::Delete { target } if target == message));
    deletion.map(|deletion| &deletion.pos)
}
