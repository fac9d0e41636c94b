//! What fails, is late, or is lost.

use super::*;
use crate::presence::conformance::pass_alive;

const ALL: usize = PARTITIONS;

#[tokio::test]
async fn a_store_that_lost_everything_is_told_everything_again() {
    let store = store();
    let (one, two, room) = (store.replica().await, store.replica().await, a_room());
    one.declare(&room, "ada", 1).await;
    two.declare(&room, "bob", 1).await;
    store.cli("FLUSHALL");
    for replica in [&one, &two] {
        assert_eq!(replica.presence.renew().await.lost.len(), ALL);
        assert_eq!(replica.presence.renew().await, Renewal::default());
    }
    assert_eq!(two.declare(&room, "bob", 1).await, 1);
    assert_eq!(one.declare(&room, "ada", 1).await, 2);
    pass_alive(&store, &[&one, &two], 3 * store.lease_ms()).await;
    assert_eq!(one.presence.sweep().await.unwrap(), 0);
    assert_eq!(one.members(&room).await, [("ada".to_owned(), 1), ("bob".to_owned(), 1)]);
}

#[tokio::test]
async fn a_declaration_into_a_store_that_lost_everything_does_not_hide_the_loss() {
    let store = store();
    let (replica, room) = (store.replica().await, a_room());
    replica.declare(&room, "ada", 1).await;
    store.cli("FLUSHALL");
    assert_eq!(replica.declare(&room, "bob", 1).await, 0);
    assert!(replica.has_lost(&room).await);
    assert_eq!(replica.declare(&room, "ada", 1).await, 1);
}

/// A server that forgets on a restart what came after `SAVE`, as a failover does with what was not replicated yet.
fn forgetful() -> Store {
    Store::on(RedisServer::start_with(&["--save", "3600 1000000"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failover_lost_is_told_again_and_what_came_back_by_it_goes() {
    for declares_before_it_renews in [false, true] {
        let store = forgetful();
        let (one, two, room, other) = (store.replica().await, store.replica().await, a_room(), a_room());
        one.declare(&room, "ada", 1).await;
        one.declare(&room, "bob", 1).await;
        two.declare(&room, "eve", 1).await;
        one.declare(&other, "mia", 1).await;
        pass_alive(&store, &[&one, &two], 2 * store.lease_ms()).await;
        store.cli("SAVE");
        assert_eq!(one.declare(&room, "bob", 0).await, 2);
        assert_eq!(one.declare(&room, "zoe", 1).await, 3);
        store.server.restart();
        if declares_before_it_renews {
            while one.presence.count(&room).await.is_err() {}
            join_all(["max", "max", "max"].map(|name| one.declare(&room, name, 1))).await;
        }
        let lost = answered(&one).await.lost;
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), [one.presence.part(&room)]);
        assert_eq!(answered(&two).await, Renewal::default());
        // What the hub would do.
        for name in ["ada", "zoe"] {
            one.declare(&room, name, 1).await;
        }
        pass_alive(&store, &[&one, &two], 2 * store.lease_ms()).await;
        assert_eq!(two.presence.sweep().await.unwrap(), 1, "the incarnation that was given up");
        let there: Vec<_> = two.members(&room).await.into_iter().map(|(name, _)| name).collect();
        assert_eq!(there, ["ada", "eve", "zoe"]);
        assert_eq!(two.members(&other).await, [("mia".to_owned(), 1)]);
    }
}

/// Renews as soon as the store answers.
async fn answered(replica: &Attached) -> Renewal {
    loop {
        let renewal = replica.presence.renew().await;
        if renewal.unanswered.is_empty() {
            return renewal;
        }
    }
}

#[tokio::test]
async fn a_declaration_that_comes_late_changes_nothing() {
    let store = store();
    let (replica, room) = (store.replica().await, a_room());
    replica.declare(&room, "ada", 1).await;
    let leases = &replica.presence.leases;
    let at = store.redis.keys().room(&room);
    let turn = leases.tenures[at.number()].lock().declare();
    // A connection was lost, this call is still on its way, and the next one overtakes it.
    assert_eq!(replica.declare(&room, "ada", 0).await, 0);
    let ada = crate::broker::conformance::author("ada");
    let late = vec![Declaration { room: room.clone(), member: ada, connections: 1 }];
    assert_eq!(leases.send(at.number() as u8, &turn, &late).await, Ok((false, vec![0])));
    assert_eq!(replica.members(&room).await, []);
    assert_eq!(replica.declare(&room, "ada", 1).await, 1);
    assert!(!replica.has_lost(&room).await);
}

#[tokio::test]
async fn a_sweeper_that_was_overtaken_sweeps_no_more() {
    let store = store();
    let (slow, next) = (store.replica().await, store.replica().await);
    let (dead, room) = (store.replica().await, a_room());
    dead.declare(&room, "ada", 1).await;
    pass_alive(&store, &[&slow, &next], store.lease_ms() - 1).await;
    assert_eq!(slow.presence.sweep().await.unwrap(), 0);
    let locks = RedisLocks::new(store.redis.clone());
    let run = &slow.presence.leases.run;
    let fence = locks.acquire("presence-sweep", run, Duration::from_secs(4)).await.unwrap().unwrap().fence;
    // It stands still between the lock and the sweep, for longer than the lock's lease, but not than its own.
    pass_alive(&store, &[&slow, &next], 4_000).await;
    dead.presence.renew().await;
    assert_eq!(next.presence.sweep().await.unwrap(), 0);
    drop(dead);
    pass_alive(&store, &[&slow, &next], store.lease_ms()).await;
    assert_eq!(slow.presence.leases.overdue(0..64, fence).await.unwrap(), []);
    let at = store.redis.keys().room(&room).number();
    let incarnation = store.cli(&format!("ZRANGE {} 0 0", slow.presence.leases.key(at as u8, "leases", "")));
    assert!(!slow.presence.leases.remove(at as u8, &incarnation, Some(fence)).await.unwrap());
    assert_eq!(slow.members(&room).await, [("ada".to_owned(), 1)]);
    assert_eq!(next.presence.sweep().await.unwrap(), 1);
    assert_eq!(slow.members(&room).await, []);
}

#[tokio::test]
async fn whoever_may_not_sweep_yet_does_not_keep_others_from_it() {
    let store = store();
    let (sweeper, dead, room) = (store.replica().await, store.replica().await, a_room());
    dead.declare(&room, "ada", 1).await;
    pass_alive(&store, &[&sweeper], store.lease_ms()).await;
    let fresh = store.replica().await;
    assert_eq!(fresh.presence.sweep().await.unwrap(), 0);
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.members(&room).await, []);
}

#[tokio::test]
async fn another_takes_over_from_a_sweeper_that_died() {
    let store = store();
    let (sweeper, other, room) = (store.replica().await, store.replica().await, a_room());
    pass_alive(&store, &[&sweeper, &other], store.lease_ms()).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    sweeper.declare(&room, "ada", 1).await;
    drop(sweeper);
    pass_alive(&store, &[&other], store.lease_ms()).await;
    assert_eq!(other.presence.sweep().await.unwrap(), 1);
    assert_eq!(other.members(&room).await, []);
}

#[tokio::test]
async fn a_sweep_that_was_broken_off_is_finished_by_the_next() {
    let store = store();
    let (sweeper, dead, room) = (store.replica().await, store.replica().await, a_room());
    dead.declare(&room, "ada", 1).await;
    pass_alive(&store, &[&sweeper], store.lease_ms()).await;
    for parts in sweeper.presence.leases.calls() {
        sweeper.presence.leases.overdue(parts, 1).await.unwrap();
    }
    // What was found is removed later: until then its replica can do nothing with it.
    assert_eq!(dead.declare(&room, "bob", 1).await, 1);
    assert!(dead.has_lost(&room).await);
    assert_eq!(sweeper.members(&room).await, [("ada".to_owned(), 1)]);
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.members(&room).await, []);
    assert!(!dead.has_lost(&room).await);
}

#[tokio::test]
async fn a_store_that_is_full_knows_who_comes_and_goes_all_the_same() {
    let store = store();
    let (mut one, two, room) = (store.replica().await, store.replica().await, a_room());
    one.subscribe(&room).await;
    two.declare(&room, "ada", 1).await;
    store.cli("CONFIG SET maxmemory 1");
    assert_eq!(two.declare(&room, "bob", 1).await, 2);
    assert_eq!(two.declare(&room, "ada", 0).await, 1);
    pass_alive(&store, &[&one], store.lease_ms()).await;
    assert_eq!(one.presence.sweep().await.unwrap(), 1);
    assert_eq!(one.members(&room).await, []);
    assert_eq!(one.changes(&room).await.len(), 4);
}
