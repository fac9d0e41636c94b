//! What a limits store promises, as tests that every implementation is put through.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Charge, Limits, Quota, Scope, Subject, Verdict};

/// A store to be put through the tests. Its calls take less than a tenth of a second.
pub(crate) trait Fixture {
    /// A store of its own, in which nothing has been charged.
    async fn new() -> Self;

    /// The store as one more replica sees it.
    async fn replica(&self) -> Arc<dyn Limits>;
}

/// The tests for one implementation: `limits_conformance!(its fixture, #[test attribute])`.
macro_rules! limits_conformance {
    ($fixture:ty, #[$test:meta]) => {
        limits_conformance!($fixture, #[$test],
            a_burst_passes_at_once_and_nothing_after_it,
            no_span_of_time_sees_more_than_a_burst_and_its_rate,
            a_refusal_says_when_the_same_charge_is_allowed,
            a_refusal_is_not_charged,
            a_burst_is_full_again_after_a_pause_and_not_fuller,
            a_charge_of_many_counts_as_many,
            charges_asked_together_are_counted_all_or_none,
            of_charges_asked_together_the_longest_wait_is_told,
            a_subject_that_is_charged_twice_at_once_is_counted_twice,
            other_subjects_have_a_quota_of_their_own
        );
    };
    ($fixture:ty, #[$test:meta], $($promise:ident),+) => {$(
        #[$test]
        async fn $promise() {
            $crate::limits::conformance::$promise::<$fixture>().await;
        }
    )+};
}
pub(crate) use limits_conformance;

/// One every two seconds: slow enough that nothing comes back during a test that does not wait.
const SLOW: Quota = Quota { per_s: 0.5, burst: 5 };

fn charge(scope: Scope, name: &str, quota: Quota, cost: u32) -> Charge {
    Charge { subject: Subject { scope, name: name.to_owned() }, quota, cost }
}

fn send(quota: Quota, cost: u32) -> Charge {
    charge(Scope::UserSend, "ada", quota, cost)
}

/// How long to wait before the charges are allowed; nothing if they were.
async fn wait(limits: &Arc<dyn Limits>, charges: &[Charge]) -> Option<(Scope, Duration)> {
    match limits.charge(charges).await.unwrap() {
        Verdict::Allowed => None,
        Verdict::Limited { scope, retry_after_ms } => Some((scope, Duration::from_millis(retry_after_ms))),
    }
}

async fn allowed(limits: &Arc<dyn Limits>, charges: &[Charge]) -> bool {
    wait(limits, charges).await.is_none()
}

/// How often the charge is allowed before it is refused.
async fn allowed_in_a_row(limits: &Arc<dyn Limits>, one: &Charge) -> u32 {
    let mut count = 0;
    while allowed(limits, std::slice::from_ref(one)).await {
        count += 1;
    }
    count
}

pub(crate) async fn a_burst_passes_at_once_and_nothing_after_it<F: Fixture>() {
    let store = F::new().await;
    let (here, there) = (store.replica().await, store.replica().await);
    for limits in [&here, &there, &here, &there, &here] {
        assert!(allowed(limits, &[send(SLOW, 1)]).await);
    }
    assert!(!allowed(&there, &[send(SLOW, 1)]).await);
    assert!(!allowed(&here, &[send(SLOW, 1)]).await);
}

pub(crate) async fn no_span_of_time_sees_more_than_a_burst_and_its_rate<F: Fixture>() {
    let store = F::new().await;
    let replicas = [store.replica().await, store.replica().await];
    // A rate whose interval is no whole number of anything.
    let quota = Quota { per_s: 30.7, burst: 4 };
    let begin = Instant::now();
    let mut seen: Vec<(Instant, Instant)> = Vec::new();
    for round in 0.. {
        let asked = Instant::now();
        if begin.elapsed() > Duration::from_secs(2) {
            break;
        }
        if allowed(&replicas[round % 2], &[send(quota, 1)]).await {
            seen.push((asked, Instant::now()));
        }
        // Now and then a pause, in which a burst comes back.
        sleep(Duration::from_millis(if round % 100 == 50 { 200 } else { 5 })).await;
    }
    assert!(seen.len() >= 30, "only {} were allowed", seen.len());
    for (index, (first, _)) in seen.iter().enumerate() {
        for (count, (_, last)) in seen[index..].iter().enumerate() {
            let most = f64::from(quota.burst) + quota.per_s * (*last - *first).as_secs_f64();
            assert!(count as f64 + 1.0 <= most + 1e-6, "{} within {:?}", count + 1, *last - *first);
        }
    }
}

pub(crate) async fn a_refusal_says_when_the_same_charge_is_allowed<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    let quota = Quota { per_s: 4.0, burst: 3 };
    allowed_in_a_row(&limits, &send(quota, 1)).await;
    for cost in [1, 3, 2] {
        let (scope, time) = wait(&limits, &[send(quota, cost)]).await.expect("the burst is used up");
        assert_eq!(scope, Scope::UserSend);
        assert!(time <= Duration::from_millis(250) * cost, "{time:?} is longer than the charge of {cost} costs");
        sleep(time).await;
        assert!(allowed(&limits, &[send(quota, cost)]).await, "not allowed after {time:?}");
    }
}

pub(crate) async fn a_refusal_is_not_charged<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    allowed_in_a_row(&limits, &send(SLOW, 1)).await;
    let (_, first) = wait(&limits, &[send(SLOW, 1)]).await.expect("the burst is used up");
    for _ in 0..10 {
        let (_, later) = wait(&limits, &[send(SLOW, 1)]).await.expect("the burst is used up");
        assert!(later <= first);
    }
}

pub(crate) async fn a_burst_is_full_again_after_a_pause_and_not_fuller<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    let one = send(Quota { per_s: 4.0, burst: 2 }, 1);
    assert_eq!(allowed_in_a_row(&limits, &one).await, 2);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(allowed_in_a_row(&limits, &one).await, 2);
}

pub(crate) async fn a_charge_of_many_counts_as_many<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    assert!(allowed(&limits, &[send(SLOW, 3)]).await);
    assert!(!allowed(&limits, &[send(SLOW, 3)]).await);
    assert!(allowed(&limits, &[send(SLOW, 2)]).await);
    assert!(!allowed(&limits, &[send(SLOW, 1)]).await);
}

pub(crate) async fn charges_asked_together_are_counted_all_or_none<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    let room = charge(Scope::RoomSend, "general", Quota { per_s: 0.5, burst: 1 }, 1);
    assert!(allowed(&limits, &[send(SLOW, 1), room.clone()]).await);
    for _ in 0..10 {
        assert!(!allowed(&limits, &[send(SLOW, 1), room.clone()]).await);
        assert!(!allowed(&limits, &[room.clone(), send(SLOW, 1)]).await);
    }
    assert_eq!(allowed_in_a_row(&limits, &send(SLOW, 1)).await, SLOW.burst - 1);
}

pub(crate) async fn of_charges_asked_together_the_longest_wait_is_told<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    let soon = charge(Scope::UserSend, "ada", Quota { per_s: 0.5, burst: 1 }, 1);
    let late = charge(Scope::RoomSend, "general", Quota { per_s: 0.1, burst: 1 }, 1);
    let free = charge(Scope::Api, "shop", SLOW, 1);
    assert!(allowed(&limits, &[soon.clone(), late.clone()]).await);
    for together in [[soon.clone(), late.clone(), free.clone()], [free, late, soon]] {
        let (scope, time) = wait(&limits, &together).await.expect("both are used up");
        assert_eq!(scope, Scope::RoomSend);
        assert!(time > Duration::from_secs(5) && time <= Duration::from_secs(10), "{time:?}");
    }
}

pub(crate) async fn a_subject_that_is_charged_twice_at_once_is_counted_twice<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    assert!(!allowed(&limits, &[send(SLOW, 3), send(SLOW, 3)]).await);
    assert!(allowed(&limits, &[send(SLOW, 2), send(SLOW, 2)]).await);
    assert_eq!(allowed_in_a_row(&limits, &send(SLOW, 1)).await, 1);
    let (_, time) = wait(&limits, &[send(SLOW, 1), send(SLOW, 1)]).await.expect("the burst is used up");
    assert!(time > Duration::from_secs(3) && time <= Duration::from_secs(4), "{time:?} for two at 2 s each");
}

pub(crate) async fn other_subjects_have_a_quota_of_their_own<F: Fixture>() {
    let store = F::new().await;
    let limits = store.replica().await;
    let once = Quota { per_s: 0.5, burst: 1 };
    for scope in [Scope::UserSend, Scope::UserSignal, Scope::AddressHello] {
        for name in ["ada", "Ada", "ada ", "a:da", "::1", "general ada", "general:ada", "guest:{1}"] {
            assert!(allowed(&limits, &[charge(scope, name, once, 1)]).await, "{scope:?} of {name:?}");
            assert!(!allowed(&limits, &[charge(scope, name, once, 1)]).await, "{scope:?} of {name:?}");
        }
    }
}
