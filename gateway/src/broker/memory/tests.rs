//! The embedded broker under the promises of all brokers, and under its own.

use std::time::Duration;

use hubbub_shared::RoomName;
use proptest::prelude::*;

use super::*;
use crate::broker::conformance::model::a_log_is_like_its_model;
use crate::broker::conformance::model::plan::plans;
use crate::broker::conformance::{Fixture, Replica, broker_conformance};
use crate::broker::news;
use crate::clock::Clock;

mod bounds;
mod failing;

const START_MS: u64 = 1_700_000_000_000;
const DEDUPE_WINDOW: Duration = Duration::from_mins(5);

/// One process.
struct Process {
    store: Arc<MemoryStore>,
    bus: Arc<MemoryBus>,
    clock: Clock,
}

impl Process {
    fn new(bytes_max: u64, bus: Arc<MemoryBus>) -> Self {
        let clock = Clock::tokio(START_MS);
        Self { store: MemoryStore::new(clock.clone(), DEDUPE_WINDOW, bytes_max), bus, clock }
    }

    fn attach(&self) -> Replica<MemoryBroker> {
        let (sender, mut receivers) = news::channel(1, 100_000);
        let broker = MemoryBroker::attach(self.store.clone(), self.bus.clone(), sender);
        Replica { broker, news: receivers.remove(0) }
    }
}

impl Fixture for Process {
    type Broker = MemoryBroker;

    async fn replica(&self) -> Replica<MemoryBroker> {
        self.attach()
    }

    async fn pass_ms(&self, ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn dedupe_window_ms(&self) -> u64 {
        DEDUPE_WINDOW.as_millis() as u64
    }

    async fn lose_log(&self, room: &RoomName) {
        self.store.lose_log(room);
    }

    async fn rewind(&self, room: &RoomName, seq: u64) {
        self.store.rewind(room, seq);
    }
}

fn process() -> Process {
    Process::new(1_000_000_000, MemoryBus::new())
}

broker_conformance! {
    fixture: crate::broker::memory::tests::process,
    ordinary: tokio::test(start_paused = true),
    parallel: tokio::test(flavor = "multi_thread", worker_threads = 4),
}

proptest! {
    #[test]
    fn a_log_is_like_its_model_whatever_is_asked_of_it((retention, steps) in plans()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { a_log_is_like_its_model(process(), retention, steps).await });
    }
}
