//! Many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;

const REPLICAS: usize = 6;
const NAMES: [&str; 4] = ["ada", "bob", "eve", "mia"];

pub(crate) async fn concurrent_declarations_are_told_in_one_order(fixture: impl Fixture) {
    let room = a_room();
    let mut listener = fixture.replica().await;
    listener.subscribe(&room).await;
    let mut declaring = JoinSet::new();
    for number in 0..REPLICAS {
        let (replica, room) = (fixture.replica().await, room.clone());
        declaring.spawn(async move {
            for round in 0..100 {
                let name = NAMES[(number + round) % NAMES.len()];
                replica.declare(&room, name, 1).await;
                replica.declare(&room, name, 0).await;
            }
            replica.declare(&room, NAMES[number % NAMES.len()], 1).await;
            replica
        });
    }
    // The replicas stay, and so do their last declarations.
    let _replicas = declaring.join_all().await;
    let mut present = BTreeSet::new();
    for change in listener.changes(&room).await {
        let name = change.member.user.to_string();
        let changed = if change.present { present.insert(name) } else { present.remove(&name) };
        assert!(changed, "{:?} was so before", change.member.user);
        assert_eq!(change.count, present.len() as u64);
    }
    let members = listener.members(&room).await;
    assert_eq!(members.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), present);
    assert_eq!(members.iter().map(|(_, connections)| *connections as usize).sum::<usize>(), REPLICAS);
}

pub(crate) async fn a_replica_that_resigns_while_it_declares_leaves_nobody_behind<F>(fixture: F)
where
    F: Fixture<Presence: Sync, Broker: Sync>,
{
    let room = a_room();
    let mut listener = fixture.replica().await;
    listener.subscribe(&room).await;
    for _ in 0..20 {
        let replica = Arc::new(fixture.replica().await);
        let mut ending = JoinSet::new();
        for name in NAMES {
            let (replica, room) = (replica.clone(), room.clone());
            ending.spawn(async move { replica.declare(&room, name, 1).await });
        }
        let resigning = replica.clone();
        ending.spawn(async move {
            resigning.presence.resign().await.unwrap();
            0
        });
        ending.join_all().await;
        assert_eq!(listener.members(&room).await, []);
    }
    let changes = listener.changes(&room).await;
    let (came, went): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.present);
    assert_eq!(came.len(), went.len());
}
