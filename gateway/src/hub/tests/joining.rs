//! How a subscription begins, and what it is told of what came before.

use std::time::Duration;

use super::client::Client;
use super::frames::Frame;
use super::world::{World, settle};
use crate::broker::conformance::message;
use crate::broker::memory::faults::Conduct;
use crate::broker::{BrokerError, Retention};
use crate::hub::event::Event;
use crate::hub::join::{Join, JoinError, Joined};
use crate::hub::subscription::Wants;

#[tokio::test(start_paused = true)]
async fn whoever_joins_without_a_position_stands_at_the_head_and_hears_what_comes() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 3).await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 2).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 3", "message 4", "message 5"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_room_without_a_log_the_first_entry_is_the_first_that_is_heard() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1"]);
}

#[tokio::test(start_paused = true)]
async fn exactly_as_many_entries_are_replayed_as_were_asked_for() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 9).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, None, 3).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 9 +3", "message 7", "message 8", "message 9"]);
}

#[tokio::test(start_paused = true)]
async fn more_entries_than_the_ring_holds_are_replayed_from_the_log() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 1_200).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, None, 1_100).await;
    settle().await;
    let news = ada.news();
    assert_eq!(news[0], "joined 1200 +1100");
    assert_eq!(news[1..], (101..=1_200).map(|seq| format!("message {seq}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn where_the_log_has_fewer_entries_than_were_asked_for_all_of_them_are_replayed() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    world.kind.retention = Retention { entries: 2, ..world.kind.retention };
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 2).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, None, 50).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 2 +2", "message 1", "message 2"]);

    tokio::time::sleep(Duration::from_secs(61)).await;
    world.fill(&room, 1).await;
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, None, 50).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 3 +2", "message 2", "message 3"]);
}

#[tokio::test(start_paused = true)]
async fn where_retention_has_left_nothing_nothing_is_replayed() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    world.kind.retention = Retention { age_ms: 60_000, ..world.kind.retention };
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 2).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    let ada = world.client(&replica, "ada");
    ada.join_with(&room, None, 50).await;
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 2", "message 3"]);
}

/// Joins again and again while others publish as fast as the store lets them; answers what each join got.
async fn joins_under_load(world: &World, limit: u64, since: bool) -> Vec<Vec<Frame>> {
    let replica = world.replica();
    replica.backend.set_slow(Duration::from_millis(5));
    let room = world.room("general").await;
    let first = world.fill(&room, 40).await.pop();
    let publishing = async {
        loop {
            tokio::time::sleep(Duration::from_micros(700)).await;
            world.append(message(&room, "eve", "once more")).await;
        }
    };
    let joining = async {
        let mut clients: Vec<Client> = Vec::new();
        for number in 0..20 {
            let client = world.client(&replica, &format!("user-{number}"));
            client.join_with(&room, first.as_ref().filter(|_| since), limit).await;
            clients.push(client);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        clients.iter().map(Client::got).collect()
    };
    tokio::select! {
        () = publishing => unreachable!("others publish for ever"),
        got = joining => got,
    }
}

/// What was promised in `joined`, and the numbers of the entries that came.
fn joined_and_entries(frames: &[Frame]) -> (&Joined, Vec<u64>) {
    let Frame::Joined(_, joined) = &frames[0] else { panic!("{} came before `joined`", frames[0]) };
    let entries = frames[1..].iter().map(|frame| match frame {
        Frame::Event(_, Event::Entry(entry)) => entry.pos.seq,
        other => panic!("{other} came among the entries"),
    });
    (joined, entries.collect())
}

#[tokio::test(start_paused = true)]
async fn entries_published_while_somebody_joins_are_neither_lost_nor_doubled_and_come_after_joined() {
    for (limit, ring_entries) in [(0, 16), (10, 16), (30, 16), (10, 1)] {
        let mut world = World::new();
        world.settings.ring_entries = ring_entries;
        for frames in joins_under_load(&world, limit, false).await {
            let (joined, entries) = joined_and_entries(&frames);
            assert_eq!(joined.replayed, limit);
            let first_seq = joined.pos.seq + 1 - limit;
            assert!(entries.len() as u64 > limit, "nothing live came behind the {limit} entries of the replay");
            assert_eq!(entries, (first_seq..).take(entries.len()).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_resume_says_exactly_how_many_entries_it_replays_however_hard_others_publish() {
    let world = World::new();
    for frames in joins_under_load(&world, 0, true).await {
        let (joined, entries) = joined_and_entries(&frames);
        assert_eq!(joined.recovered, Some(Ok(())));
        assert_eq!(joined.replayed, joined.pos.seq - 40);
        assert!(entries.len() as u64 > joined.replayed);
        assert_eq!(entries, (41..).take(entries.len()).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_that_joined_names_is_no_older_than_the_log_that_was_read_for_it() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    let replica = world.replica();
    let room = world.room("general").await;
    world.fill(&room, 4).await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.fill(&room, 2).await;
    let bob = world.client(&replica, "bob");
    bob.join_with(&room, None, 3).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 6 +3", "message 4", "message 5", "message 6"]);
}

#[tokio::test(start_paused = true)]
async fn a_join_shows_a_room_what_the_bus_has_not_brought_it() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.join(&room).await;
    world.faults.set(replica.number, Conduct::Deaf);
    world.fill(&room, 2).await;
    bob.join(&room).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1", "message 2"]);
    assert_eq!(bob.news(), ["joined 2"]);
}

#[tokio::test(start_paused = true)]
async fn who_joins_right_behind_an_entry_is_shown_a_head_no_older() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let (ada, bob) = (world.client(&replica, "ada"), world.client(&replica, "bob"));
    ada.join(&room).await;
    world.fill(&room, 2).await;
    bob.join_with(&room, None, 1).await;
    settle().await;
    assert_eq!(bob.news(), ["joined 2 +1", "message 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_room_is_joined_once_on_one_connection() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    ada.join(&room).await;
    let again = Join { room: room.clone(), since: None, limit: 0, wants: Wants::default() };
    assert!(matches!(ada.try_join(&again).await, Err(JoinError::AlreadyJoined)));
    world.fill(&room, 1).await;
    settle().await;
    assert_eq!(ada.news(), ["joined 0", "message 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_fails_changes_nothing() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    let ada = world.client(&replica, "ada");
    let join = Join { room: room.clone(), since: None, limit: 0, wants: Wants::default() };
    replica.backend.set_away(true);
    assert!(matches!(ada.try_join(&join).await, Err(JoinError::Broker(BrokerError::Unavailable))));
    assert!(ada.outbox.subscription_to(&room).is_none());
    replica.backend.set_away(false);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(replica.hub.rooms_len(), 0, "the room is forgotten");
    ada.try_join(&join).await.unwrap();
    settle().await;
    assert_eq!(ada.news(), ["joined 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_join_ends_even_where_others_wait_for_a_store_that_gives_no_answer() {
    let world = World::new();
    let replica = world.replica();
    let room = world.room("general").await;
    replica.backend.set_slow(Duration::from_hours(1));
    let clients: Vec<_> = (0..3).map(|number| world.client(&replica, &format!("user-{number}"))).collect();
    let join = Join { room: room.clone(), since: None, limit: 0, wants: Wants::default() };
    let waiting = async {
        // The first waits for the store itself, whose deadline is the broker's.
        tokio::select! {
            _ = clients[0].try_join(&join) => {}
            failed = async { tokio::task::yield_now().await; clients[1].try_join(&join).await } => {
                assert!(matches!(failed, Err(JoinError::Broker(BrokerError::Unavailable))));
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
}
