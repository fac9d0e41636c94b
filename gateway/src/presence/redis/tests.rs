//! Presence in a real Redis under the promises of all presence stores, and under its own.

use std::sync::atomic::{AtomicU64, Ordering};

use hubbub_testbed::RedisServer;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::broker::conformance::{Replica as Listener, a_room};
use crate::broker::news;
use crate::broker::redis::{BusEar, RedisBroker};
use crate::clock::Clock;
use crate::locks::memory::MemoryLocks;
use crate::locks::redis::RedisLocks;
use crate::presence::conformance::model::{plans, presence_is_like_its_model};
use crate::presence::conformance::{Fixture, Replica, presence_conformance};
use crate::redis::testing;

mod cluster;
mod failing;
mod many;

const LEASE: Duration = Duration::from_secs(9);
const DEDUPE_WINDOW: Duration = Duration::from_mins(5);
const START_MS: u64 = 1_800_000_000_000;

type Attached = Replica<RedisPresence, RedisBroker>;

/// A Redis, for which time stands still.
struct Store {
    server: RedisServer,
    redis: Arc<Redis>,
    now_ms: AtomicU64,
    locks: fn(&Self) -> Arc<dyn Locks>,
    stop: CancellationToken,
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Connects to a Redis, for which time stands still.
fn connect(url: &str, stop: &CancellationToken) -> Arc<Redis> {
    let redis = testing::start(url, Duration::from_secs(2), &TaskTracker::new(), stop);
    redis.set_now_ms(Some(START_MS));
    redis
}

impl Store {
    fn on(server: RedisServer) -> Self {
        let stop = CancellationToken::new();
        let redis = connect(&server.url(), &stop);
        let locks = |store: &Self| Arc::new(RedisLocks::new(store.redis.clone())) as Arc<dyn Locks>;
        Self { server, redis, now_ms: AtomicU64::new(START_MS), locks, stop }
    }

    fn presence(&self) -> RedisPresence {
        RedisPresence::attach(self.redis.clone(), (self.locks)(self), LEASE, TaskTracker::new())
    }

    fn cli(&self, command: &str) -> String {
        self.server.cli(&command.split(' ').collect::<Vec<_>>()).unwrap()
    }

    /// How often scripts were called since the last time that this was asked.
    fn calls(&self) -> u64 {
        // Every call begins with one, whether the server knows the script or not.
        let stat = self.server.info("cmdstat_evalsha").unwrap_or_default();
        let calls = stat.split(',').find_map(|figure| figure.strip_prefix("calls="));
        let calls = calls.map_or(0, |calls| calls.parse().unwrap());
        self.cli("CONFIG RESETSTAT");
        calls
    }
}

impl Fixture for Store {
    type Presence = RedisPresence;
    type Broker = RedisBroker;

    async fn replica(&self) -> Attached {
        let (sender, mut receivers) = news::channel(1, 100_000);
        let bus = self.redis.listen(Arc::new(BusEar::new(sender)), &TaskTracker::new(), self.stop.clone());
        let broker = RedisBroker::attach(self.redis.clone(), Arc::new(bus), DEDUPE_WINDOW, TaskTracker::new());
        let presence = self.presence();
        assert_eq!(presence.renew().await, Renewal::default());
        Replica { presence, listener: Listener { broker, news: receivers.remove(0) } }
    }

    async fn pass_ms(&self, ms: u64) {
        let now_ms = self.now_ms.fetch_add(ms, Ordering::Relaxed) + ms;
        self.redis.set_now_ms(Some(now_ms));
    }

    fn lease_ms(&self) -> u64 {
        LEASE.as_millis() as u64
    }
}

fn store() -> Store {
    Store::on(RedisServer::start())
}

presence_conformance! {
    fixture: crate::presence::redis::tests::store,
    ordinary: tokio::test,
    parallel: tokio::test(flavor = "multi_thread", worker_threads = 4),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn presence_is_like_its_model_whatever_happens(steps in plans()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // In the model everybody may sweep.
            let mut store = store();
            store.locks = |_| Arc::new(MemoryLocks::new(Clock::System));
            presence_is_like_its_model(store, steps).await;
        });
    }
}
