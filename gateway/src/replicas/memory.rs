//! The embedded version.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Announcement, Replica, Replicas, ReplicasError, sort};
use crate::clock::Clock;

/// The announcements of replicas that share this process.
#[derive(Debug)]
pub struct MemoryReplicasStore {
    clock: Clock,
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many replicas were attached; the number of the next one.
    attached: u64,
    /// What each said last, and when, Unix milliseconds.
    announced: BTreeMap<u64, (Announcement, u64)>,
}

/// One replica's view of the store.
#[derive(Debug)]
pub struct MemoryReplicas {
    store: Arc<MemoryReplicasStore>,
    number: u64,
}

impl MemoryReplicasStore {
    /// A store in which an announcement counts for so long.
    pub fn new(clock: Clock, lease: Duration) -> Arc<Self> {
        Arc::new(Self { clock, lease, state: Mutex::default() })
    }
}

impl MemoryReplicas {
    /// One more replica.
    pub fn attach(store: Arc<MemoryReplicasStore>) -> Self {
        let number = {
            let mut state = store.state.lock();
            state.attached += 1;
            state.attached
        };
        Self { store, number }
    }
}

#[async_trait]
impl Replicas for MemoryReplicas {
    async fn announce(&self, announcement: &Announcement) -> Result<(), ReplicasError> {
        let MemoryReplicasStore { clock, lease, state } = &*self.store;
        let now_ms = clock.now_ms();
        let mut state = state.lock();
        state.announced.retain(|_, (_, announced_ms)| now_ms.saturating_sub(*announced_ms) < lease.as_millis() as u64);
        state.announced.insert(self.number, (announcement.clone(), now_ms));
        Ok(())
    }

    async fn withdraw(&self) -> Result<(), ReplicasError> {
        self.store.state.lock().announced.remove(&self.number);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Replica>, ReplicasError> {
        let MemoryReplicasStore { clock, lease, state } = &*self.store;
        let now_ms = clock.now_ms();
        let state = state.lock();
        let mut replicas: Vec<_> = state
            .announced
            .values()
            .map(|(announcement, announced_ms)| Replica {
                announcement: announcement.clone(),
                age_ms: now_ms.saturating_sub(*announced_ms),
            })
            .filter(|replica| replica.age_ms < lease.as_millis() as u64)
            .collect();
        sort(&mut replicas);
        Ok(replicas)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::replicas::conformance::{Fixture, announcement, replicas_conformance};
    use crate::replicas::{INTERVAL, LEASE, keep_announced};

    struct Memory(Arc<MemoryReplicasStore>);

    impl Fixture for Memory {
        async fn new(lease: Duration) -> Self {
            Self(MemoryReplicasStore::new(Clock::tokio(1_790_000_000_000), lease))
        }

        async fn replica(&self) -> Arc<dyn Replicas> {
            Arc::new(MemoryReplicas::attach(self.0.clone()))
        }

        async fn pass(&self, time: Duration) {
            advance(time).await;
        }
    }

    replicas_conformance!(Memory, #[tokio::test(start_paused = true)]);

    #[tokio::test(start_paused = true)]
    async fn a_replica_is_there_while_it_runs_and_gone_when_it_stops() {
        let store = Memory::new(LEASE).await;
        let (here, there) = (store.replica().await, store.replica().await);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep_announced(here, || announcement("here"), stop.clone()));
        for _ in 0..20 {
            sleep(INTERVAL / 2).await;
            let seen = there.list().await.unwrap();
            assert!(seen.len() == 1 && seen[0].age_ms <= INTERVAL.as_millis() as u64, "{seen:?}");
        }
        stop.cancel();
        task.await.unwrap();
        assert_eq!(there.list().await.unwrap(), []);
    }
}
