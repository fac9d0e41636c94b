//! Limits in a real Redis, by its real time.

use hubbub_testbed::{Cluster, RedisServer};
use parking_lot::Mutex;
use tokio::task::block_in_place;

use super::*;
use crate::limits::Quota;
use crate::limits::conformance::{Fixture, limits_conformance};
use crate::redis::testing::{Connected, connect};

struct Shared {
    server: RedisServer,
    connected: Mutex<Vec<Connected>>,
}

impl Fixture for Shared {
    async fn new() -> Self {
        Self { server: block_in_place(RedisServer::start), connected: Mutex::default() }
    }

    async fn replica(&self) -> Arc<dyn Limits> {
        Arc::new(limits(&self.server.url(), &self.connected).await)
    }
}

limits_conformance!(Shared, #[tokio::test(flavor = "multi_thread")]);

/// A replica that has asked its server before.
async fn limits(url: &str, all: &Mutex<Vec<Connected>>) -> RedisLimits {
    let connected = connect(url);
    let limits = RedisLimits::new(connected.redis.clone());
    all.lock().push(connected);
    let first = [charge(Scope::Api, "the first one", 1)];
    limits.charge(&first).await.unwrap();
    limits
}

/// Nothing comes back during a test.
const ONCE: Quota = Quota { per_s: 0.001, burst: 20 };

fn charge(scope: Scope, name: &str, cost: u32) -> Charge {
    Charge { subject: Subject { scope, name: name.to_owned() }, quota: ONCE, cost }
}

async fn allowed(limits: &RedisLimits, charges: &[Charge]) -> bool {
    limits.charge(charges).await.unwrap() == Verdict::Allowed
}

/// How many more of it would be allowed.
async fn left(limits: &RedisLimits, scope: Scope, name: &str) -> u32 {
    let mut count = 0;
    while allowed(limits, &[charge(scope, name, 1)]).await {
        count += 1;
    }
    count
}

/// What a send in a room is charged to.
fn send(user: &str, room: &str) -> Vec<Charge> {
    vec![
        charge(Scope::UserSend, user, 1),
        charge(Scope::UserRoomSend, &format!("{room} {user}"), 1),
        charge(Scope::RoomSend, room, 1),
        charge(Scope::AddressRequest, "192.0.2.7", 1),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_sends_from_three_replicas_at_once_is_limited_as_one() {
    let store = Shared::new().await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(limits(&store.server.url(), &store.connected).await);
    }
    let sends = (0..300).map(|number| {
        let (replicas, charges) = (&replicas, send("ada", "general"));
        async move { allowed(&replicas[number % 3], &charges).await }
    });
    let allowed = join_all(sends).await.into_iter().filter(|allowed| *allowed).count();
    assert_eq!(allowed, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_come_together_share_calls_and_each_gets_its_own_answer() {
    let store = Shared::new().await;
    let limits = limits(&store.server.url(), &store.connected).await;
    let calls = || {
        let stats = store.server.info("cmdstat_evalsha").unwrap();
        stats.trim_start_matches("calls=").split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let before = calls();
    // Users who have nothing left among such who have.
    let questions = (0..600).map(|number| {
        let name = if number % 3 == 0 { "eve".to_owned() } else { format!("user-{number}") };
        let limits = &limits;
        async move { (name.clone(), allowed(limits, &[charge(Scope::UserSend, &name, 11)]).await) }
    });
    let answers = join_all(questions).await;
    assert!(answers.iter().all(|(name, allowed)| *allowed || name == "eve"));
    assert_eq!(answers.iter().filter(|(name, allowed)| *allowed && name == "eve").count(), 1);
    assert!(calls() - before < 100, "{} calls for 600 questions", calls() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_charges_are_all_or_none_though_they_live_on_several_masters() {
    let cluster = block_in_place(|| Cluster::start(3, 0));
    let connected = Mutex::default();
    let limits = limits(&cluster.url(), &connected).await;
    let asked = limits.questions(&send("ada", "general"));
    assert_eq!(asked.iter().map(|question| question.charges.len()).sum::<usize>(), 4);
    assert!(asked.len() > 1, "the charges were to be spread");

    // The room has 5 left; whoever is refused for it is charged nothing.
    assert!(allowed(&limits, &[charge(Scope::RoomSend, "general", 15)]).await);
    let sends = join_all((0..50).map(async |_| limits.charge(&send("ada", "general")).await)).await;
    let verdicts: Vec<_> = sends.into_iter().map(Result::unwrap).collect();
    let count = verdicts.iter().filter(|verdict| **verdict == Verdict::Allowed).count() as u32;
    assert!((1..=5).contains(&count), "{count} were allowed");
    // All that is told is of the room: nobody else had less left.
    assert!(!allowed(&limits, &[charge(Scope::RoomSend, "general", 6)]).await);
    assert_eq!(left(&limits, Scope::RoomSend, "general").await, 5 - count);
    assert_eq!(left(&limits, Scope::UserSend, "ada").await, 20 - count);
    assert_eq!(left(&limits, Scope::UserRoomSend, "general ada").await, 20 - count);
    assert_eq!(left(&limits, Scope::AddressRequest, "192.0.2.7").await, 20 - count);

    // Who is refused for the room alone has lost nothing.
    assert!(!allowed(&limits, &send("cy", "general")).await);
    assert_eq!(left(&limits, Scope::UserSend, "cy").await, 20);

    // The longest wait is told, wherever it is.
    let slow = Charge { quota: Quota { per_s: 0.000_1, burst: 1 }, ..charge(Scope::UserSignal, "bob", 1) };
    assert!(allowed(&limits, std::slice::from_ref(&slow)).await);
    for together in
        [[send("ada", "general"), vec![slow.clone()]].concat(), [vec![slow], send("ada", "general")].concat()]
    {
        let Verdict::Limited { scope, retry_after_ms } = limits.charge(&together).await.unwrap() else {
            panic!("nothing is left")
        };
        assert_eq!(scope, Scope::UserSignal);
        assert!(retry_after_ms > 9_000_000, "{retry_after_ms}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_beyond_all_measure_do_no_harm() {
    let store = Shared::new().await;
    let limits = limits(&store.server.url(), &store.connected).await;
    for (name, per_s, burst) in [("slow", 1e-300, u32::MAX), ("fast", f64::MAX, 1), ("free", f64::INFINITY, 1)] {
        let charge = [Charge { quota: Quota { per_s, burst }, ..charge(Scope::UserSend, name, 1) }];
        assert!(allowed(&limits, &charge).await, "{name}");
        limits.charge(&charge).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_for_leaves_no_key_behind() {
    let store = Shared::new().await;
    let limits = limits(&store.server.url(), &store.connected).await;
    let quick = Charge { quota: Quota { per_s: 1_000.0, burst: 10 }, ..charge(Scope::UserSend, "ada", 10) };
    assert!(allowed(&limits, &[quick]).await);
    let begin = tokio::time::Instant::now();
    while store.server.cli(&["KEYS", "*ada*"]).unwrap().contains("ada") {
        assert!(begin.elapsed().as_secs() < 10, "the key is still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_still_limits() {
    let store = Shared::new().await;
    let limits = limits(&store.server.url(), &store.connected).await;
    store.server.cli(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    assert_eq!(left(&limits, Scope::UserSend, "ada").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_allows_nothing() {
    let store = Shared::new().await;
    let limits = limits(&store.server.url(), &store.connected).await;
    store.server.kill();
    let outcome = limits.charge(&[charge(Scope::UserSend, "ada", 1)]).await;
    assert!(matches!(outcome, Err(LimitsError::Unavailable)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_writes_allows_nothing() {
    let store = Shared::new().await;
    let limits = limits(&store.server.url(), &store.connected).await;
    store.server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).unwrap();
    let outcome = limits.charge(&[charge(Scope::UserSend, "ada", 1)]).await;
    assert!(matches!(outcome, Err(LimitsError::Unavailable)), "{outcome:?}");
}
