//! Who is in a room, as its members are told.

use std::time::Duration;

use futures_util::future::join_all;

use super::client::Reading;
use super::frames::Frame;
use super::world::{World, settle};
use crate::broker::Broker as _;
use crate::broker::conformance::{ALL, signal};
use crate::broker::memory::faults::Conduct;
use crate::hub::event::Event;
use crate::presence::Presence as _;

#[tokio::test(start_paused = true)]
async fn a_member_appears_to_others_on_every_replica_and_not_to_itself() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.attend(&room).await;
    settle().await;
    let bob = world.client(&other, "bob");
    bob.attend(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "presence 2 +bob"]);
    let Frame::Joined(_, joined) = &bob.got()[0] else { panic!("no joined") };
    assert_eq!(joined.members, Some(2), "one's own join is counted");
    assert_eq!(bob.news(), ["joined 0"]);
}

#[tokio::test(start_paused = true)]
async fn two_tabs_come_once_and_go_once_whatever_replicas_they_are_on() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.attend(&room).await;
    let tabs = [world.client(&replica, "bob"), world.client(&other, "bob"), world.client(&replica, "bob")];
    for tab in &tabs {
        tab.attend(&room).await;
        settle().await;
    }
    assert_eq!(ada.news(), ["joined 0", "presence 2 +bob"]);
    for tab in &tabs[..2] {
        tab.leave(&room).await;
        settle().await;
    }
    assert_eq!(ada.news(), [""; 0]);
    tabs[2].leave(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["presence 1 -bob"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_is_gone_within_a_second() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    bob.attend(&room).await;
    settle().await;
    ada.news();
    bob.leave(&room).await;
    tokio::time::sleep(Duration::from_millis(999)).await;
    assert_eq!(ada.news(), ["presence 1 -bob"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_breaks_off_stays_for_the_grace_and_is_gone_within_a_second_behind_it() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    bob.attend(&room).await;
    settle().await;
    ada.news();
    bob.disconnect();
    tokio::time::sleep(Duration::from_millis(1_999)).await;
    assert_eq!(ada.news(), [""; 0]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ada.news(), ["presence 1 -bob"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_within_the_grace_does_not_flicker() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    bob.attend(&room).await;
    settle().await;
    ada.news();
    bob.disconnect();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let bob = world.client(&other, "bob");
        bob.attend(&room).await;
        bob.disconnect();
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let bob = world.client(&replica, "bob");
    bob.attend(&room).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ada.news(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn however_many_come_and_go_there_is_one_frame_in_a_hundred_milliseconds() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.attend(&room).await;
    for number in 0..50 {
        let client = world.client(&replica, &format!("user-{number:02}"));
        client.attend(&room).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
        if number % 2 == 0 {
            client.leave(&room).await;
        }
        // Every second one stays, and all of them are kept alive.
        std::mem::forget(client);
    }
    settle().await;
    let news = ada.news();
    assert!((5..=6).contains(&(news.len() - 1)), "{} frames in half a second", news.len() - 1);
    assert!(news.last().unwrap().starts_with("presence 26"), "{news:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_large_room_frames_carry_only_the_count() {
    let mut world = World::new();
    world.kind.presence_count_only_above = 2;
    let replica = world.replica();
    let room = world.room("general").await;
    let clients: Vec<_> = ["ada", "bob", "eve"].map(|name| world.client(&replica, name)).into();
    for client in &clients {
        client.attend(&room).await;
        settle().await;
    }
    assert_eq!(clients[0].news(), ["joined 0", "presence 2 +bob", "presence 3"]);
    clients[2].leave(&room).await;
    settle().await;
    assert_eq!(clients[0].news(), ["presence 2 -eve"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_room_without_presence_nobody_is_told_of_anybody() {
    let mut world = World::new();
    world.kind.presence = false;
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.attend(&room).await;
    bob.attend(&room).await;
    settle().await;
    let Frame::Joined(_, joined) = &bob.got()[0] else { panic!("no joined") };
    assert_eq!(joined.members, None);
    assert_eq!(ada.news(), ["joined 0"]);
    assert_eq!(replica.backend.count(&room).await.unwrap(), 0);
    ada.leave(&room).await;
    bob.disconnect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(replica.hub.rooms_len(), 0, "and nobody is remembered");
}

#[tokio::test(start_paused = true)]
async fn every_change_that_a_page_of_members_does_not_show_comes_behind_it() {
    for seed in 0..10 {
        let world = World::seeded(seed);
        let replica = world.replica();
        let room = world.room("general").await;
        let ada = world.client(&replica, "ada");
        ada.attend(&room).await;
        settle().await;
        replica.backend.set_slow(Duration::from_millis(150));
        let others: Vec<_> = (0..6).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
        let coming = join_all(others.iter().enumerate().map(|(number, client)| {
            let room = &room;
            async move {
                tokio::time::sleep(Duration::from_millis(60 * number as u64)).await;
                client.join(room).await;
                if number % 2 == 0 {
                    client.leave(room).await;
                }
            }
        }));
        tokio::join!(coming, async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            ada.ask_for_members(&room).await.unwrap();
        });
        settle().await;
        let mut members = Vec::new();
        let mut asked = false;
        for frame in ada.got() {
            match frame {
                Frame::Members(_, page) => {
                    asked = true;
                    members = page.members.iter().map(|member| member.author.user.clone()).collect();
                }
                Frame::Event(_, Event::Presence(update)) if asked => {
                    members.retain(|user| !update.left.contains(user));
                    members.extend(update.joined.into_iter().map(|author| author.user));
                }
                _ => {}
            }
        }
        members.sort();
        members.dedup();
        let page = replica.backend.members(&room, None, ALL.entries).await.unwrap();
        let there: Vec<_> = page.members.into_iter().map(|member| member.author.user).collect();
        assert_eq!(members, there, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_page_is_worked_out_no_presence_comes() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.attend(&room).await;
    settle().await;
    let (id, _) = ada.outbox.subscription_to(&room).unwrap();
    ada.outbox.hold_presence(id);
    bob.attend(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0"]);
    ada.outbox.release_presence(id);
    settle().await;
    assert_eq!(ada.news(), ["presence 2 +bob"]);
}

/// Fills the outbox of somebody who does not read so far that no presence goes in any more.
async fn fill_up(world: &World, room: &hubbub_shared::RoomName, outbox: &crate::hub::outbox::Outbox) {
    while outbox.queued_bytes() < world.outbox_bytes * 3 / 4 {
        world.fill(room, 1).await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_updates_is_told_so_as_soon_as_there_is_room() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.attend(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    fill_up(&world, &room, &ada.outbox).await;
    bob.join(&room).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    let presence: Vec<_> = news.iter().filter(|word| word.starts_with("presence")).collect();
    assert_eq!(presence, ["presence 2 resync"]);
    bob.leave(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["presence 1 -bob"], "and once is enough");
}

#[tokio::test(start_paused = true)]
async fn updates_that_were_given_up_for_entries_are_told_as_lost() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.attend(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    bob.join(&room).await;
    settle().await;
    world.fill(&room, 60).await;
    settle().await;
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    let presence: Vec<_> = news.iter().filter(|word| word.starts_with("presence")).collect();
    assert_eq!(presence, ["presence 2 resync"]);
}

#[tokio::test(start_paused = true)]
async fn a_loss_among_updates_that_were_held_back_is_told() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.attend(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    let (id, _) = ada.outbox.subscription_to(&room).unwrap();
    ada.outbox.hold_presence(id);
    let others: Vec<_> = (0..3).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    for other in &others {
        other.join(&room).await;
        settle().await;
    }
    fill_up(&world, &room, &ada.outbox).await;
    ada.outbox.release_presence(id);
    ada.reads(Reading::AsItComes);
    settle().await;
    let news = ada.news();
    let last = news.iter().rfind(|word| word.starts_with("presence")).unwrap();
    assert_eq!(last, "presence 4 resync");
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_cannot_be_told_yet_costs_neither_time_nor_memory() {
    let mut world = World::new();
    world.outbox_bytes = 8_000;
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.attend(&room).await;
    settle().await;
    ada.reads(Reading::Not);
    fill_up(&world, &room, &ada.outbox).await;
    bob.join(&room).await;
    settle().await;
    let (id, _) = ada.outbox.subscription_to(&room).unwrap();
    ada.outbox.hold_presence(id);
    ada.reads(Reading::AsItComes);
    settle().await;
    ada.outbox.release_presence(id);
    settle().await;
    let news = ada.news();
    let presence: Vec<_> = news.iter().filter(|word| word.starts_with("presence")).collect();
    assert_eq!(presence, ["presence 2 resync"]);
}

#[tokio::test(start_paused = true)]
async fn where_the_bus_missed_something_the_next_frame_says_so() {
    let world = World::new();
    let (replica, other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&other, "bob"));
    ada.attend(&room).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    bob.join(&room).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Faithful);
    assert_eq!(ada.news(), ["joined 0"]);
    replica.news.missed();
    replica.backend.emit(signal(&room, "1")).await.unwrap();
    settle().await;
    assert_eq!(ada.news(), ["signal 1", "presence 1 resync"], "the count is the last that was heard of");
    ada.ask_for_members(&room).await.unwrap();
    settle().await;
    assert_eq!(ada.news(), ["members 2 ada bob"]);
}
