//! What is never stored: signals and receipts.

use super::client::Reading;
use super::world::{World, settle};
use crate::broker::conformance::{signal, user};
use crate::broker::{Broker as _, Envelope};
use crate::ids::Origin;

#[tokio::test(start_paused = true)]
async fn a_signal_reaches_every_connection_in_the_room_but_the_one_it_is_from() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let tabs = [world.client(&replica, "ada"), world.client(&replica, "ada")];
    let bob = world.client(&other, "bob");
    for client in tabs.iter().chain([&bob]) {
        client.join(&room).await;
    }
    let origin = Some(Origin { connection: tabs[0].outbox.connection, request: 1 });
    replica.backend.emit(Envelope { origin, ..signal(&room, "true") }).await.unwrap();
    settle().await;
    assert_eq!(tabs[0].news(), ["joined 0"]);
    assert_eq!(tabs[1].news(), ["joined 0", "signal true"]);
    assert_eq!(bob.news(), ["joined 0", "signal true"]);
}

#[tokio::test(start_paused = true)]
async fn for_somebody_who_does_not_read_signals_are_lost_before_anything_else() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    for _ in 0..200 {
        replica.backend.emit(signal(&room, "true")).await.unwrap();
    }
    settle().await;
    assert!(ada.outbox.queued_bytes() <= world.outbox_bytes / 2, "they never take all of the outbox");
    world.fill(&room, 5).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    let entries: Vec<_> = news.iter().filter(|word| word.starts_with("message")).collect();
    assert_eq!(entries, ["message 1", "message 2", "message 3", "message 4", "message 5"]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_reaches_who_asked_for_them_and_the_users_other_connections_but_not_who_moved_the_marker() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (mover, tab) = (world.client(&replica, "ada"), world.client(&other, "ada"));
    let (asked, did_not) = (world.client(&replica, "bob"), world.client(&replica, "eve"));
    mover.attend(&room).await;
    asked.attend(&room).await;
    tab.join(&room).await;
    did_not.join(&room).await;
    settle().await;
    let positions = world.fill(&room, 2).await;
    settle().await;
    for client in [&mover, &tab, &asked, &did_not] {
        client.news();
    }
    let origin = Some(Origin { connection: mover.outbox.connection, request: 1 });
    for pos in &positions {
        replica.backend.mark_read(&room, &user("ada"), pos, origin).await.unwrap();
    }
    settle().await;
    assert_eq!(mover.news(), [""; 0]);
    assert_eq!(tab.news(), ["receipt ada 2"], "two in one interval are one");
    assert_eq!(asked.news(), ["receipt ada 2"]);
    assert_eq!(did_not.news(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn in_a_large_room_receipts_reach_only_the_users_own_connections() {
    let mut world = World::new();
    world.kind.receipts_max_members = 2;
    let replica = world.replica();
    let room = world.room("general").await;
    let clients = ["ada", "ada", "bob"].map(|name| world.client(&replica, name));
    for client in &clients {
        client.attend(&room).await;
    }
    let pos = world.fill(&room, 1).await.remove(0);
    settle().await;
    for client in &clients {
        client.news();
    }
    let origin = Some(Origin { connection: clients[0].outbox.connection, request: 1 });
    replica.backend.mark_read(&room, &user("ada"), &pos, origin).await.unwrap();
    settle().await;
    assert_eq!(clients.each_ref().map(|client| client.news()), [vec![], vec!["receipt ada 1".to_owned()], vec![]]);
}
