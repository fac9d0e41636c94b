//! The position in one room, by the rules of the protocol (§3), and what one subscription saw on its way.
//!
//! A subscription outlives its connection: who resumes goes on where they were, and what was missed meanwhile must
//! come. `seq` then rises by exactly 1 from entry to entry, unless the gateway says otherwise (`reset`,
//! `recovered: false`); whatever else happens is counted.

use std::ops::RangeInclusive;
use std::sync::Arc;

use hubbub_shared::server_frame::{Joined, ResetReason, UnrecoveredReason};
use serde::{Deserialize, Serialize};

/// Where a subscription stands between the client and the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Not in the room.
    Absent,
    /// `join` is on its way.
    Joining,
    /// In the room.
    Joined,
    /// `leave` is on its way; entries may still come.
    Leaving,
    /// Not in the room, and not coming back.
    Ended,
}

/// The entries that `joined` announced.
#[derive(Debug)]
struct Replay {
    left: u64,
    head_seq: u64,
    head_pos: Arc<str>,
}

/// How an entry fitted to what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Exactly next.
    Next,
    /// Later than next: something is missing before it.
    AfterHole,
    /// It had been missing, and came late.
    Disordered,
    /// It had come before.
    Doubled,
    /// The room is not joined.
    Outside,
}

/// What a subscription saw. The first four are breaches, the others are what the gateway said openly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Entries that had come before.
    pub(crate) doubled: u64,
    /// Entries that came after a later one.
    pub(crate) disordered: u64,
    /// Seqs that were left out without a word and never came.
    pub(crate) holes: u64,
    /// Entries and resets outside a subscription, and replays that were not what `joined` said.
    pub(crate) misplaced: u64,
    /// Entries, replayed or live, doubled or not.
    pub(crate) deliveries: u64,
    /// Those among them that were replayed.
    pub(crate) replayed: u64,
    /// Seqs that a `reset` or `recovered: false` passed over.
    pub(crate) skipped: u64,
    pub(crate) resets_lag: u64,
    pub(crate) resets_trimmed: u64,
    pub(crate) resets_reset: u64,
    pub(crate) unrecovered_trimmed: u64,
    pub(crate) unrecovered_reset: u64,
    /// Resumes that went well.
    pub(crate) recovered: u64,
}

impl Seen {
    /// Takes the other's counts in.
    pub(crate) fn add(&mut self, other: &Self) {
        self.doubled += other.doubled;
        self.disordered += other.disordered;
        self.holes += other.holes;
        self.misplaced += other.misplaced;
        self.deliveries += other.deliveries;
        self.replayed += other.replayed;
        self.skipped += other.skipped;
        self.resets_lag += other.resets_lag;
        self.resets_trimmed += other.resets_trimmed;
        self.resets_reset += other.resets_reset;
        self.unrecovered_trimmed += other.unrecovered_trimmed;
        self.unrecovered_reset += other.unrecovered_reset;
        self.recovered += other.recovered;
    }
}

/// One client in one room. There may be a million of them, so what most never need is kept apart.
#[derive(Debug)]
pub(crate) struct Subscription {
    state: State,
    /// How often `join` was sent. Tells which subscription a request belonged to.
    turn: u32,
    seq: u64,
    /// None until the first `joined`.
    pos: Option<Arc<str>>,
    deliveries: u64,
    rest: Option<Box<Rest>>,
}

/// What is only needed once a subscription was resumed or something went wrong.
#[derive(Debug, Default)]
struct Rest {
    replay: Option<Replay>,
    /// Seqs that were left out so far, rising.
    missing: Vec<RangeInclusive<u64>>,
    seen: Seen,
}

impl Subscription {
    pub(crate) fn new() -> Self {
        Self { state: State::Absent, turn: 0, seq: 0, pos: None, deliveries: 0, rest: None }
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The turn that a request sent now belongs to, if it will find the room joined.
    pub(crate) fn turn(&self) -> Option<u32> {
        matches!(self.state, State::Joining | State::Joined).then_some(self.turn)
    }

    /// Whether what comes next is a part of a replay, and so older than the subscription.
    pub(crate) fn is_replaying(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.replay.is_some())
    }

    /// The seq of the position; 0 before the first `joined`.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Seqs that were left out and have not come.
    pub(crate) fn missing(&self) -> &[RangeInclusive<u64>] {
        self.rest.as_ref().map_or(&[], |rest| &rest.missing)
    }

    /// Whether everything up to the head of the room is owed to this subscription: it is, or was, in the room.
    pub(crate) fn is_owed_the_rest(&self) -> bool {
        self.state == State::Joined
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        let holes = self.missing().iter().map(|range| range.end() - range.start() + 1).sum();
        let seen = self.rest.as_ref().map_or_else(Seen::default, |rest| rest.seen);
        Seen { holes, deliveries: self.deliveries, ..seen }
    }

    /// `join` is sent: gives the `since` to send with it.
    pub(crate) fn join(&mut self) -> Option<Arc<str>> {
        self.state = State::Joining;
        self.turn += 1;
        self.pos.clone()
    }

    /// `join` was refused, for now.
    pub(crate) fn join_refused(&mut self) {
        self.state = State::Absent;
    }

    /// `leave` is sent.
    pub(crate) fn leave(&mut self) {
        self.state = State::Leaving;
    }

    /// `left` came, or the connection ended. The position stays, for the next `join`.
    pub(crate) fn interrupt(&mut self) {
        if self.state != State::Ended {
            self.state = State::Absent;
        }
        self.end_replay();
    }

    /// The subscription is over for good.
    pub(crate) fn end(&mut self) {
        self.state = State::Ended;
        self.end_replay();
    }

    /// `joined` came.
    pub(crate) fn joined(&mut self, joined: &Joined) {
        if self.state != State::Joining {
            self.rest().seen.misplaced += 1;
            return;
        }
        self.state = State::Joined;
        let start = joined.seq.saturating_sub(joined.replayed);
        let head_pos: Arc<str> = joined.pos.as_str().into();
        match (self.pos.is_some(), joined.recovered) {
            (false, None) => (self.seq, self.pos) = (start, Some(Arc::clone(&head_pos))),
            (true, Some(true)) => {
                // Every entry after the position was promised; a head behind it, or another number of entries, is no
                // such promise.
                let kept = self.seq + joined.replayed == joined.seq;
                let seen = &mut self.rest().seen;
                seen.recovered += 1;
                seen.misplaced += u64::from(!kept);
            }
            (true, Some(false)) => {
                let skipped = start.saturating_sub(self.seq);
                let seen = &mut self.rest().seen;
                match joined.reason {
                    Some(UnrecoveredReason::Trimmed) => seen.unrecovered_trimmed += 1,
                    Some(UnrecoveredReason::Reset) => seen.unrecovered_reset += 1,
                    None => seen.misplaced += 1,
                }
                seen.skipped += skipped;
                self.seq = start;
            }
            (true, None) | (false, Some(_)) => {
                self.rest().seen.misplaced += 1;
                (self.seq, self.pos) = (start, Some(Arc::clone(&head_pos)));
            }
        }
        if joined.replayed > 0 || self.rest.is_some() {
            self.rest().replay = Some(Replay { left: joined.replayed, head_seq: joined.seq, head_pos });
            self.end_replay_if_over();
        }
    }

    /// An entry came.
    pub(crate) fn entry(&mut self, seq: u64, pos: &Arc<str>) -> Fit {
        if !matches!(self.state, State::Joined | State::Leaving) {
            self.rest().seen.misplaced += 1;
            return Fit::Outside;
        }
        self.deliveries += 1;
        let is_replaying = self.is_replaying();
        if is_replaying {
            let rest = self.rest();
            rest.seen.replayed += 1;
            if let Some(replay) = rest.replay.as_mut() {
                replay.left = replay.left.saturating_sub(1);
            }
        }
        let fit = self.place(seq, pos);
        if is_replaying {
            self.end_replay_if_over();
        }
        fit
    }

    /// A `sent` came that stands in its entry's place. Where the entry came first, the `sent` moves nothing.
    pub(crate) fn sent_in_place(&mut self, turn: u32, seq: u64, pos: &str) -> Option<Fit> {
        let current = self.turn == turn && matches!(self.state, State::Joined | State::Leaving);
        if !current || seq <= self.seq {
            return None;
        }
        self.deliveries += 1;
        Some(self.place(seq, &pos.into()))
    }

    /// `reset` came: the next entry is `seq` + 1.
    pub(crate) fn reset(&mut self, seq: u64, pos: &str, reason: ResetReason) {
        let is_joined = matches!(self.state, State::Joined | State::Leaving);
        let skipped = seq.saturating_sub(self.seq);
        let seen = &mut self.rest().seen;
        if !is_joined {
            seen.misplaced += 1;
            return;
        }
        match reason {
            ResetReason::Lag => seen.resets_lag += 1,
            ResetReason::Trimmed => seen.resets_trimmed += 1,
            ResetReason::Reset => seen.resets_reset += 1,
        }
        seen.skipped += skipped;
        (self.seq, self.pos) = (seq, Some(pos.into()));
        self.end_replay();
    }

    fn place(&mut self, seq: u64, pos: &Arc<str>) -> Fit {
        if seq <= self.seq {
            let rest = self.rest();
            if take(&mut rest.missing, seq) {
                rest.seen.disordered += 1;
                return Fit::Disordered;
            }
            rest.seen.doubled += 1;
            return Fit::Doubled;
        }
        let next = self.seq + 1;
        (self.seq, self.pos) = (seq, Some(Arc::clone(pos)));
        if seq == next {
            return Fit::Next;
        }
        self.rest().missing.push(next..=seq - 1);
        Fit::AfterHole
    }

    fn end_replay(&mut self) {
        if let Some(rest) = self.rest.as_mut() {
            rest.replay = None;
        }
    }

    fn end_replay_if_over(&mut self) {
        let Some(rest) = self.rest.as_mut() else {
            return;
        };
        let Some(replay) = rest.replay.as_ref() else {
            return;
        };
        if replay.left > 0 && self.seq <= replay.head_seq {
            return;
        }
        if self.seq < replay.head_seq {
            rest.missing.push(self.seq + 1..=replay.head_seq);
        }
        if self.seq <= replay.head_seq {
            (self.seq, self.pos) = (replay.head_seq, Some(Arc::clone(&replay.head_pos)));
        }
        rest.replay = None;
    }
}

/// Takes one number out of the ranges, if it is in them.
fn take(ranges: &mut Vec<RangeInclusive<u64>>, number: u64) -> bool {
    let Some(at) = ranges.iter().position(|range| range.contains(&number)) else {
        return false;
    };
    let (start, end) = (*ranges[at].start(), *ranges[at].end());
    let rest = [start..=number.saturating_sub(1), number + 1..=end];
    ranges.splice(at..=at, rest.into_iter().filter(|range| !range.is_empty()));
    true
}

#[cfg(test)]
#[path = "subscription/tests.rs"]
mod tests;
