//! What it costs.

use super::*;
use crate::presence::conformance::pass_alive;

#[tokio::test]
async fn many_members_of_a_dead_replica_go_in_portions() {
    let store = store();
    let (mut sweeper, dead, room) = (store.replica().await, store.replica().await, a_room());
    let names: Vec<_> = (0..5_000).map(|number| format!("user-{number}")).collect();
    join_all(names.iter().map(|name| dead.declare(&room, name, 1))).await;
    let other = a_room();
    dead.declare(&other, "ada", 1).await;
    sweeper.subscribe(&room).await;
    drop(dead);
    pass_alive(&store, &[&sweeper], store.lease_ms()).await;
    store.calls();
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    let calls = store.calls();
    // The lock, four times 64 partitions, one for each of 256 leases, and nine or ten more for the room.
    assert!((1 + 4 + 256 + 9..=1 + 4 + 256 + 10).contains(&calls), "{calls} calls");
    assert_eq!(sweeper.members(&room).await, []);
    assert_eq!(sweeper.members(&other).await, []);
    let counts: Vec<_> = sweeper.changes(&room).await.into_iter().map(|change| change.count).collect();
    assert_eq!(counts, (0..5_000).rev().collect::<Vec<_>>(), "and each is told once");
}

#[tokio::test]
async fn a_heartbeat_costs_a_call_for_64_partitions_however_many_members_there_are() {
    let store = store();
    let (replica, room) = (store.replica().await, a_room());
    let names: Vec<_> = (0..2_000).map(|number| format!("user-{number}")).collect();
    store.calls();
    join_all(names.iter().map(|name| replica.declare(&room, name, 1))).await;
    let calls = store.calls();
    assert!(calls <= 40, "declarations that come together go together, not in {calls} calls");
    pass_alive(&store, &[&replica], store.lease_ms()).await;
    store.calls();
    replica.presence.renew().await;
    assert_eq!(store.calls(), 4);
    replica.presence.sweep().await.unwrap();
    assert_eq!(store.calls(), 5);
}

#[tokio::test]
async fn nobody_anywhere_takes_no_memory() {
    let store = store();
    let (one, two, room) = (store.replica().await, store.replica().await, a_room());
    one.declare(&room, "ada", 1).await;
    one.declare(&room, "bob", 0).await;
    two.declare(&room, "ada", 2).await;
    one.declare(&room, "ada", 0).await;
    drop(two);
    pass_alive(&store, &[&one], store.lease_ms()).await;
    assert_eq!(one.presence.sweep().await.unwrap(), 1);
    one.presence.resign().await.unwrap();
    let keys = store.cli("KEYS *");
    let left = keys.lines().filter(|key| !key.contains("}:fence:") && !key.contains("}:lock:")).count();
    assert_eq!(left, 0, "{keys}");
}
