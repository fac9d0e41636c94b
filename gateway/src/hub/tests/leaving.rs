//! How a subscription ends.

use std::time::Duration;

use hubbub_shared::server_frame::RemovedReason;

use super::client::Reading;
use super::world::{World, settle};
use crate::broker::Broker as _;
use crate::broker::conformance::signal;
use crate::hub::join::{Join, JoinError};
use crate::hub::subscription::Wants;
use crate::presence::Presence as _;

#[tokio::test(start_paused = true)]
async fn after_left_nothing_of_the_room_comes() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.attend(&room).await;
    world.fill(&room, 1).await;
    settle().await;
    ada.leave(&room).await;
    bob.attend(&room).await;
    world.fill(&room, 1).await;
    replica.backend.emit(signal(&room, "1")).await.unwrap();
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "left"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_before_left_still_comes_before_it() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    ada.reads(Reading::Not);
    world.fill(&room, 2).await;
    settle().await;
    ada.leave(&room).await;
    ada.reads(Reading::AsItComes);
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "message 2", "left"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_was_never_in_the_room_gets_left_all_the_same() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.leave(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["left"]);
}

#[tokio::test(start_paused = true)]
async fn after_removed_nothing_of_the_room_comes() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.attend(&room).await;
    assert!(replica.hub.remove(&ada.outbox, &room, RemovedReason::Kicked).await);
    assert!(!replica.hub.remove(&ada.outbox, &room, RemovedReason::Kicked).await, "there is nothing left to end");
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "removed kicked"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_can_be_joined_again_on_the_same_connection() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let since = world.fill(&room, 1).await.pop();
    settle().await;
    ada.leave(&room).await;
    world.fill(&room, 2).await;
    settle().await;
    ada.join_with(&room, since.as_ref(), 0).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(
        ada.news(),
        ["joined 0", "message 1", "left", "joined 3 recovered +2", "message 2", "message 3", "message 4"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_join_that_is_outrun_by_the_end_of_its_connection_leaves_nothing_behind() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    replica.backend.set_slow(Duration::from_millis(50));
    let ada = world.client(&replica, "ada");
    let join = Join { room: room.clone(), since: None, limit: 0, wants: Wants::default() };
    let (joined, ()) = tokio::join!(ada.try_join(&join), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        replica.hub.detach(&ada.outbox);
    });
    assert!(matches!(joined, Err(JoinError::Closing)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(replica.backend.count(&room).await.unwrap(), 0, "nobody stays a member");
    assert_eq!(replica.hub.rooms_len(), 0, "and the room is forgotten");
}

#[tokio::test(start_paused = true)]
async fn when_a_connection_ends_all_its_rooms_are_left() {
    let world = World::new();
    let replica = world.replica();
    let (first, second) = (world.room("first").await, world.room("second").await);
    let ada = world.client(&replica, "ada");
    ada.join(&first).await;
    ada.join(&second).await;
    assert_eq!(ada.outbox.rooms_len(), 2);
    replica.hub.detach(&ada.outbox);
    assert_eq!(ada.outbox.rooms_len(), 0);
    world.fill(&first, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "joined 0"]);
}
