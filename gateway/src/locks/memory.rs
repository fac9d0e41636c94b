//! The embedded version.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Held, Locks, LocksError};
use crate::clock::Clock;

/// Below this number of leases a sweep is not worth its while.
const SWEEP_LEASES_MIN: usize = 256;

/// Locks in this process's memory. Replicas share them by sharing the value.
#[derive(Debug)]
pub struct MemoryLocks {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    leases: ahash::HashMap<Arc<str>, Lease>,
    /// The last fencing token given out for any name, so that tokens rise although ended leases are forgotten.
    last_fence: u64,
    /// The number of leases at which those that have ended are swept away: twice what the last sweep left, so that
    /// sweeping costs a constant time per lease.
    sweep_at: usize,
}

#[derive(Debug)]
struct Lease {
    owner: Arc<str>,
    fence: u64,
    until_ms: u64,
}

impl MemoryLocks {
    /// Locks that nobody holds.
    pub fn new(clock: Clock) -> Self {
        let state = State { leases: ahash::HashMap::default(), last_fence: 0, sweep_at: SWEEP_LEASES_MIN };
        Self { clock, state: Mutex::new(state) }
    }
}

fn until_ms(now_ms: u64, lease: Duration) -> u64 {
    now_ms.saturating_add(lease.as_millis() as u64)
}

#[async_trait]
impl Locks for MemoryLocks {
    async fn acquire(&self, name: &str, owner: &str, lease: Duration) -> Result<Option<Held>, LocksError> {
        let now_ms = self.clock.now_ms();
        Ok(self.state.lock().acquire(name, owner, now_ms, until_ms(now_ms, lease)))
    }

    async fn renew(&self, held: &Held, lease: Duration) -> Result<bool, LocksError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        Ok(state.standing(held, now_ms).map(|standing| standing.until_ms = until_ms(now_ms, lease)).is_some())
    }

    async fn release(&self, held: Held) -> Result<bool, LocksError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.state.lock();
        let stands = state.standing(&held, now_ms).is_some();
        if stands {
            state.leases.remove(&held.name);
        }
        Ok(stands)
    }
}

impl State {
    fn acquire(&mut self, name: &str, owner: &str, now_ms: u64, until_ms: u64) -> Option<Held> {
        if let Some(lease) = self.leases.get_mut(name).filter(|lease| lease.until_ms > now_ms) {
            if *lease.owner != *owner {
                return None;
            }
            lease.until_ms = until_ms;
            return Some(Held { name: Arc::from(name), owner: Arc::clone(&lease.owner), fence: lease.fence });
        }
        self.sweep(now_ms);
        self.last_fence += 1;
        let held = Held { name: Arc::from(name), owner: Arc::from(owner), fence: self.last_fence };
        let lease = Lease { owner: Arc::clone(&held.owner), fence: held.fence, until_ms };
        self.leases.insert(Arc::clone(&held.name), lease);
        Some(held)
    }

    /// The lease that was got with this fence, unless it was lost.
    fn standing(&mut self, held: &Held, now_ms: u64) -> Option<&mut Lease> {
        self.leases.get_mut(&held.name).filter(|lease| lease.fence == held.fence && lease.until_ms > now_ms)
    }

    fn sweep(&mut self, now_ms: u64) {
        if self.leases.len() >= self.sweep_at {
            self.leases.retain(|_, lease| lease.until_ms > now_ms);
            self.sweep_at = (self.leases.len() * 2).max(SWEEP_LEASES_MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locks::conformance::{Fixture, locks_conformance};

    struct Memory(Arc<MemoryLocks>);

    impl Fixture for Memory {
        const UNIT: Duration = Duration::from_secs(1);

        async fn new() -> Self {
            Self(Arc::new(MemoryLocks::new(Clock::tokio(0))))
        }

        async fn replica(&self) -> Arc<dyn Locks> {
            Arc::clone(&self.0) as Arc<dyn Locks>
        }
    }

    locks_conformance!(Memory, #[tokio::test(start_paused = true)]);

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_to_the_millisecond() {
        let locks = MemoryLocks::new(Clock::tokio(0));
        let held = locks.acquire("a", "ada", Duration::from_millis(500)).await.unwrap().unwrap();
        tokio::time::advance(Duration::from_millis(499)).await;
        assert!(locks.renew(&held, Duration::from_millis(500)).await.unwrap());
        tokio::time::advance(Duration::from_millis(499)).await;
        assert_eq!(locks.acquire("a", "bob", Duration::from_secs(1)).await.unwrap(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(locks.acquire("a", "bob", Duration::from_secs(1)).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn leases_that_ended_are_forgotten() {
        let locks = MemoryLocks::new(Clock::tokio(0));
        for number in 0..20 * SWEEP_LEASES_MIN {
            locks.acquire(&number.to_string(), "ada", Duration::from_millis(1)).await.unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(locks.state.lock().leases.len() <= SWEEP_LEASES_MIN);
    }
}
