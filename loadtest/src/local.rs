//! What belongs to one thread, for all its clients. Nobody else touches it until the run is over.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use mio::Registry;

use crate::client::Rest;
use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::payload::{Payload, Place};
use crate::phase::Turn;
use crate::recent::Recent;
use crate::shared::Shared;
use crate::tally::Tallies;

/// Runs with more messages are not asked for the spread of each.
pub(crate) const SPREADS_MAX: u64 = 1_000;

/// What a client does later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    /// Connects.
    Connect,
    /// Leaves a room to come back to it, or makes up its mind to go away.
    Churn,
    /// Goes away, if it has not by then.
    Part,
    /// Goes to another replica.
    Move,
    /// Joins a room again.
    Rejoin { subscription: u32 },
    /// Reads again.
    Awake,
    /// No longer waits for the answer to its goodbye.
    GiveUp,
}

/// A client's appointment. It is void once the client has had another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) at: Instant,
    pub(crate) client: u32,
    pub(crate) connection: u32,
    pub(crate) action: Action,
}

/// What a frame was found to be.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) room: u32,
    /// The message, if it is one of ours.
    pub(crate) ours: Option<Ours>,
    pub(crate) place: Where,
}

/// A message of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours {
    pub(crate) message: u64,
    pub(crate) due_us: Option<u64>,
}

/// Where a message stands in its room.
#[derive(Debug)]
pub(crate) enum Where {
    Log { seq: u64, pos: Arc<str> },
    Numbered(Place),
}

/// When a message was delivered, in microseconds of Unix time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread {
    pub(crate) due_us: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    pub(crate) deliveries: u64,
}

impl Spread {
    fn delivered(&mut self, due_us: u64, at_us: u64) {
        if self.deliveries == 0 {
            (self.due_us, self.first_us) = (due_us, at_us);
        }
        self.last_us = self.last_us.max(at_us);
        self.deliveries += 1;
    }

    /// Takes in what another thread saw of the same message.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.deliveries == 0 || other.deliveries == 0 {
            if self.deliveries == 0 {
                *self = *other;
            }
            return;
        }
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.deliveries += other.deliveries;
    }
}

/// What belongs to one thread, for all its clients.
pub(crate) struct Local {
    pub(crate) shared: Arc<Shared>,
    pub(crate) registry: Registry,
    pub(crate) turn: Turn,
    /// When the turn began.
    pub(crate) since: Instant,
    pub(crate) ledgers: HashMap<u32, Ledger, ahash::RandomState>,
    pub(crate) recent: Recent<Known>,
    pub(crate) latencies: Latencies,
    pub(crate) tallies: Tallies,
    /// By the number of the message, where there are few.
    pub(crate) spreads: Vec<Spread>,
    /// When the last entry came.
    pub(crate) delivered_at: Option<Instant>,
    pub(crate) timers: BinaryHeap<Reverse<Timer>>,
    /// Clients that want to connect.
    pub(crate) lined_up: VecDeque<u32>,
    /// Connections that are not in their rooms yet.
    pub(crate) on_the_way: usize,
    /// Clients that are in all their rooms.
    pub(crate) in_rooms: u64,
    /// What is left of the clients when the run is over.
    pub(crate) rests: Vec<Rest>,
}

impl Local {
    pub(crate) fn new(shared: Arc<Shared>, registry: Registry) -> Self {
        let messages = shared.schedule.count();
        let spreads = if messages <= SPREADS_MAX { messages as usize } else { 0 };
        Self {
            registry,
            turn: shared.current.get(),
            since: Instant::now(),
            ledgers: HashMap::default(),
            recent: Recent::new(),
            latencies: Latencies::default(),
            tallies: Tallies::default(),
            spreads: vec![Spread::default(); spreads],
            delivered_at: None,
            timers: BinaryHeap::new(),
            lined_up: VecDeque::new(),
            on_the_way: 0,
            in_rooms: 0,
            rests: Vec::new(),
            shared,
        }
    }

    pub(crate) fn ledger(&mut self, room: u32) -> &mut Ledger {
        let shared = &self.shared;
        self.ledgers.entry(room).or_insert_with(|| Ledger::new(shared.plan.senders, shared.hasher.clone()))
    }

    pub(crate) fn fork(&mut self, room: u32) {
        self.ledger(room).fork();
        self.shared.rooms[room as usize].fork();
    }

    /// The message that data holds, if it is one of this run.
    pub(crate) fn read<'a>(&self, data: Option<&'a str>) -> Option<Payload<'a>> {
        Payload::read(data?).filter(|payload| payload.run == self.shared.plan.run)
    }

    /// A message came for the first time on its subscription, and its latency counts.
    pub(crate) fn delivered(&mut self, ours: Option<Ours>, now: Instant) {
        if let Some(Ours { message, due_us: Some(due_us) }) = ours {
            let now_us = self.shared.clock.unix_us(now);
            self.latencies.delivered.record_us(now_us.saturating_sub(due_us));
            if let Some(spread) = self.spreads.get_mut(message as usize) {
                spread.delivered(due_us, now_us);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_a_message_goes_from_the_first_delivery_to_the_last_of_all_threads() {
        let deliver = |moments: &[u64]| {
            let mut spread = Spread::default();
            for &at_us in moments {
                spread.delivered(10, at_us);
            }
            spread
        };
        let mut spread = deliver(&[30, 50]);
        spread.merge(&deliver(&[20, 40]));
        spread.merge(&deliver(&[]));
        let mut other = deliver(&[]);
        other.merge(&spread);
        assert_eq!((other.due_us, other.first_us, other.last_us, other.deliveries), (10, 20, 50, 4));
    }
}
