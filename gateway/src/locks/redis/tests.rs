//! Locks in a real Redis under the promises of all lock stores, and under their own.

use hubbub_testbed::RedisServer;

use super::*;
use crate::locks::conformance::{Fixture, locks_conformance};
use crate::redis::testing::{Connected, connect};

struct Store {
    redis: Connected,
    server: RedisServer,
}

impl Store {
    fn start() -> Self {
        let server = RedisServer::start();
        Self { redis: connect(&server.url()), server }
    }

    fn locks(&self) -> RedisLocks {
        RedisLocks::new(self.redis.clone())
    }
}

impl Fixture for Store {
    const UNIT: Duration = Duration::from_millis(250);

    async fn new() -> Self {
        Self::start()
    }

    async fn replica(&self) -> Arc<dyn Locks> {
        Arc::new(self.locks())
    }
}

locks_conformance!(Store, #[tokio::test]);

#[tokio::test]
async fn a_lease_ends_to_the_millisecond() {
    let store = Store::start();
    let (locks, start_ms) = (store.locks(), 1_800_000_000_000);
    store.redis.set_now_ms(Some(start_ms));
    let held = locks.acquire("a", "ada", Duration::from_millis(500)).await.unwrap().unwrap();
    store.redis.set_now_ms(Some(start_ms + 499));
    assert!(locks.renew(&held, Duration::from_millis(500)).await.unwrap());
    store.redis.set_now_ms(Some(start_ms + 998));
    assert_eq!(locks.acquire("a", "bob", Duration::from_secs(1)).await.unwrap(), None);
    store.redis.set_now_ms(Some(start_ms + 999));
    assert!(locks.acquire("a", "bob", Duration::from_secs(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn fences_rise_though_the_store_lost_everything() {
    let store = Store::start();
    let (locks, start_ms) = (store.locks(), 1_800_000_000_000);
    store.redis.set_now_ms(Some(start_ms));
    let first = locks.acquire("a", "ada", Duration::from_mins(1)).await.unwrap().unwrap();
    assert_eq!(store.server.cli(&["FLUSHALL"]).unwrap(), "OK");
    store.redis.set_now_ms(Some(start_ms + 1));
    let second = locks.acquire("a", "bob", Duration::from_mins(1)).await.unwrap().unwrap();
    assert!(second.fence > first.fence, "{} after {}", second.fence, first.fence);
    assert!(!locks.renew(&first, Duration::from_mins(1)).await.unwrap());
}

#[tokio::test]
async fn fences_rise_though_the_clock_goes_back() {
    let store = Store::start();
    let (locks, start_ms) = (store.locks(), 1_800_000_000_000);
    store.redis.set_now_ms(Some(start_ms));
    let first = locks.acquire("a", "ada", Duration::from_millis(1)).await.unwrap().unwrap();
    assert!(locks.release(first.clone()).await.unwrap());
    store.redis.set_now_ms(Some(start_ms - 100_000));
    let second = locks.acquire("a", "bob", Duration::from_mins(10)).await.unwrap().unwrap();
    assert!(second.fence > first.fence, "{} after {}", second.fence, first.fence);
}

#[tokio::test]
async fn a_lock_can_be_got_from_a_store_that_is_full() {
    let store = Store::start();
    let locks = store.locks();
    assert_eq!(store.server.cli(&["CONFIG", "SET", "maxmemory", "1"]).unwrap(), "OK");
    let held = locks.acquire("a", "ada", Duration::from_mins(1)).await.unwrap().unwrap();
    assert!(locks.renew(&held, Duration::from_mins(1)).await.unwrap());
    assert!(locks.release(held).await.unwrap());
}
