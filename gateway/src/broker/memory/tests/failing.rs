//! The bus when replicas come and go, and when it fails.

use std::collections::HashSet;

use super::*;
use crate::broker::News;
use crate::broker::conformance::{a_room, message, signal};
use crate::broker::memory::faults::{Conduct, Faults};

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_dropped_leaves_the_bus_and_its_news_end() {
    let process = process();
    let (one, two, room) = (process.attach(), process.attach(), a_room());
    let Replica { broker, mut news } = one;
    for broker in [&broker, &two.broker] {
        broker.subscribe(&room).await.unwrap();
    }
    drop(broker);
    two.append(message(&room, "ada", "hi")).await;
    assert!(news.next().await.is_none());
    assert!(process.bus.is_subscribed(&room));
    drop(two);
    assert!(!process.bus.is_subscribed(&room));
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_after_an_unsubscribe() {
    let process = process();
    let (mut replica, room, other) = (process.attach(), a_room(), a_room());
    for room in [&room, &other] {
        replica.broker.subscribe(room).await.unwrap();
    }
    replica.broker.unsubscribe(&room).await;
    replica.append(message(&room, "ada", "hi")).await;
    assert_eq!(replica.heard(&other).await, []);
}

fn failing(seed: u64) -> (Faults, Process) {
    let faults = Faults::seeded(seed);
    let bus = MemoryBus::with_interference(faults.interference());
    (faults, Process::new(1_000_000_000, bus))
}

/// The numbers that came up to now, and how often something was said to be missed.
async fn came(replica: &mut Replica<MemoryBroker>, room: &RoomName) -> (Vec<u64>, usize) {
    let (mut numbers, mut missed) = (Vec::new(), 0);
    let end = signal(room, "\"end\"");
    replica.broker.emit(end.clone()).await.unwrap();
    loop {
        match replica.news.next().await {
            Some(News::Envelope(envelope)) if envelope == end => return (numbers, missed),
            Some(News::Envelope(Envelope { payload: Payload::Entry(entry), .. })) => numbers.push(entry.pos.seq),
            Some(News::Missed) => missed += 1,
            other => panic!("{other:?} was not expected"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flaky_bus_loses_doubles_and_reorders_for_one_replica_alone() {
    let (faults, process) = failing(7);
    let (mut flaky, mut faithful, room) = (process.attach(), process.attach(), a_room());
    for replica in [&flaky, &faithful] {
        replica.broker.subscribe(&room).await.unwrap();
    }
    faults.set(0, Conduct::Flaky { lose: 0.2, double: 0.2, delay: 0.2, tell: 0.0 });
    flaky.append_messages(&room, 200).await;
    faults.set(0, Conduct::Faithful);
    let (numbers, missed) = came(&mut flaky, &room).await;
    let different: HashSet<_> = numbers.iter().collect();
    assert!(different.len() < 200, "some were lost");
    assert!(different.len() < numbers.len(), "some came twice");
    assert!(!numbers.is_sorted(), "some came late");
    assert_eq!(missed, 0);
    // The other one hears the end of the first one's test, and then all.
    assert_eq!(came(&mut faithful, &room).await, ((1..=200).collect(), 0));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_fails_in_the_same_way() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let (faults, process) = failing(seed);
        let (mut replica, room) = (process.attach(), a_room());
        replica.broker.subscribe(&room).await.unwrap();
        faults.set(0, Conduct::Flaky { lose: 0.3, double: 0.3, delay: 0.3, tell: 0.5 });
        replica.append_messages(&room, 100).await;
        faults.set(0, Conduct::Faithful);
        runs.push(came(&mut replica, &room).await);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    assert!(runs[0].1 > 0, "a loss that is told is told");
}

#[tokio::test(start_paused = true)]
async fn a_deaf_replica_hears_nothing_until_it_hears_again() {
    let (faults, process) = failing(1);
    let (mut replica, room) = (process.attach(), a_room());
    replica.broker.subscribe(&room).await.unwrap();
    replica.append_messages(&room, 2).await;
    faults.set(0, Conduct::Deaf);
    replica.append_messages(&room, 2).await;
    faults.set(0, Conduct::Faithful);
    replica.append_messages(&room, 2).await;
    assert_eq!(came(&mut replica, &room).await, (vec![1, 2, 5, 6], 0));
}
