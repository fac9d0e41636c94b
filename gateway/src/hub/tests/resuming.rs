//! Going on from a position, on any replica.

use std::time::Duration;

use hubbub_shared::Position;

use super::world::{World, settle};
use crate::broker::Retention;
use crate::broker::memory::faults::Conduct;

#[tokio::test(start_paused = true)]
async fn whoever_stands_at_the_head_goes_on_at_once() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let head = world.fill(&room, 5).await.pop();
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, head.as_ref(), 50).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 5 recovered", "message 6"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_within_the_ring_costs_no_read_of_the_log() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let positions = world.fill(&room, 10).await;
    settle().await;
    let reads = replica.metrics.log_reads.get();
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, Some(&positions[6]), 0).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 10 recovered +3", "message 8", "message 9", "message 10"]);
    assert_eq!(replica.metrics.log_reads.get(), reads);
}

#[tokio::test(start_paused = true)]
async fn a_position_before_the_ring_is_gone_on_from_by_the_log_however_many_entries_that_takes() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let positions = world.fill(&room, 1_000).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, Some(&positions[1]), 5).await;
    settle().await;
    let news = ada.news();
    assert_eq!(news[0], "joined 1000 recovered +998");
    assert_eq!(news[1..], (3..=1_000).map(|seq| format!("message {seq}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_position_that_retention_has_passed_gives_the_last_entries_instead() {
    let mut world = World::new();
    world.kind.retention = Retention { entries: 4, ..world.kind.retention };
    let replica = world.replica();
    let room = world.room("general").await;
    let positions = world.fill(&room, 5).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.fill(&room, 5).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, Some(&positions[1]), 2).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 10 trimmed +2", "message 9", "message 10"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_just_before_the_oldest_kept_entry_is_gone_on_from() {
    let mut world = World::new();
    world.kind.retention = Retention { entries: 4, ..world.kind.retention };
    let replica = world.replica();
    let room = world.room("general").await;
    let positions = world.fill(&room, 2).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    world.fill(&room, 4).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, positions.last(), 0).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 6 recovered +4", "message 3", "message 4", "message 5", "message 6"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_of_another_log_or_ahead_of_the_head_gives_the_last_entries_instead() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let head = world.fill(&room, 3).await.pop().unwrap();
    let ahead = Position { seq: 4, ..head.clone() };
    let other_epoch = Position { epoch: "other".into(), ..head.clone() };
    let other_tag = Position { tag: "other".into(), ..head };
    for (number, since) in [ahead, other_epoch, other_tag].into_iter().enumerate() {
        let client = world.client(&replica, &format!("user-{number}"));
        client.join_with(&room, Some(&since), 2).await;
        settle().await;
        assert_eq!(client.news(), ["joined 3 reset +2", "message 2", "message 3"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_start_is_gone_on_from_with_the_first_entry_as_long_as_that_is_kept() {
    let mut world = World::new();
    world.settings.ring_entries = 2;
    world.kind.retention = Retention { entries: 3, ..world.kind.retention };
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, Some(&Position::start()), 0).await;
    world.fill(&room, 3).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0 recovered", "message 1", "message 2", "message 3"]);

    let bob = world.client(&replica, "bob");
    bob.join_with(&room, Some(&Position::start()), 0).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 3 recovered +3", "message 1", "message 2", "message 3"]);

    tokio::time::sleep(Duration::from_secs(61)).await;
    world.fill(&room, 1).await;
    settle().await;
    let eve = world.client(&replica, "eve");
    eve.join_with(&room, Some(&Position::start()), 1).await;
    settle().await;
    assert_eq!(eve.news(), ["joined 4 trimmed +1", "message 4"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_from_a_replica_that_heard_more_is_not_told_to_be_ahead() {
    let world = World::new();
    let (near, far) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let ada = world.client(&near, "ada");
    ada.join(&room).await;
    let bob = world.client(&far, "bob");
    bob.join(&room).await;
    world.faults.set(far.number, Conduct::Deaf);
    let head = world.fill(&room, 3).await.pop();
    settle().await;
    assert_eq!(bob.news(), ["joined 0"], "nothing has told the far replica");
    let eve = world.client(&far, "eve");
    eve.join_with(&room, head.as_ref(), 0).await;
    settle().await;
    assert_eq!(eve.news(), ["joined 3 recovered"]);
    assert_eq!(bob.news(), ["message 1", "message 2", "message 3"], "and others are brought forward by it");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_who_resume_at_one_position_cost_one_read_of_the_log() {
    let world = World::new();
    let replica = world.replica();
    replica.backend.set_slow(Duration::from_millis(3));
    let room = world.room("general").await;
    let since = world.fill(&room, 1).await.pop();
    world.fill(&room, 150).await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let reads = replica.metrics.log_reads.get();
    let clients: Vec<_> = (0..200).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    let joins = clients.iter().map(|client| client.join_with(&room, since.as_ref(), 0));
    futures_util::future::join_all(joins).await;
    settle().await;
    assert_eq!(replica.metrics.log_reads.get(), reads + 1);
    for client in clients {
        let news = client.news();
        assert_eq!(news[0], "joined 151 recovered +150");
        assert_eq!(news[1..], (2..=151).map(|seq| format!("message {seq}")).collect::<Vec<_>>());
    }
    let entries = world.frames.entries_written();
    assert!(entries <= 150 + world.settings.ring_entries, "{entries} frames were written for 151 entries");
}

#[tokio::test(start_paused = true)]
async fn a_replay_of_many_pages_is_shared_by_those_who_keep_about_the_same_pace() {
    let world = World::new();
    let replica = world.replica();
    replica.backend.set_slow(Duration::from_millis(3));
    let room = world.room("general").await;
    let since = world.fill(&room, 1).await.pop();
    world.fill(&room, 1_000).await;
    let clients: Vec<_> = (0..50).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    let joins = clients.iter().map(|client| client.join_with(&room, since.as_ref(), 0));
    futures_util::future::join_all(joins).await;
    settle().await;
    // Each for itself they would have read 5 pages of 200.
    assert!(replica.metrics.log_reads.get() <= 50, "{} reads", replica.metrics.log_reads.get());
    for client in clients {
        assert_eq!(client.news().len(), 1_001);
    }
}
