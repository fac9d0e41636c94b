//! The position in one room, by the rules of the protocol (§3), and what one subscription saw on its way.
//!
//! A subscription outlives its connection: who resumes goes on where they were, and what was missed meanwhile must
//! come. `seq` then rises by exactly 1 from entry to entry, unless the gateway says otherwise (`reset`,
//! `recovered: false`); whatever else happens is counted.

use std::ops::RangeInclusive;

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

/// Where a client stands in a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Position {
    seq: u64,
    pos: String,
}

/// The entries that `joined` announced.
#[derive(Debug)]
struct Replay {
    left: u64,
    head: Position,
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

/// One client in one room.
#[derive(Debug)]
pub(crate) struct Subscription {
    state: State,
    /// How often `join` was sent. Tells which subscription a request belonged to.
    turn: u32,
    /// None until the first `joined`.
    position: Option<Position>,
    replay: Option<Replay>,
    /// Seqs that were left out so far, rising.
    missing: Vec<RangeInclusive<u64>>,
    seen: Seen,
}

impl Subscription {
    pub(crate) fn new() -> Self {
        Self { state: State::Absent, turn: 0, position: None, replay: None, missing: Vec::new(), seen: Seen::default() }
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
        self.replay.is_some()
    }

    /// The seq of the position; 0 before the first `joined`.
    pub(crate) fn seq(&self) -> u64 {
        self.position.as_ref().map_or(0, |position| position.seq)
    }

    /// Seqs that were left out and have not come.
    pub(crate) fn missing(&self) -> &[RangeInclusive<u64>] {
        &self.missing
    }

    /// Whether everything up to the head of the room is owed to this subscription: it is, or was, in the room.
    pub(crate) fn is_owed_the_rest(&self) -> bool {
        self.state == State::Joined
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> Seen {
        let holes = self.missing.iter().map(|range| range.end() - range.start() + 1).sum();
        Seen { holes, ..self.seen }
    }

    /// `join` is sent: gives the `since` to send with it.
    pub(crate) fn join(&mut self) -> Option<String> {
        self.state = State::Joining;
        self.turn += 1;
        self.position.as_ref().map(|position| position.pos.clone())
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
        self.replay = None;
    }

    /// The subscription is over for good.
    pub(crate) fn end(&mut self) {
        self.state = State::Ended;
        self.replay = None;
    }

    /// `joined` came.
    pub(crate) fn joined(&mut self, joined: &Joined) {
        if self.state != State::Joining {
            self.seen.misplaced += 1;
            return;
        }
        self.state = State::Joined;
        let start = joined.seq.saturating_sub(joined.replayed);
        let head = Position { seq: joined.seq, pos: joined.pos.clone() };
        match (self.position.as_mut(), joined.recovered) {
            (None, None) => self.position = Some(Position { seq: start, pos: joined.pos.clone() }),
            (Some(position), Some(true)) => {
                self.seen.recovered += 1;
                // Every entry after the position was promised; a head behind it, or another number of entries, is no
                // such promise.
                if position.seq + joined.replayed != joined.seq {
                    self.seen.misplaced += 1;
                }
            }
            (Some(position), Some(false)) => {
                match joined.reason {
                    Some(UnrecoveredReason::Trimmed) => self.seen.unrecovered_trimmed += 1,
                    Some(UnrecoveredReason::Reset) => self.seen.unrecovered_reset += 1,
                    None => self.seen.misplaced += 1,
                }
                self.seen.skipped += start.saturating_sub(position.seq);
                position.seq = start;
            }
            (Some(_), None) | (None, Some(_)) => {
                self.seen.misplaced += 1;
                self.position = Some(Position { seq: start, pos: joined.pos.clone() });
            }
        }
        self.replay = Some(Replay { left: joined.replayed, head });
        self.end_replay_if_over();
    }

    /// An entry came.
    pub(crate) fn entry(&mut self, seq: u64, pos: &str) -> Fit {
        if !matches!(self.state, State::Joined | State::Leaving) {
            self.seen.misplaced += 1;
            return Fit::Outside;
        }
        self.seen.deliveries += 1;
        if let Some(replay) = self.replay.as_mut() {
            self.seen.replayed += 1;
            replay.left = replay.left.saturating_sub(1);
        }
        let fit = self.place(seq, pos);
        self.end_replay_if_over();
        fit
    }

    /// A `sent` came that stands in its entry's place. Where the entry came first, the `sent` moves nothing.
    pub(crate) fn sent_in_place(&mut self, turn: u32, seq: u64, pos: &str) -> Option<Fit> {
        let current = self.turn == turn && matches!(self.state, State::Joined | State::Leaving);
        if !current || seq <= self.seq() {
            return None;
        }
        self.seen.deliveries += 1;
        Some(self.place(seq, pos))
    }

    /// `reset` came: the next entry is `seq` + 1.
    pub(crate) fn reset(&mut self, seq: u64, pos: &str, reason: ResetReason) {
        if !matches!(self.state, State::Joined | State::Leaving) {
            self.seen.misplaced += 1;
            return;
        }
        match reason {
            ResetReason::Lag => self.seen.resets_lag += 1,
            ResetReason::Trimmed => self.seen.resets_trimmed += 1,
            ResetReason::Reset => self.seen.resets_reset += 1,
        }
        self.seen.skipped += seq.saturating_sub(self.seq());
        self.position = Some(Position { seq, pos: pos.to_owned() });
        self.replay = None;
    }

    fn place(&mut self, seq: u64, pos: &str) -> Fit {
        let Some(position) = self.position.as_mut() else {
            return Fit::Outside;
        };
        if seq <= position.seq {
            if take(&mut self.missing, seq) {
                self.seen.disordered += 1;
                return Fit::Disordered;
            }
            self.seen.doubled += 1;
            return Fit::Doubled;
        }
        let next = position.seq + 1;
        position.seq = seq;
        pos.clone_into(&mut position.pos);
        if seq == next {
            return Fit::Next;
        }
        self.missing.push(next..=seq - 1);
        Fit::AfterHole
    }

    fn end_replay_if_over(&mut self) {
        let (Some(replay), Some(position)) = (self.replay.as_ref(), self.position.as_mut()) else {
            return;
        };
        if replay.left > 0 && position.seq <= replay.head.seq {
            return;
        }
        if position.seq < replay.head.seq {
            self.missing.push(position.seq + 1..=replay.head.seq);
        }
        if position.seq <= replay.head.seq {
            *position = replay.head.clone();
        }
        self.replay = None;
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
