//! The embedded presence store under the promises of all presence stores, and under its own.

use proptest::prelude::*;

use super::*;
use crate::broker::conformance::{Replica as Listener, a_room};
use crate::broker::memory::{MemoryBroker, MemoryStore};
use crate::broker::news;
use crate::presence::conformance::model::{plans, presence_is_like_its_model};
use crate::presence::conformance::{Fixture, Replica, pass_alive, presence_conformance};

const LEASE: Duration = Duration::from_secs(9);

/// One process.
struct Process {
    store: Arc<MemoryPresenceStore>,
    logs: Arc<MemoryStore>,
    bus: Arc<MemoryBus>,
    clock: Clock,
}

impl Fixture for Process {
    type Presence = MemoryPresence;
    type Broker = MemoryBroker;

    async fn replica(&self) -> Replica<MemoryPresence, MemoryBroker> {
        let (sender, mut receivers) = news::channel(1, 100_000);
        let broker = MemoryBroker::attach(self.logs.clone(), self.bus.clone(), sender);
        let presence = MemoryPresence::attach(self.store.clone(), self.bus.clone(), self.clock.clone(), LEASE);
        Replica { presence, listener: Listener { broker, news: receivers.remove(0) } }
    }

    async fn pass_ms(&self, ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    fn lease_ms(&self) -> u64 {
        LEASE.as_millis() as u64
    }
}

fn process() -> Process {
    let clock = Clock::tokio(1_700_000_000_000);
    let logs = MemoryStore::new(clock.clone(), Duration::from_mins(5), 1_000_000);
    Process { store: MemoryPresenceStore::new(), logs, bus: MemoryBus::new(), clock }
}

presence_conformance! {
    fixture: crate::presence::memory::tests::process,
    ordinary: tokio::test(start_paused = true),
    parallel: tokio::test(flavor = "multi_thread", worker_threads = 4),
}

proptest! {
    #[test]
    fn presence_is_like_its_model_whatever_happens(steps in plans()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { presence_is_like_its_model(process(), steps).await });
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_anywhere_takes_no_memory() {
    let process = process();
    let (one, two, room) = (process.replica().await, process.replica().await, a_room());
    one.declare(&room, "ada", 1).await;
    one.declare(&room, "bob", 0).await;
    two.declare(&room, "ada", 2).await;
    one.declare(&room, "ada", 0).await;
    drop(two);
    pass_alive(&process, &[&one], process.lease_ms()).await;
    assert_eq!(one.presence.sweep().await.unwrap(), 1);
    assert!(process.store.0.lock().leases.values().all(|leased| leased.declarations.is_empty()));
    one.presence.resign().await.unwrap();
    let state = process.store.0.lock();
    assert!(state.rooms.is_empty());
    assert!(state.leases.is_empty());
}
