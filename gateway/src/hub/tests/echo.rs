//! The `sent` that stands in an entry's place, and where it must not.

use std::time::Duration;

use super::client::Reading;
use super::world::{World, settle};
use crate::broker::conformance::{message, user_key};
use crate::broker::memory::faults::Conduct;
use crate::broker::{BrokerError, Publish};
use crate::hub::outbox::Outbox;

#[tokio::test(start_paused = true)]
async fn with_echo_the_entry_comes_and_its_sent_beside_it() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    ada.say(&room, "hi").await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "sent #1", "message 1"]);
}

#[tokio::test(start_paused = true)]
async fn without_echo_the_sent_stands_in_the_entrys_place() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.join(&room).await;
    bob.join(&room).await;
    world.fill(&room, 1).await;
    ada.say_without_echo(&room, "2").await;
    world.fill(&room, 1).await;
    ada.say_without_echo(&room, "4").await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "sent 2", "message 3", "sent 4"]);
    assert_eq!(bob.news(), ["joined 0", "message 1", "message 2", "message 3", "message 4"]);
}

#[tokio::test(start_paused = true)]
async fn the_sent_stands_in_its_place_whether_the_bus_or_the_store_speaks_first() {
    for seed in 0..20 {
        let world = World::seeded(seed);
        let (replica, other) = (world.replica(), world.replica());
        let room = world.room("general").await;
        let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
        ada.join(&room).await;
        replica.backend.set_slow(Duration::from_millis(20));
        other.backend.set_slow(Duration::from_millis(20));
        let mine = futures_util::future::join_all((0..8).map(|_| ada.say_without_echo(&room, "mine")));
        let others = futures_util::future::join_all((0..8).map(|_| bob.say(&room, "others'")));
        tokio::join!(mine, others);
        settle().await;
        let news = ada.news();
        let seqs: Vec<u64> = news[1..].iter().map(|word| word.split(' ').nth(1).unwrap().parse().unwrap()).collect();
        assert_eq!(seqs, (1..=16_u64).collect::<Vec<_>>(), "{news:?}");
        assert_eq!(news.iter().filter(|word| word.starts_with("sent")).count(), 8, "{news:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_connection_of_the_same_user_gets_the_entry() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (one, two) = (world.client(&replica, "ada"), world.client(&replica, "ada"));
    one.join(&room).await;
    two.join(&room).await;
    one.say_without_echo(&room, "hi").await;
    settle().await;
    assert_eq!(one.news(), ["joined 0", "sent 1"]);
    assert_eq!(two.news(), ["joined 0", "message 1"]);
}

#[tokio::test(start_paused = true)]
async fn where_a_catch_up_reached_the_entry_first_the_entry_comes_and_then_its_sent() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    replica.backend.hold_answers(true);
    tokio::join!(ada.say_without_echo(&room, "1"), async {
        settle().await;
        world.faults.set(replica.number, Conduct::Faithful);
        bob.say(&room, "2").await;
        settle().await;
        assert_eq!(ada.news(), ["joined 0", "message 1", "message 2"]);
        replica.backend.hold_answers(false);
    });
    settle().await;
    assert_eq!(ada.news(), ["sent 1"]);
}

#[tokio::test(start_paused = true)]
async fn where_the_bus_lost_the_entry_its_sent_waits_for_its_place() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    bob.say(&room, "1").await;
    ada.say_without_echo(&room, "2").await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0"]);
    world.faults.set(replica.number, Conduct::Faithful);
    bob.say(&room, "3").await;
    settle().await;
    assert_eq!(ada.news(), ["message 1", "sent 2", "message 3"]);
}

#[tokio::test(start_paused = true)]
async fn after_an_error_the_entry_itself_comes() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    replica.backend.set_forgetful(true);
    let failed = ada.post(message(&room, "ada", "1"), false).await;
    assert!(matches!(failed, Err(BrokerError::Unavailable)));
    replica.backend.set_forgetful(false);
    world.faults.set(replica.number, Conduct::Faithful);
    bob.say(&room, "2").await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "failed #1", "message 1", "message 2"]);
}

#[tokio::test(start_paused = true)]
async fn where_the_entry_came_before_the_store_gave_up_the_sent_in_its_place_is_the_answer() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    replica.backend.set_forgetful(true);
    replica.backend.hold_answers(true);
    let (failed, ()) = tokio::join!(ada.post(message(&room, "ada", "1"), false), async {
        settle().await;
        replica.backend.hold_answers(false);
    });
    assert!(failed.is_err());
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "sent 1"], "and no error behind it");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_answered_at_once_and_takes_no_place() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let publish = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "hi") };
    ada.post(publish(), false).await.unwrap();
    settle().await;
    ada.post(publish(), false).await.unwrap();
    settle().await;
    ada.say(&room, "more").await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "sent 1", "sent #2", "sent #3", "message 2"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_room_that_was_left_meanwhile_the_sent_comes_behind_left() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    ada.say_without_echo(&room, "hi").await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0"]);
    ada.leave(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["left", "sent 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_sent_that_was_given_up_comes_behind_its_entry() {
    let mut world = World::new();
    world.outbox_bytes = 6_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    world.fill(&room, 2).await;
    ada.say_without_echo(&room, "3").await;
    world.fill(&room, 30).await;
    settle().await;
    assert!(ada.outbox.queued_bytes() <= world.outbox_bytes);
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    assert_eq!(news[..5], ["joined 0", "message 1", "message 2", "message 3", "sent 3"]);
    assert_eq!(news[5..], (4..=33).map(|seq| format!("message {seq}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_sent_behind_an_entry_that_is_written_stays_though_later_entries_are_given_up() {
    let mut world = World::new();
    world.outbox_bytes = 6_000;
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.join(&room).await;
    // Ada's entry reaches her by a catch-up and is written before the store answers her.
    world.faults.set(replica.number, Conduct::Deaf);
    replica.backend.hold_answers(true);
    tokio::join!(ada.say_without_echo(&room, "1"), async {
        settle().await;
        replica.news.missed();
        settle().await;
        assert_eq!(ada.news(), ["joined 0", "message 1"]);
        ada.reads(Reading::Not);
        world.faults.set(replica.number, Conduct::Faithful);
        bob.say(&room, "2").await;
        settle().await;
        replica.backend.hold_answers(false);
    });
    world.fill(&room, 30).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    assert_eq!(news[0], "sent 1");
    assert_eq!(news[1..], (2..=32).map(|seq| format!("message {seq}")).collect::<Vec<_>>());
}

/// Whether so much of the outbox is taken that no further request is begun.
fn is_full(outbox: &Outbox) -> bool {
    outbox.is_full(512)
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_for_their_entries_count_against_the_bound() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    let mut said = 0;
    while !is_full(&ada.outbox) {
        ada.say_without_echo(&room, "more").await;
        said += 1;
        assert!(said < 100, "a client that never reads is never made to wait");
    }
    replica.news.missed();
    settle().await;
    let sent = ada.news().iter().filter(|word| word.starts_with("sent")).count();
    assert_eq!(sent, said);
    assert!(!is_full(&ada.outbox));
}
