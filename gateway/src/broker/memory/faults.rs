//! An embedded broker that fails as a real one may, for tests of what stands on it: a bus that loses, doubles and
//! reorders, and a store that comes back without its newest entries or without any.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use hubbub_shared::RoomName;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::bus::{Interference, ReplicaNumber};
use super::room::Room;
use super::store::MemoryStore;
use crate::broker::{Envelope, News};

/// How the bus treats a replica.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Conduct {
    /// Brings everything, once and in order, after what it had held back.
    #[default]
    Faithful,
    /// Fails at random; each share is from 0 to 1.
    Flaky {
        /// The share of envelopes that never come.
        lose: f64,
        /// The share of envelopes that come twice.
        double: f64,
        /// The share of envelopes that come later, after others of any room.
        delay: f64,
        /// The share of losses that are told as [`News::Missed`].
        tell: f64,
    },
    /// Brings nothing.
    Deaf,
}

/// Decides by a seed what becomes of each envelope. Clones act on the same bus.
#[derive(Clone)]
pub struct Faults(Arc<Mutex<State>>);

struct State {
    rng: StdRng,
    replicas: HashMap<ReplicaNumber, Replica>,
}

#[derive(Default)]
struct Replica {
    conduct: Conduct,
    held_back: Vec<Envelope>,
}

impl Faults {
    /// No faults yet.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { rng: StdRng::seed_from_u64(seed), replicas: HashMap::new() })))
    }

    /// Changes how the bus treats a replica from here on.
    pub fn set(&self, replica: ReplicaNumber, conduct: Conduct) {
        self.0.lock().replicas.entry(replica).or_default().conduct = conduct;
    }

    /// What to give to [`super::MemoryBus::with_interference`].
    pub fn interference(&self) -> Interference {
        let faults = self.clone();
        Box::new(move |replica, envelope| {
            let State { rng, replicas } = &mut *faults.0.lock();
            replicas.entry(replica).or_default().pass(envelope, rng)
        })
    }
}

impl Replica {
    fn pass(&mut self, envelope: Envelope, rng: &mut StdRng) -> Vec<News> {
        let mut news = Vec::new();
        match self.conduct {
            Conduct::Faithful => {
                news.extend(self.held_back.drain(..).map(News::Envelope));
                news.push(News::Envelope(envelope));
            }
            Conduct::Flaky { lose, double, delay, tell } => {
                if rng.random_bool(lose) {
                    news.extend(rng.random_bool(tell).then_some(News::Missed));
                } else if rng.random_bool(delay) {
                    self.held_back.push(envelope);
                } else {
                    news.extend(rng.random_bool(double).then(|| News::Envelope(envelope.clone())));
                    news.push(News::Envelope(envelope));
                    let come_now = self.held_back.extract_if(.., |_| rng.random_bool(0.5));
                    news.extend(come_now.map(News::Envelope));
                }
            }
            Conduct::Deaf => {}
        }
        news
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Loses the log of a room, as a store does that comes back empty; its next entry begins a new log. Keys stay, as
    /// they may in a store that loses one thing and not the other.
    pub fn lose_log(&self, room: &RoomName) {
        self.with(room, |room, _now_ms| room.lose_log());
    }

    /// Loses the entries of a room after the one with this number, as a failover to a replica that lagged does; the
    /// numbers will be given out again. Nothing happens where retention has passed that entry.
    pub fn rewind(&self, room: &RoomName, seq: u64) {
        self.with(room, |room: &mut Room, _now_ms| room.rewind(seq));
    }
}
