//! Many who come to one room at once.

use tokio::task::{JoinSet, yield_now};

use super::client::Client;
use super::world::{Replica, World};
use crate::hub::join::Join;
use crate::hub::subscription::Wants;

const CROWD: usize = 1_000;
/// A turn of the runtime is long on a busy machine, though some 60 tasks have theirs in it. All of the crowd once are 17;
/// handed on from one to the next, a lock takes three times as many.
const TURNS_MAX: usize = 30;

fn crowd(world: &World, replica: &Replica) -> Vec<Client> {
    (0..CROWD).map(|number| world.client(replica, &format!("user{number}"))).collect()
}

/// Lets all join, each on a task of its own; they wait until the lock is dropped. Answers how many turns of the runtime
/// it takes from there until all are in.
async fn turns_of<L>(clients: Vec<Client>, join: Join, lock: L) -> usize {
    let mut crowd = JoinSet::new();
    for client in clients {
        let join = join.clone();
        crowd.spawn(async move {
            client.try_join(&join).await.unwrap();
            client
        });
    }
    for _ in 0..TURNS_MAX {
        yield_now().await;
    }
    drop(lock);
    let (mut turns, mut inside) = (0, Vec::new());
    while inside.len() < CROWD {
        yield_now().await;
        turns += 1;
        while let Some(client) = crowd.try_join_next() {
            inside.push(client.unwrap());
        }
    }
    turns
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_waits_for_a_room_to_open_is_let_in_together() {
    let world = World::new();
    let replica = world.replica();
    let name = world.room("general").await;
    world.fill(&name, 3).await;
    let room = replica.hub.rooms.entry(name.clone()).or_insert_with(|| replica.hub.new_room(&name)).clone();
    let gate = room.gate.lock().await;
    let join = Join { room: name, since: None, limit: 0, wants: Wants::default() };
    let turns = turns_of(crowd(&world, &replica), join, gate).await;
    assert!(turns < TURNS_MAX, "the last one waited for {turns} turns");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_resumes_beyond_the_ring_shares_one_read_and_goes_on_together() {
    let mut world = World::new();
    world.settings.ring_entries = 1;
    let replica = world.replica();
    let name = world.room("general").await;
    let positions = world.fill(&name, 50).await;
    let opener = world.client(&replica, "opener");
    opener.join(&name).await;
    let reads = replica.metrics.log_reads.get();
    let room = replica.hub.room(&name).unwrap();
    let flight = room.pages.flight.lock().await;
    let join = Join { room: name, since: Some(positions[4].clone()), limit: 0, wants: Wants::default() };
    let turns = turns_of(crowd(&world, &replica), join, flight).await;
    assert!(turns < TURNS_MAX, "the last one waited for {turns} turns");
    assert_eq!(replica.metrics.log_reads.get() - reads, 1);
}
