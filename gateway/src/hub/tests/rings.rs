//! How much of the logs stays in memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::world::{Replica, World, settle};
use crate::broker::memory::faults::Conduct;

fn used_bytes(replica: &Replica) -> usize {
    replica.hub.ring_bounds.used_bytes.load(Ordering::Relaxed)
}

/// How many of the newest entries the ring of a room holds, by what can be resumed from it.
fn held(replica: &Replica, room: &hubbub_shared::RoomName) -> usize {
    let room = replica.hub.room(room).unwrap();
    let state = room.state.lock();
    (1..=state.last.seq).rev().take_while(|&seq| state.ring.get(seq).is_some()).count()
}

#[tokio::test(start_paused = true)]
async fn a_ring_holds_the_newest_entries_up_to_its_number() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 7).await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    assert_eq!(held(&replica, &room), 7, "what was there before counts");
    world.fill(&room, 30).await;
    settle().await;
    assert_eq!(held(&replica, &room), world.settings.ring_entries);
}

#[tokio::test(start_paused = true)]
async fn a_ring_never_takes_more_than_its_bytes() {
    let mut world = World::new();
    world.settings.ring_bytes = 2_000;
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 30).await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    assert!(used_bytes(&replica) <= 2_000);
    world.fill(&room, 30).await;
    settle().await;
    assert!((1_000..=2_000).contains(&used_bytes(&replica)), "{} bytes", used_bytes(&replica));
}

#[tokio::test(start_paused = true)]
async fn all_rings_together_never_take_more_than_their_bytes_and_resuming_works_without_them() {
    let mut world = World::new();
    world.settings.ring_total_bytes = 5_000;
    let replica = world.replica();
    let ada = world.client(&replica, "ada");
    let mut rooms = Vec::new();
    for number in 0..10 {
        let room = world.room(&format!("room-{number}")).await;
        ada.join(&room).await;
        world.fill(&room, 10).await;
        settle().await;
        assert!(used_bytes(&replica) <= 5_000, "{} bytes", used_bytes(&replica));
        rooms.push(room);
    }
    let bob = world.client(&replica, "bob");
    let (_, log) = world.log(&rooms[9]).await;
    bob.join_with(&rooms[9], Some(&log[7].pos), 0).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 10 recovered +2", "message 9", "message 10"]);
}

#[tokio::test(start_paused = true)]
async fn a_ring_without_its_room_takes_nothing() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 10).await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    assert!(used_bytes(&replica) > 0);
    ada.disconnect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(replica.hub.rooms_len(), 0);
    assert_eq!(used_bytes(&replica), 0);
}

#[tokio::test(start_paused = true)]
async fn a_ring_is_dropped_where_its_room_goes_on_somewhere_else() {
    let world = World::new();
    let (replica, _other) = (world.replica(), world.replica());
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 10).await;
    settle().await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.store.lose_log(&room);
    world.fill(&room, 4).await;
    replica.news.missed();
    settle().await;
    assert_eq!(held(&replica, &room), 0);
    assert_eq!(used_bytes(&replica), 0);
}
