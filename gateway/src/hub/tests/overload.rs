//! Clients that do not read, or not as fast as others write.

use std::time::Duration;

use futures_util::FutureExt as _;
use hubbub_shared::Data;

use super::client::{Client, Reading};
use super::frames::FRAME_BYTES;
use super::world::{World, settle};
use crate::broker::Broker as _;
use crate::broker::conformance::{message, signal};
use crate::broker::memory::faults::Conduct;

fn messages(seqs: impl Iterator<Item = u64>) -> Vec<String> {
    seqs.map(|seq| format!("message {seq}")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_client_that_does_not_read_is_bounded_whatever_it_is() {
    let mut world = World::new();
    world.outbox_bytes = 20_000;
    let replica = world.replica();
    let mut rooms = Vec::new();
    let ada = world.client(&replica, "ada");
    for number in 0..5 {
        rooms.push(world.room(&format!("room-{number}")).await);
        ada.attend(&rooms[number]).await;
    }
    settle().await;
    ada.reads(Reading::Not);
    let text = "x".repeat(500);
    // A frame with its place in the queue, and one reset for every room.
    let slack = 2_000 + rooms.len() * (FRAME_BYTES + 200);
    for round in 0..40 {
        for room in &rooms {
            world.append(message(room, "eve", &text)).await;
            replica.backend.emit(signal(room, "1")).await.unwrap();
        }
        let bob = world.client(&replica, "bob");
        bob.join(&rooms[round % 5]).await;
        if round % 3 == 0 {
            // The log goes another way under the eyes of all.
            world.store.lose_log(&rooms[round % 5]);
            world.append(message(&rooms[round % 5], "eve", &text)).await;
        }
        if round % 7 == 0 {
            ada.leave(&rooms[1]).await;
            ada.attend(&rooms[1]).now_or_never();
        }
        bob.leave(&rooms[round % 5]).await;
        settle().await;
        let queued_bytes = ada.outbox.queued_bytes();
        assert!(queued_bytes <= world.outbox_bytes + slack, "{queued_bytes} bytes after round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn entries_that_were_given_up_are_read_again_once_the_client_reads() {
    let mut world = World::new();
    world.outbox_bytes = 10_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    world.fill(&room, 500).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    assert_eq!(ada.news()[1..], messages(1..=500));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_everything_in_order() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let (room, other) = (world.room("general").await, world.room("other").await);
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    ada.join(&other).await;
    settle().await;
    ada.news();
    ada.reads(Reading::Slowly(Duration::from_millis(3)));
    for _ in 0..300 {
        world.fill(&room, 1).await;
        world.fill(&other, 1).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let got = ada.got();
    for of in [&room, &other] {
        let words: Vec<_> = got.iter().filter(|it| it.room() == Some(of)).map(ToString::to_string).collect();
        assert_eq!(words, messages(1..=300));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_delays_nobody() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.join(&room).await;
    bob.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    for seq in 1..=200 {
        bob.news();
        world.fill(&room, 1).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(bob.news(), messages(seq..=seq));
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_larger_than_the_outbox_gets_through() {
    let mut world = World::new();
    world.outbox_bytes = 4_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 1).await;
    world.append(message(&room, "eve", &"x".repeat(10_000))).await;
    world.append(message(&room, "eve", &"x".repeat(10_000))).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news()[1..], messages(1..=4));
}

#[tokio::test(start_paused = true)]
async fn a_replay_waits_for_the_client_to_read() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let since = world.fill(&room, 1).await.pop();
    world.fill(&room, 1_000).await;
    let ada = world.client(&replica, "ada");
    ada.reads(Reading::Not);
    ada.join_with(&room, since.as_ref(), 0).await;
    settle().await;
    assert!(ada.outbox.queued_bytes() <= world.outbox_bytes);
    world.fill(&room, 10).await;
    settle().await;
    assert!(ada.outbox.queued_bytes() <= world.outbox_bytes);
    ada.reads(Reading::AsItComes);
    settle().await;
    assert_eq!(ada.news()[1..], messages(2..=1_011));
}

#[tokio::test(start_paused = true)]
async fn whoever_fell_too_far_behind_is_reset_and_whoever_asked_for_as_much_gets_it() {
    const MUCH: usize = 50_100;
    let mut world = World::new();
    world.outbox_bytes = 100_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let since = world.fill(&room, 1).await.pop();
    settle().await;
    ada.reads(Reading::Not);
    world.fill(&room, MUCH).await;
    settle().await;
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, since.as_ref(), 0).await;
    ada.reads(Reading::AsItComes);
    settle().await;
    world.fill(&room, 1).await;
    settle().await;
    let news = ada.news();
    let resets: Vec<_> = news.iter().filter(|word| word.starts_with("reset")).collect();
    assert_eq!(resets, [&format!("reset {} lag", MUCH + 1)]);
    assert_eq!(*news.last().unwrap(), format!("message {}", MUCH + 2));
    let news = bob.news();
    assert_eq!(news.len(), MUCH + 2);
    assert_eq!(news[1..], messages(2..=MUCH as u64 + 2));
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_was_asked_for_stays_one_when_another_room_takes_its_place_in_the_outbox() {
    let mut world = World::new();
    world.outbox_bytes = 20_000;
    let replica = world.replica();
    let (room, other) = (world.room("general").await, world.room("other").await);
    let since = world.fill(&room, 1).await.pop();
    world.fill(&room, 300).await;
    let ada = world.client(&replica, "ada");
    ada.join(&other).await;
    settle().await;
    ada.reads(Reading::Not);
    ada.join_with(&room, since.as_ref(), 0).await;
    settle().await;
    world.fill(&other, 100).await;
    settle().await;
    let (id, _) = ada.outbox.subscription_to(&room).unwrap();
    assert!(matches!(ada.outbox.lag(id), Some((_, false))));
    ada.reads(Reading::AsItComes);
    settle().await;
    let got = ada.got();
    let words: Vec<_> = got.iter().filter(|it| it.room() == Some(&room)).map(ToString::to_string).collect();
    assert_eq!(words[1..], messages(2..=301));
}

#[tokio::test(start_paused = true)]
async fn a_request_begins_only_when_its_reply_has_room() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    while !ada.outbox.is_full(1_000) {
        world.fill(&room, 1).await;
        settle().await;
    }
    assert!(ada.outbox.reserve(1_000).now_or_never().is_none());
    let waiting = ada.outbox.reserve(1_000);
    ada.reads(Reading::AsItComes);
    tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reservation_keeps_others_out_until_it_is_given_back() {
    let world = World::new();
    let replica = world.replica();
    let ada = world.client(&replica, "ada");
    let half = world.outbox_bytes / 2;
    let first = ada.outbox.reserve(half).await;
    let _second = ada.outbox.reserve(half).await;
    assert!(ada.outbox.reserve(1).now_or_never().is_none());
    drop(first);
    assert!(ada.outbox.reserve(half).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reply_larger_than_half_the_outbox_is_not_waited_for_in_vain() {
    let world = World::new();
    let replica = world.replica();
    let ada = world.client(&replica, "ada");
    let reserved = tokio::time::timeout(Duration::from_secs(1), ada.outbox.reserve(10 * world.outbox_bytes)).await;
    assert!(reserved.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reset_reaches_a_lagging_subscription_and_what_was_queued_before_it_stays() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    world.fill(&room, 3).await;
    settle().await;
    world.store.lose_log(&room);
    world.fill(&room, 1).await;
    settle().await;
    world.fill(&room, 60).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    assert_eq!(news[1..5], ["message 1", "message 2", "message 3", "reset 1 reset"]);
    assert_eq!(news[5..], messages(2..=61));
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_is_closed_takes_nothing_in_and_gives_out_what_it_has() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    world.fill(&room, 1).await;
    settle().await;
    ada.outbox.close();
    world.fill(&room, 1).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1"]);
    assert!(!ada.outbox.wait_readable().await);
}

#[tokio::test(start_paused = true)]
async fn a_room_in_which_many_lag_goes_on_for_the_others_while_the_store_is_away() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let slow: Vec<Client> = (0..20).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    let ada = world.client(&replica, "ada");
    for client in slow.iter().chain([&ada]) {
        client.join(&room).await;
    }
    settle().await;
    for client in &slow {
        client.reads(Reading::Not);
    }
    for _ in 0..100 {
        world.fill(&room, 1).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    replica.backend.set_away(true);
    for client in &slow {
        client.reads(Reading::AsItComes);
    }
    for _ in 0..100 {
        world.fill(&room, 1).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(ada.news()[1..], messages(1..=200), "who keeps up needs no store");
    replica.backend.set_away(false);
    settle().await;
    for client in slow {
        assert_eq!(client.news()[1..], messages(1..=200));
    }
}

#[tokio::test(start_paused = true)]
async fn data_of_any_size_is_counted_as_it_is_written() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    world.faults.set(replica.number, Conduct::Faithful);
    let before = ada.outbox.queued_bytes();
    let data = Data::from_json(&format!("\"{}\"", "y".repeat(3_000))).unwrap();
    replica.backend.emit(signal(&room, data.as_json())).await.unwrap();
    settle().await;
    assert!(ada.outbox.queued_bytes() - before > 3_000 + FRAME_BYTES);
    ada.reads(Reading::AsItComes);
    settle().await;
    assert_eq!(ada.outbox.queued_bytes(), 0);
}
