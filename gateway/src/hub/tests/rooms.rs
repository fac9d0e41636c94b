//! How rooms of a replica open and close.

use std::time::Duration;

use futures_util::future::join_all;

use super::world::{World, settle};

#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_needs_is_unsubscribed_after_the_linger() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    ada.leave(&room).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(replica.metrics.entries_heard.get(), 1, "not before");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(replica.hub.rooms_len(), 0);
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(replica.metrics.entries_heard.get(), 1, "the bus does not bring it any more");
}

#[tokio::test(start_paused = true)]
async fn a_room_with_somebody_in_it_stays() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_closed_opens_again_where_its_log_is() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    ada.leave(&room).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.fill(&room, 3).await;
    ada.join(&room).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "left", "joined 3", "message 4"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_while_the_room_is_being_closed_hears_what_comes() {
    for seed in 0..60 {
        let world = World::seeded(seed);
        let replica = world.replica();
        let room = world.room("general").await;
        let ada = world.client(&replica, "ada");
        ada.join(&room).await;
        ada.leave(&room).await;
        replica.backend.set_slow(Duration::from_millis(300));
        tokio::time::sleep(Duration::from_millis(4_900 + 20 * seed)).await;
        ada.join(&room).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ada.news();
        world.fill(&room, 1).await;
        settle().await;
        assert_eq!(ada.news(), ["message 1"], "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_open_a_room_at_once_cost_one_read_of_its_log() {
    let world = World::new();
    let replica = world.replica();
    replica.backend.set_slow(Duration::from_millis(5));
    let room = world.room("general").await;
    world.fill(&room, 3).await;
    let clients: Vec<_> = (0..100).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    join_all(clients.iter().map(|client| client.join(&room))).await;
    settle().await;
    assert_eq!(replica.metrics.log_reads.get(), 1);
    for client in clients {
        assert_eq!(client.news(), ["joined 3"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_a_room_opens_is_heard() {
    for seed in 0..30 {
        let world = World::seeded(seed);
        let replica = world.replica();
        replica.backend.set_slow(Duration::from_millis(20));
        let room = world.room("general").await;
        let ada = world.client(&replica, "ada");
        tokio::join!(ada.join(&room), async {
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                world.fill(&room, 1).await;
            }
        });
        settle().await;
        let news = ada.news();
        let head: u64 = news[0].split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(news[1..], (head + 1..=20).map(|seq| format!("message {seq}")).collect::<Vec<_>>());
    }
}
