//! A Redis Cluster that loses masters and moves slots under traffic.

use std::time::Duration;

use hubbub::redis::Keys;
use hubbub_shared::RoomName;
use hubbub_testbed::Cluster;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::replicas::Replicas;
use crate::traffic::Traffic;

/// A cluster of three masters with replicas, two gateways on it, and a room on each master.
struct World {
    cluster: Cluster,
    replicas: Replicas,
    /// The name and the slot of a room on the first master, and so on.
    rooms: Vec<(String, u16)>,
}

impl World {
    async fn with_replicas(per_master: usize) -> Self {
        let cluster = block_in_place(|| Cluster::start(3, per_master));
        let replicas = Replicas::on(&cluster.url(), 2).await;
        let room_on = |master: usize| {
            let names = (0..).map(|number| format!("room-{number}"));
            let mut slots = names.map(|name| (slot_of(&name), name));
            slots.find(|(slot, _)| usize::from(*slot) * 3 / 16_384 == master).map(|(slot, name)| (name, slot)).unwrap()
        };
        Self { cluster, replicas, rooms: (0..3).map(room_on).collect() }
    }

    async fn traffic_in(&self, rooms: &[usize]) -> Traffic {
        let rooms: Vec<_> = rooms.iter().map(|&room| self.rooms[room].0.as_str()).collect();
        Traffic::start(&self.replicas.addresses(), &rooms).await
    }
}

fn slot_of(room: &str) -> u16 {
    Keys::new("hb", 0).room(&RoomName::new(room).unwrap()).slot()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_on_all_masters_are_served() {
    let world = World::with_replicas(0).await;
    let mut traffic = world.traffic_in(&[0, 1, 2]).await;
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_other_masters_go_on_as_if_nothing_were_while_one_is_replaced() {
    let world = World::with_replicas(1).await;
    let (mut hit, mut spared) = (world.traffic_in(&[1]).await, world.traffic_in(&[0, 2]).await);
    let slot = world.rooms[1].1;
    let master = world.cluster.kill_master(slot);
    let since = Instant::now();
    while world.cluster.master_of_slot(slot) == master {
        let before = Instant::now();
        spared.flows().await;
        assert!(before.elapsed() < Duration::from_secs(3), "the spared rooms were slow: {:?}", before.elapsed());
        assert!(since.elapsed() < Duration::from_secs(20), "the master was not replaced");
    }
    hit.flows().await;
    spared.flows().await;
    world.replicas.are("ready").await;
    let spared = spared.settle().await;
    spared.nothing_was_lost();
    for room in [0, 2] {
        let room = &world.rooms[room].0;
        assert_eq!(spared.ledger.unavailable_in(room), 0, "{room} felt the loss of another's master");
    }
    hit.settle().await.every_loss_was_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_is_replaced_and_not_returned_to() {
    let world = World::with_replicas(1).await;
    let mut traffic = world.traffic_in(&[0, 1, 2]).await;
    let slot = world.rooms[2].1;
    let master = world.cluster.master_of_slot(slot);
    world.cluster.node(master).pause();
    block_in_place(|| world.cluster.wait_for_another_master(slot, master));
    traffic.flows().await;
    world.cluster.node(master).resume();
    traffic.flows().await;
    block_in_place(|| world.cluster.wait_until_well());
    traffic.flows().await;
    world.replicas.are("ready").await;
    traffic.settle().await.every_loss_was_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_takes_over_in_peace_loses_nothing() {
    let world = World::with_replicas(1).await;
    let mut traffic = world.traffic_in(&[0, 1, 2]).await;
    for room in 0..3 {
        block_in_place(|| world.cluster.fail_over(world.rooms[room].1));
        traffic.flows().await;
    }
    world.replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_under_traffic_lose_nothing() {
    let world = World::with_replicas(0).await;
    let mut traffic = world.traffic_in(&[0, 1, 2]).await;
    for room in 0..3 {
        block_in_place(|| world.cluster.migrate_slot(world.rooms[room].1, (room + 1) % 3));
        traffic.flows().await;
    }
    world.replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_slowly_is_told_as_an_outage_at_worst() {
    let world = World::with_replicas(0).await;
    let mut traffic = world.traffic_in(&[0, 1]).await;
    let migration = block_in_place(|| world.cluster.begin_migration(world.rooms[0].1, 2));
    // Half of the keys are there, half are here.
    while migration.move_a_key() {
        sleep(Duration::from_millis(20)).await;
    }
    block_in_place(|| migration.finish());
    traffic.flows().await;
    world.replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_a_lagging_replica_never_got_are_told_to_be_void() {
    let world = World::with_replicas(1).await;
    let mut traffic = world.traffic_in(&[0]).await;
    let slot = world.rooms[0].1;
    world.cluster.cut_off_replicas(slot);
    traffic.flows().await;
    block_in_place(|| world.cluster.promote_the_cut_off(slot));
    // More than was lost, so that its numbers are given out again.
    traffic.flows().await;
    traffic.flows().await;
    world.replicas.are("ready").await;
    let settled = traffic.settle().await;
    assert!(settled.every_loss_was_told().await > 0, "nothing was lost");
    assert!(settled.given_out_twice() > 0, "no number was given out twice");
}
