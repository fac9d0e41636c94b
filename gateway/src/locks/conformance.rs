//! What a lock store promises, as tests that every implementation is put through.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::{Held, Locks};

/// A store to be put through the tests.
pub(crate) trait Fixture {
    /// So long that the store's own work takes no time against it.
    const UNIT: Duration;

    /// A store of its own, in which nobody holds anything.
    async fn new() -> Self;

    /// The store as one more replica sees it.
    async fn replica(&self) -> Arc<dyn Locks>;
}

/// The tests for one implementation: `locks_conformance!(its fixture, #[test attribute])`.
macro_rules! locks_conformance {
    ($fixture:ty, #[$test:meta]) => {
        locks_conformance!($fixture, #[$test],
            a_lock_is_got_by_one_of_many,
            nobody_else_gets_a_lock_before_its_lease_ends,
            whoever_holds_a_lock_gets_it_again_with_the_same_fence_and_a_new_lease,
            fences_of_a_name_only_rise,
            a_renewed_lease_begins_anew,
            a_lease_that_ended_is_lost_even_if_nobody_took_the_lock,
            a_lost_lease_changes_nothing_for_whoever_holds_the_lock_now,
            a_lock_that_was_given_back_can_be_got_at_once,
            locks_of_other_names_are_other_locks
        );
    };
    ($fixture:ty, #[$test:meta], $($promise:ident),+) => {$(
        #[$test]
        async fn $promise() {
            $crate::locks::conformance::$promise::<$fixture>().await;
        }
    )+};
}
pub(crate) use locks_conformance;

async fn acquire(locks: &Arc<dyn Locks>, owner: &str, lease: Duration) -> Option<Held> {
    locks.acquire("sweep:17", owner, lease).await.unwrap()
}

pub(crate) async fn a_lock_is_got_by_one_of_many<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let owners: Vec<_> = (0..20).map(|number| (number, if number % 2 == 0 { &here } else { &there })).collect();
    let tries =
        owners.into_iter().map(async |(number, locks)| acquire(locks, &format!("r{number}"), F::UNIT * 8).await);
    let got = join_all(tries).await.into_iter().flatten().count();
    assert_eq!(got, 1);
}

pub(crate) async fn nobody_else_gets_a_lock_before_its_lease_ends<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let held = acquire(&here, "ada", F::UNIT * 4).await.unwrap();
    assert_eq!((&*held.name, &*held.owner), ("sweep:17", "ada"));
    sleep(F::UNIT * 3).await;
    assert_eq!(acquire(&there, "bob", F::UNIT).await, None);
    assert_eq!(acquire(&here, "bob", F::UNIT).await, None);
    sleep(F::UNIT * 2).await;
    assert!(acquire(&there, "bob", F::UNIT).await.is_some());
}

pub(crate) async fn whoever_holds_a_lock_gets_it_again_with_the_same_fence_and_a_new_lease<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let first = acquire(&here, "ada", F::UNIT * 4).await.unwrap();
    sleep(F::UNIT * 2).await;
    assert_eq!(acquire(&there, "ada", F::UNIT * 4).await, Some(first));
    sleep(F::UNIT * 3).await;
    assert_eq!(acquire(&there, "bob", F::UNIT).await, None);
}

pub(crate) async fn fences_of_a_name_only_rise<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let first = acquire(&here, "ada", F::UNIT * 8).await.unwrap();
    assert!(here.release(first.clone()).await.unwrap());
    let second = acquire(&there, "bob", F::UNIT).await.unwrap();
    assert!(second.fence > first.fence, "after a release");
    sleep(F::UNIT * 2).await;
    let third = acquire(&here, "ada", F::UNIT).await.unwrap();
    assert!(third.fence > second.fence, "after a lease that ended");
    sleep(F::UNIT * 2).await;
    let fourth = acquire(&here, "ada", F::UNIT).await.unwrap();
    assert!(fourth.fence > third.fence, "for the same owner whose lease ended");
}

pub(crate) async fn a_renewed_lease_begins_anew<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let held = acquire(&here, "ada", F::UNIT * 4).await.unwrap();
    for _ in 0..3 {
        sleep(F::UNIT * 2).await;
        assert!(here.renew(&held, F::UNIT * 4).await.unwrap());
    }
    assert_eq!(acquire(&there, "bob", F::UNIT).await, None);
    sleep(F::UNIT * 5).await;
    assert!(acquire(&there, "bob", F::UNIT).await.is_some());
}

pub(crate) async fn a_lease_that_ended_is_lost_even_if_nobody_took_the_lock<F: Fixture>() {
    let store = F::new().await;
    let locks = store.replica().await;
    let held = acquire(&locks, "ada", F::UNIT * 2).await.unwrap();
    sleep(F::UNIT * 3).await;
    assert!(!locks.renew(&held, F::UNIT * 8).await.unwrap());
    assert!(!locks.release(held).await.unwrap());
    assert!(acquire(&locks, "bob", F::UNIT).await.is_some());
}

pub(crate) async fn a_lost_lease_changes_nothing_for_whoever_holds_the_lock_now<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    // The new holder is once another owner and once the same, who began anew.
    for owner in ["bob", "ada"] {
        let lost = acquire(&here, "ada", F::UNIT * 2).await.unwrap();
        sleep(F::UNIT * 3).await;
        let held = acquire(&there, owner, F::UNIT * 4).await.unwrap();
        assert!(!here.renew(&lost, F::UNIT * 100).await.unwrap());
        assert!(!here.release(lost).await.unwrap());
        assert_eq!(acquire(&here, "eve", F::UNIT).await, None);
        sleep(F::UNIT * 5).await;
        let next = acquire(&here, "eve", F::UNIT * 4).await.unwrap();
        assert!(next.fence > held.fence);
        assert!(here.release(next).await.unwrap());
    }
}

pub(crate) async fn a_lock_that_was_given_back_can_be_got_at_once<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    let held = acquire(&here, "ada", F::UNIT * 100).await.unwrap();
    assert!(there.release(held.clone()).await.unwrap());
    assert!(acquire(&there, "bob", F::UNIT * 100).await.is_some());
    assert!(!here.release(held).await.unwrap());
}

pub(crate) async fn locks_of_other_names_are_other_locks<F: Fixture>() {
    let store = F::new().await;
    let locks = store.replica().await;
    for name in ["sweep:17", "sweep:18", "sweep", "Sweep:17"] {
        let held = locks.acquire(name, name, F::UNIT * 8).await.unwrap();
        assert_eq!(held.map(|held| held.name).as_deref(), Some(name));
    }
}
