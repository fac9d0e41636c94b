//! The same on real threads, where locks can be taken in the wrong order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hubbub_shared::server_frame::RemovedReason;

use super::client::{Client, Reading};
use super::frames::Frame;
use super::world::World;
use crate::broker::Retention;
use crate::hub::event::Event;

const ENTRIES: u64 = 400;

/// Waits until a client has got an entry of each room, and checks the order of all that it got.
async fn reaches(client: &Client, rooms: &[hubbub_shared::RoomName]) {
    loop {
        let got = client.got();
        let mut reached = 0;
        for room in rooms {
            let mut seq = None;
            for frame in got.iter().filter(|frame| frame.room() == Some(room)) {
                match frame {
                    Frame::Joined(_, joined) => seq = Some(joined.pos.seq - joined.replayed),
                    Frame::Event(_, Event::Entry(entry)) => {
                        assert_eq!(Some(entry.pos.seq - 1), seq, "{} in {room}", client.name);
                        seq = Some(entry.pos.seq);
                    }
                    _ => {}
                }
            }
            reached += usize::from(seq == Some(ENTRIES));
        }
        if reached == rooms.len() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_threads_interleave_everybody_gets_everything_in_order() {
    let mut world = World::new();
    world.settings.ring_entries = 4;
    world.outbox_bytes = 6_000;
    world.kind.retention = Retention { bytes: 10_000_000, ..world.kind.retention };
    let replicas = [world.replica(), world.replica()];
    let rooms = [world.room("first").await, world.room("second").await, world.room("third").await];
    let clients: Vec<Arc<Client>> =
        (0..12).map(|number| Arc::new(world.client(&replicas[number % 2], &format!("user-{number}")))).collect();
    for (number, client) in clients.iter().enumerate() {
        if number % 3 == 0 {
            client.reads(Reading::Slowly(Duration::from_micros(100)));
        }
        for room in &rooms {
            client.attend(room).await;
        }
    }
    let world = Arc::new(world);
    let mut publishing: Vec<_> = rooms
        .iter()
        .cloned()
        .map(|room| {
            let world = world.clone();
            tokio::spawn(async move {
                for _ in 0..ENTRIES {
                    world.fill(&room, 1).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // Others come, go and break off all the time.
    publishing.extend((0..4).map(|number| {
        let (world, replica, rooms) = (world.clone(), replicas[number % 2].clone(), rooms.clone());
        tokio::spawn(async move {
            for round in 0..30 {
                let client = world.client(&replica, &format!("guest-{number}"));
                join_all(rooms.iter().map(|room| client.join_with(room, None, 20))).await;
                match round % 3 {
                    0 => {}
                    1 => join_all(rooms.iter().map(|room| client.leave(room))).await.truncate(0),
                    _ => _ = replica.hub.remove(&client.outbox, &rooms[0], RemovedReason::Kicked).await,
                }
                client.disconnect();
            }
        })
    }));
    let everything = async {
        for task in publishing {
            task.await.unwrap();
        }
        join_all(clients.iter().map(|client| reaches(client, &rooms))).await;
    };
    tokio::time::timeout(Duration::from_mins(1), everything).await.expect("somebody is stuck");
}
