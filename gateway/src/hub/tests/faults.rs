//! A bus that loses, doubles and reorders; a store that is away, trims, or comes back with another log.

use std::time::Duration;

use super::client::Client;
use super::frames::Frames;
use super::world::{World, settle};
use crate::broker::Retention;
use crate::broker::conformance::message;
use crate::broker::memory::faults::Conduct;

fn messages(seqs: impl Iterator<Item = u64>) -> Vec<String> {
    seqs.map(|seq| format!("message {seq}")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_lost_is_read_as_soon_as_the_next_entry_shows_the_hole() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.fill(&room, 700).await;
    world.faults.set(replica.number, Conduct::Faithful);
    world.fill(&room, 1).await;
    settle().await;
    let news = ada.news();
    assert_eq!(news[1..], messages(1..=701));
    assert_eq!(replica.metrics.catch_ups.get(), 2, "in pages of 500");
}

#[tokio::test(start_paused = true)]
async fn what_the_bus_says_that_it_lost_is_read_at_once() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.fill(&room, 2).await;
    replica.news.missed();
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "message 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_nothing_reported_is_found_within_thirty_five_seconds_whatever_was_heard_before() {
    for heard_ms in [0, 100, 15_000, 29_990] {
        let world = World::new();
        let replica = world.replica();
        let room = world.room("general").await;
        let ada = world.client(&replica, "ada");
        ada.join(&room).await;
        tokio::time::sleep(Duration::from_millis(heard_ms)).await;
        world.fill(&room, 1).await;
        settle().await;
        ada.news();
        world.faults.set(replica.number, Conduct::Deaf);
        world.fill(&room, 1).await;
        tokio::time::sleep(Duration::from_secs(35)).await;
        assert_eq!(ada.news(), ["message 2"], "heard at {heard_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_comparison_with_the_log_costs_no_read_where_nothing_is_missing() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let reads = replica.metrics.log_reads.get();
    // Not at the very moment of a comparison: what the bus is about to bring is missing then.
    tokio::time::sleep(Duration::from_millis(100)).await;
    for _ in 0..100 {
        world.fill(&room, 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(replica.metrics.log_reads.get(), reads);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_while_the_room_reads_its_log_is_not_forgotten() {
    for delay_ms in 0..60 {
        let world = World::new();
        let replica = world.replica();
        let room = world.room("general").await;
        let ada = world.client(&replica, "ada");
        ada.join(&room).await;
        replica.backend.set_slow(Duration::from_millis(100));
        // The first is found by the hole that the second shows, the third by the word that it was missed.
        world.faults.set(replica.number, Conduct::Deaf);
        world.fill(&room, 1).await;
        world.faults.set(replica.number, Conduct::Faithful);
        world.fill(&room, 1).await;
        tokio::time::sleep(Duration::from_millis(delay_ms * 3)).await;
        world.faults.set(replica.number, Conduct::Deaf);
        world.fill(&room, 1).await;
        replica.news.missed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(ada.news()[1..], messages(1..=3), "after {delay_ms} times 3 ms");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreliable_bus_disturbs_neither_order_nor_number() {
    for seed in 0..20 {
        let world = World::seeded(seed);
        let replica = world.replica();
        let room = world.room("general").await;
        let ada = world.client(&replica, "ada");
        ada.join(&room).await;
        world.faults.set(replica.number, Conduct::Flaky { lose: 0.2, double: 0.3, delay: 0.3, tell: 0.5 });
        for _ in 0..100 {
            world.fill(&room, 1).await;
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        world.faults.set(replica.number, Conduct::Faithful);
        tokio::time::sleep(Duration::from_secs(35)).await;
        assert_eq!(ada.news()[1..], messages(1..=100), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_overflows_loses_nothing() {
    let mut world = World::new();
    world.queues = (1, 4);
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 100).await;
    settle().await;
    assert_eq!(ada.news()[1..], messages(1..=100));
}

#[tokio::test(start_paused = true)]
async fn within_five_seconds_after_bus_and_store_are_back_nothing_is_missing() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    replica.backend.set_away(true);
    world.fill(&room, 3).await;
    replica.news.missed();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(ada.news(), ["joined 0"]);
    replica.backend.set_away(false);
    world.faults.set(replica.number, Conduct::Faithful);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ada.news(), messages(1..=3));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_gives_no_answer_keeps_no_other_room_from_being_compared() {
    let world = World::new();
    let replica = world.replica();
    let ada = world.client(&replica, "ada");
    // Enough rooms for every worker to have some.
    let mut rooms = Vec::new();
    for number in 0..12 {
        rooms.push(world.room(&format!("room-{number}")).await);
        ada.join(&rooms[number]).await;
    }
    settle().await;
    ada.news();
    let away: Vec<_> = rooms[..6].iter().collect();
    world.faults.set(replica.number, Conduct::Deaf);
    replica.backend.hide_heads(&away);
    // A loss that is told, one that is told while the first ones still wait, and one that nobody told.
    for time in [Duration::from_secs(1), Duration::from_secs(1), Duration::from_secs(35)] {
        for room in &rooms {
            world.fill(room, 1).await;
        }
        if time < Duration::from_secs(30) {
            replica.news.missed();
        }
        tokio::time::sleep(time).await;
        assert_eq!(ada.news().len(), 6, "those whose logs answer, after {time:?}");
    }
    replica.backend.hide_heads(&[]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ada.news().len(), 6 * 3, "and the others as soon as theirs do");
}

#[tokio::test(start_paused = true)]
async fn where_retention_has_passed_what_was_lost_everybody_is_told_where_it_goes_on() {
    let mut world = World::new();
    world.kind.retention = Retention { bytes: 1_000, ..world.kind.retention };
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.join(&room).await;
    bob.join(&room).await;
    world.fill(&room, 1).await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.fill(&room, 20).await;
    world.faults.set(replica.number, Conduct::Faithful);
    world.fill(&room, 1).await;
    settle().await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "reset 22 trimmed", "message 23"]);
    assert_eq!(bob.news()[1..], messages(1..=23), "who heard it all is not disturbed");
}

#[tokio::test(start_paused = true)]
async fn another_log_resets_everybody_to_its_head() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let old = world.fill(&room, 3).await.pop();
    settle().await;
    world.store.lose_log(&room);
    world.fill(&room, 1).await;
    settle().await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news()[1..], ["message 1", "message 2", "message 3", "reset 1 reset", "message 2"]);
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, old.as_ref(), 1).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 2 reset +1", "message 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_gone_and_has_no_successor_resets_everybody_to_the_start() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 2).await;
    settle().await;
    world.store.lose_log(&room);
    tokio::time::sleep(Duration::from_secs(35)).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news()[1..], ["message 1", "message 2", "reset 0 reset", "message 1"]);
}

#[tokio::test(start_paused = true)]
async fn numbers_that_a_failover_gave_out_again_reset_everybody_who_was_given_them_before() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.join(&room).await;
    let lost = world.fill(&room, 10).await.pop();
    settle().await;
    world.store.rewind(&room, 7);
    world.fill(&room, 3).await;
    settle().await;
    bob.join_with(&room, lost.as_ref(), 0).await;
    world.fill(&room, 1).await;
    settle().await;
    let news = ada.news();
    assert_eq!(news[1..11], messages(1..=10));
    assert!(news[11].ends_with(" reset"), "{news:?}");
    let seq: u64 = news[11].split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(news[12..], messages(seq + 1..=11));
    assert_eq!(bob.news(), ["joined 10 reset", "message 11"]);
}

#[tokio::test(start_paused = true)]
async fn a_failover_that_nobody_publishes_behind_is_found_within_thirty_five_seconds() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 10).await;
    settle().await;
    world.store.rewind(&room, 7);
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(ada.news()[11..], ["reset 7 reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_stands_where_its_log_now_ends_waits_for_its_room_without_haste() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let positions = world.fill(&room, 10).await;
    settle().await;
    world.store.rewind(&room, 5);
    let reads = replica.metrics.log_reads.get();
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, Some(&positions[4]), 0).await;
    settle().await;
    assert!(replica.metrics.log_reads.get() < reads + 10);
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 10 recovered +5", "reset 5 reset", "message 6"]);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_on_a_way_that_its_room_does_not_know_yet_waits_for_it() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 10).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.store.rewind(&room, 9);
    let since = world.fill(&room, 1).await.pop();
    replica.backend.set_slow(Duration::from_millis(50));
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, since.as_ref(), 0).await;
    world.fill(&room, 2).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 10 recovered", "reset 12 reset"]);
}

#[tokio::test(start_paused = true)]
async fn a_sent_of_a_log_that_the_room_does_not_follow_is_no_promise_and_its_entry_is_not_doubled() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 3).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.store.rewind(&room, 1);
    ada.say_without_echo(&room, "on the other way").await;
    settle().await;
    world.faults.set(replica.number, Conduct::Faithful);
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news()[1..], ["message 1", "message 2", "message 3", "unproven", "reset 2 reset", "message 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_sent_that_waits_for_an_entry_that_a_failover_lost_is_no_promise() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 3).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    ada.say_without_echo(&room, "soon lost").await;
    world.store.rewind(&room, 2);
    replica.news.missed();
    settle().await;
    assert_eq!(ada.news()[4..], ["reset 2 reset", "unproven"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_told_of_an_entry_that_a_failover_lost_is_reset_though_the_room_never_met_it() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 3).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    ada.say(&room, "soon lost").await;
    world.store.rewind(&room, 3);
    world.faults.set(replica.number, Conduct::Faithful);
    world.fill(&room, 1).await;
    settle().await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news()[4..], ["sent #1", "reset 4 reset", "message 5"], "its number is somebody else's now");

    world.faults.set(replica.number, Conduct::Deaf);
    ada.say(&room, "soon lost").await;
    world.store.rewind(&room, 5);
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(ada.news(), ["sent #2", "reset 5 reset"], "also where nobody publishes behind it");
}

#[tokio::test(start_paused = true)]
async fn a_send_to_a_log_that_the_room_does_not_follow_is_not_acknowledged() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 3).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.store.lose_log(&room);
    ada.say(&room, "on the other way").await;
    settle().await;
    assert_eq!(ada.news()[4..], ["failed #1", "reset 1 reset"], "and the room looks at its log");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_written_disturbs_neither_other_rooms_nor_what_comes_behind_it() {
    let mut world = World::new();
    world.queues = (1, 100);
    world.frames = Frames::poisoned_by("poison", 0);
    let replica = world.replica();
    let (room, elsewhere) = (world.room("general").await, world.room("elsewhere").await);
    let clients: Vec<Client> = (0..3).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    for client in &clients {
        client.join(&room).await;
    }
    let ada = world.client(&replica, "ada");
    ada.join(&elsewhere).await;
    world.fill(&room, 1).await;
    world.append(message(&room, "eve", "poison")).await;
    settle().await;
    world.fill(&room, 2).await;
    world.fill(&elsewhere, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1"]);
    for client in &clients {
        assert_eq!(client.news(), ["joined 0", "message 1", "reset 2 reset", "message 3", "message 4"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_cannot_be_written_does_not_stop_a_catch_up() {
    let mut world = World::new();
    world.frames = Frames::poisoned_by("poison", 0);
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.fill(&room, 2).await;
    world.append(message(&room, "eve", "poison")).await;
    world.fill(&room, 2).await;
    replica.news.missed();
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "message 2", "reset 3 reset", "message 4", "message 5"]);
}
