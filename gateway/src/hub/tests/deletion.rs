//! What was deleted is in no replay.

use std::time::Duration;

use super::frames::{Frame, text_of};
use super::world::{World, settle};
use crate::broker::conformance::{delete, edit, message};
use crate::hub::event::Event;

#[tokio::test(start_paused = true)]
async fn a_replay_from_the_ring_carries_no_data_of_what_was_deleted() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let target = world.append(message(&room, "bob", "secret")).await;
    world.append(edit(&room, "bob", &target, "secret still")).await;
    world.append(message(&room, "bob", "harmless")).await;
    world.append(delete(&room, "bob", &target)).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "edit 2", "message 3", "delete 4"]);
    let reads = replica.metrics.log_reads.get();
    let eve = world.client(&replica, "eve");
    eve.join_with(&room, None, 4).await;
    settle().await;
    assert_eq!(eve.news(), ["joined 4 +4", "blank 1", "blank 2", "message 3", "delete 4"]);
    assert_eq!(replica.metrics.log_reads.get(), reads, "it was the ring that was read");
}

#[tokio::test(start_paused = true)]
async fn a_replay_from_pages_that_are_kept_carries_no_data_of_what_was_deleted() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    let replica = world.replica();
    let room = world.room("general").await;
    let since = world.fill(&room, 1).await.pop();
    let target = world.append(message(&room, "bob", "secret")).await;
    world.fill(&room, 5).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, since.as_ref(), 0).await;
    settle().await;
    assert_eq!(ada.news()[1], "message 2");
    world.append(delete(&room, "bob", &target)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let eve = world.client(&replica, "eve");
    eve.join_with(&room, since.as_ref(), 0).await;
    settle().await;
    assert_eq!(eve.news()[..2], ["joined 8 recovered +7", "blank 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_asked_for_before_a_deletion_is_not_kept_for_those_who_come_behind_it() {
    for seed in 0..30 {
        let mut world = World::seeded(seed);
        world.settings.ring_entries = 1;
        let replica = world.replica();
        let room = world.room("general").await;
        let since = world.fill(&room, 1).await.pop();
        let target = world.append(message(&room, "bob", "secret")).await;
        world.fill(&room, 5).await;
        let (ada, eve) = (world.client(&replica, "ada"), world.client(&replica, "eve"));
        replica.backend.set_slow(Duration::from_millis(20));
        tokio::join!(
            ada.join_with(&room, since.as_ref(), 0),
            async {
                tokio::time::sleep(Duration::from_millis(40 + seed)).await;
                world.append(delete(&room, "bob", &target)).await;
            },
            async {
                tokio::time::sleep(Duration::from_millis(50 + seed)).await;
                eve.join_with(&room, since.as_ref(), 0).await;
            }
        );
        settle().await;
        for client in [ada, eve] {
            let frames = client.got();
            let Frame::Joined(_, joined) = &frames[0] else { panic!("no joined") };
            let Frame::Event(_, Event::Entry(entry)) = &frames[1] else { panic!("no entry") };
            assert!(
                joined.pos.seq < 8 || text_of(entry).is_none(),
                "{} knew of the deletion and carried {entry:?}",
                frames[0]
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_behind_a_deletion_that_the_bus_lost_no_page_carries_its_data() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    let replica = world.replica();
    let room = world.room("general").await;
    let since = world.fill(&room, 1).await.pop();
    let target = world.append(message(&room, "bob", "secret")).await;
    world.fill(&room, 5).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, since.as_ref(), 0).await;
    world.faults.set(replica.number, crate::broker::memory::faults::Conduct::Deaf);
    world.append(delete(&room, "bob", &target)).await;
    let mut last = None;
    // Others come all the time and use the page that is there.
    for number in 0..11 {
        let client = world.client(&replica, &format!("user-{number}"));
        client.join_with(&room, since.as_ref(), 0).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = client.news().get(1).cloned();
    }
    assert_eq!(last.as_deref(), Some("blank 2"));
}

#[tokio::test(start_paused = true)]
async fn a_second_behind_a_deletion_that_the_bus_lost_the_ring_carries_no_data_of_it() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let target = world.append(message(&room, "bob", "secret")).await;
    settle().await;
    world.faults.set(replica.number, crate::broker::memory::faults::Conduct::Deaf);
    world.append(delete(&room, "bob", &target)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let eve = world.client(&replica, "eve");
    eve.join_with(&room, None, 5).await;
    settle().await;
    assert_eq!(eve.news(), ["joined 2 +2", "blank 1", "delete 2"]);
}
