//! What a store of announcements promises, as tests that every implementation is put through.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::{Announcement, Replica, Replicas};

/// A store to be put through the tests.
pub(crate) trait Fixture {
    /// A store of its own, in which an announcement counts for so long.
    async fn new(lease: Duration) -> Self;

    /// One more replica.
    async fn replica(&self) -> Arc<dyn Replicas>;

    /// Lets time pass for the store.
    async fn pass(&self, time: Duration);
}

/// The tests for one implementation: `replicas_conformance!(its fixture, #[test attribute])`.
macro_rules! replicas_conformance {
    ($fixture:ty, #[$test:meta]) => {
        replicas_conformance!($fixture, #[$test],
            an_announced_replica_is_seen_by_all_as_it_said,
            a_replica_that_falls_silent_is_seen_until_its_lease_runs_out,
            the_last_announcement_counts,
            a_replica_that_withdraws_is_gone_and_may_come_back,
            two_replicas_of_one_name_are_two,
            replicas_are_listed_the_oldest_first
        );
    };
    ($fixture:ty, #[$test:meta], $($promise:ident),+) => {$(
        #[$test]
        async fn $promise() {
            $crate::replicas::conformance::$promise::<$fixture>().await;
        }
    )+};
}
pub(crate) use replicas_conformance;

const LEASE: Duration = Duration::from_secs(10);

pub(crate) fn announcement(id: &str) -> Announcement {
    Announcement {
        id: id.to_owned(),
        address: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 8080)),
        version: "1.2.3".to_owned(),
        connections: 7,
        rooms: 3,
        began_ms: 1_790_000_000_000,
    }
}

async fn ids(replicas: &Arc<dyn Replicas>) -> Vec<String> {
    let listed = replicas.list().await.unwrap();
    listed.into_iter().map(|replica| replica.announcement.id).collect()
}

pub(crate) async fn an_announced_replica_is_seen_by_all_as_it_said<F: Fixture>() {
    let store = F::new(LEASE).await;
    let (here, there) = (store.replica().await, store.replica().await);
    assert_eq!(here.list().await.unwrap(), []);
    let address = "[2001:db8::7]:443".parse().unwrap();
    let said = Announcement { address, version: "1.0.0 \"beta\"\n".to_owned(), ..announcement("räumlich {}") };
    here.announce(&said).await.unwrap();
    store.pass(Duration::from_millis(2_500)).await;
    for replica in [&here, &there] {
        assert_eq!(replica.list().await.unwrap(), [Replica { announcement: said.clone(), age_ms: 2_500 }]);
    }
}

pub(crate) async fn a_replica_that_falls_silent_is_seen_until_its_lease_runs_out<F: Fixture>() {
    let store = F::new(LEASE).await;
    let (here, there) = (store.replica().await, store.replica().await);
    here.announce(&announcement("here")).await.unwrap();
    store.pass(LEASE / 2).await;
    there.announce(&announcement("there")).await.unwrap();
    let (last, moment) = (Duration::from_millis(4_999), Duration::from_millis(1));
    store.pass(last).await;
    assert_eq!(ids(&there).await, ["here", "there"]);
    store.pass(moment).await;
    assert_eq!(ids(&there).await, ["there"]);
    there.announce(&announcement("there")).await.unwrap();
    assert_eq!(ids(&here).await, ["there"]);
    here.announce(&announcement("here")).await.unwrap();
    assert_eq!(ids(&there).await, ["here", "there"]);
}

pub(crate) async fn the_last_announcement_counts<F: Fixture>() {
    let store = F::new(LEASE).await;
    let (here, there) = (store.replica().await, store.replica().await);
    for connections in 0..5 {
        let said = Announcement { connections, ..announcement("here") };
        here.announce(&said).await.unwrap();
        assert_eq!(there.list().await.unwrap(), [Replica { announcement: said, age_ms: 0 }]);
        store.pass(LEASE * 3 / 4).await;
    }
}

pub(crate) async fn a_replica_that_withdraws_is_gone_and_may_come_back<F: Fixture>() {
    let store = F::new(LEASE).await;
    let (here, there) = (store.replica().await, store.replica().await);
    here.withdraw().await.unwrap();
    here.announce(&announcement("here")).await.unwrap();
    there.announce(&announcement("there")).await.unwrap();
    here.withdraw().await.unwrap();
    assert_eq!(ids(&here).await, ["there"]);
    here.announce(&announcement("here")).await.unwrap();
    assert_eq!(ids(&there).await, ["here", "there"]);
}

pub(crate) async fn two_replicas_of_one_name_are_two<F: Fixture>() {
    let store = F::new(LEASE).await;
    let (here, there) = (store.replica().await, store.replica().await);
    here.announce(&announcement("twin")).await.unwrap();
    there.announce(&announcement("twin")).await.unwrap();
    assert_eq!(ids(&here).await, ["twin", "twin"]);
    there.withdraw().await.unwrap();
    assert_eq!(ids(&here).await, ["twin"]);
}

pub(crate) async fn replicas_are_listed_the_oldest_first<F: Fixture>() {
    let store = F::new(LEASE).await;
    for (id, began_ms) in [("b", 20), ("c", 10), ("a", 20), ("d", 30)] {
        store.replica().await.announce(&Announcement { began_ms, ..announcement(id) }).await.unwrap();
    }
    assert_eq!(ids(&store.replica().await).await, ["c", "a", "b", "d"]);
}
