//! Announcements in a real Redis.

use hubbub_testbed::RedisServer;
use parking_lot::Mutex;
use tokio::task::block_in_place;

use super::*;
use crate::redis::testing::{Connected, connect};
use crate::replicas::LEASE;
use crate::replicas::conformance::{Fixture, announcement, replicas_conformance};

struct Shared {
    server: RedisServer,
    lease: Duration,
    now_ms: Mutex<u64>,
    connected: Mutex<Vec<Connected>>,
}

impl Fixture for Shared {
    async fn new(lease: Duration) -> Self {
        let server = block_in_place(RedisServer::start);
        Self { server, lease, now_ms: Mutex::new(1_790_000_000_000), connected: Mutex::default() }
    }

    async fn replica(&self) -> Arc<dyn Replicas> {
        let connected = connect(&self.server.url());
        connected.set_now_ms(Some(*self.now_ms.lock()));
        let replicas = RedisReplicas::attach(connected.redis.clone(), self.lease);
        self.connected.lock().push(connected);
        Arc::new(replicas)
    }

    async fn pass(&self, time: Duration) {
        let mut now_ms = self.now_ms.lock();
        *now_ms += time.as_millis() as u64;
        for connected in &*self.connected.lock() {
            connected.set_now_ms(Some(*now_ms));
        }
    }
}

replicas_conformance!(Shared, #[tokio::test(flavor = "multi_thread")]);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_replicas_that_died_is_collected() {
    let store = Shared::new(LEASE).await;
    for number in 0..5 {
        store.replica().await.announce(&announcement(&number.to_string())).await.unwrap();
    }
    store.pass(LEASE).await;
    store.replica().await.announce(&announcement("last")).await.unwrap();
    let keys = connect(&store.server.url());
    let key = keys.keys().key(keys.keys().user("replicas"), "replicas", "all");
    assert_eq!(store.server.cli(&["HLEN", &key]).unwrap(), "1");
    let left_ms: u64 = store.server.cli(&["PTTL", &key]).unwrap().parse().unwrap();
    assert!((10_000..=100_000).contains(&left_ms), "{left_ms}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_says_so() {
    let store = Shared::new(LEASE).await;
    let replica = store.replica().await;
    replica.announce(&announcement("here")).await.unwrap();
    store.server.kill();
    assert!(matches!(replica.list().await, Err(ReplicasError::Unavailable)));
    assert!(matches!(replica.announce(&announcement("here")).await, Err(ReplicasError::Unavailable)));
}
