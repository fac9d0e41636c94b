//! A master that Sentinels replace under traffic.

use hubbub_testbed::Sentinel;
use tokio::task::block_in_place;

use crate::replicas::Replicas;
use crate::traffic::Traffic;

const ROOMS: [&str; 4] = ["general", "ops", "random", "lunch"];

async fn traffic() -> (Sentinel, Replicas, Traffic) {
    let sentinel = block_in_place(Sentinel::start);
    let replicas = Replicas::on(&sentinel.url(), 2).await;
    let traffic = Traffic::start(&replicas.addresses(), &ROOMS).await;
    (sentinel, replicas, traffic)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_followed_by_its_replica() {
    let (sentinel, replicas, mut traffic) = traffic().await;
    let master = sentinel.master();
    master.kill();
    block_in_place(|| sentinel.wait_for_another_master(master));
    replicas.are("ready").await;
    traffic.flows().await;
    traffic.settle().await.every_loss_was_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_is_left_and_not_returned_to() {
    let (sentinel, replicas, mut traffic) = traffic().await;
    let master = sentinel.master();
    master.pause();
    block_in_place(|| sentinel.wait_for_another_master(master));
    traffic.flows().await;
    // It still thinks that it is the master, until the Sentinels tell it.
    master.resume();
    traffic.flows().await;
    block_in_place(|| {
        hubbub_testbed::until("the old master to follow", || master.info("role").filter(|role| role == "slave"))
    });
    traffic.flows().await;
    replicas.are("ready").await;
    traffic.settle().await.every_loss_was_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_makes_way_in_peace_is_followed() {
    let (sentinel, replicas, mut traffic) = traffic().await;
    block_in_place(|| sentinel.fail_over());
    traffic.flows().await;
    replicas.are("ready").await;
    traffic.settle().await.every_loss_was_told().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_a_lagging_replica_never_got_are_told_to_be_void() {
    let (sentinel, replicas, mut traffic) = traffic().await;
    sentinel.cut_off_replicas();
    traffic.flows().await;
    block_in_place(|| sentinel.promote_the_cut_off());
    // More than was lost, so that its numbers are given out again.
    traffic.flows().await;
    traffic.flows().await;
    replicas.are("ready").await;
    let settled = traffic.settle().await;
    assert!(settled.every_loss_was_told().await > 0, "nothing was lost");
    assert!(settled.given_out_twice() > 0, "no number was given out twice");
}
