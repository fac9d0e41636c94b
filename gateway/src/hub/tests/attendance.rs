//! What the presence store is told, whatever becomes of it and of those who told it.

use std::time::Duration;

use super::client::Client;
use super::world::{Replica, World, settle};
use crate::presence::Presence as _;

async fn members(replica: &Replica, room: &hubbub_shared::RoomName) -> Vec<String> {
    let page = replica.backend.members(room, None, 10_000).await.unwrap();
    page.members.iter().map(|member| format!("{} {}", member.author.user, member.connections)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_store_counts_the_connections_of_a_user() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let tabs = [world.client(&replica, "ada"), world.client(&replica, "ada"), world.client(&other, "ada")];
    for tab in &tabs {
        tab.join(&room).await;
    }
    assert_eq!(members(&replica, &room).await, ["ada 3"]);
    tabs[0].leave(&room).await;
    assert_eq!(members(&replica, &room).await, ["ada 2"], "as soon as the leave is answered");
}

#[tokio::test(start_paused = true)]
async fn a_leave_whose_connection_breaks_meanwhile_is_declared_all_the_same() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    replica.backend.set_slow(Duration::from_mins(10));
    let broken = tokio::time::timeout(Duration::from_millis(1), ada.leave(&room)).await;
    assert!(broken.is_err(), "the leave is dropped before the store has answered");
    replica.backend.set_slow(Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(members(&replica, &room).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_the_store_is_away_is_gone_when_it_is_back() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.join(&room).await;
    bob.join(&room).await;
    replica.backend.set_away(true);
    ada.leave(&room).await;
    bob.disconnect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    replica.backend.set_away(false);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(members(&replica, &room).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_break_off_at_once_are_gone_within_a_second_behind_the_grace() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let clients: Vec<Client> = (0..1_000).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    for client in &clients {
        client.join(&room).await;
    }
    replica.backend.set_slow(Duration::from_millis(20));
    for client in clients {
        client.disconnect();
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    replica.backend.set_slow(Duration::ZERO);
    assert_eq!(replica.backend.count(&room).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_members_of_a_replica_that_is_gone_are_gone_within_fifteen_seconds() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    bob.join(&room).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    ada.news();
    other.backend.set_away(true);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(ada.news(), ["presence 1 -bob"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_was_away_for_less_than_a_lease_takes_nobody_for_gone() {
    let world = World::new();
    let replicas = [world.replica(), world.replica()];
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replicas[0], "ada"), world.client(&replicas[1], "bob"));
    ada.attend(&room).await;
    bob.join(&room).await;
    for away in [4, 6, 8, 9] {
        tokio::time::sleep(Duration::from_millis(20_700)).await;
        ada.news();
        for replica in &replicas {
            replica.backend.set_away(true);
        }
        tokio::time::sleep(Duration::from_secs(away)).await;
        for replica in &replicas {
            replica.backend.set_away(false);
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(ada.news(), [""; 0], "away for {away} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_is_tried_again_before_the_lease_runs_out() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    bob.join(&room).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    ada.news();
    for _ in 0..5 {
        other.backend.set_away(true);
        tokio::time::sleep(Duration::from_millis(6_400)).await;
        other.backend.set_away(false);
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    assert_eq!(ada.news(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_taken_for_gone_brings_its_members_back() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.attend(&room).await;
    let others: Vec<Client> = (0..500).map(|number| world.client(&other, &format!("user-{number:03}"))).collect();
    for client in &others {
        client.join(&room).await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    other.backend.set_away(true);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(replica.backend.count(&room).await.unwrap(), 1);
    other.backend.set_away(false);
    other.backend.set_slow(Duration::from_millis(20));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(replica.backend.count(&room).await.unwrap(), 501);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(replica.backend.count(&room).await.unwrap(), 501, "and keeps its lease");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_did_not_hear_that_it_was_taken_for_gone_brings_its_members_back() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let bob = world.client(&other, "bob");
    bob.join(&room).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    other.backend.set_away(true);
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(members(&replica, &room).await, [""; 0]);
    other.backend.set_away(false);
    other.backend.set_forgetful(true);
    tokio::time::sleep(Duration::from_secs(4)).await;
    other.backend.set_forgetful(false);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(members(&replica, &room).await, ["bob 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stops_takes_its_members_along_at_once() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    bob.join(&room).await;
    settle().await;
    ada.news();
    other.hub.stop().await;
    settle().await;
    assert_eq!(ada.news(), ["presence 1 -bob"]);
}
