//! What the bus brings.

use super::*;
use crate::ids::{ConnectionId, Origin};

pub(crate) async fn every_subscribed_replica_hears_every_entry_in_order(fixture: impl Fixture) {
    let room = a_room();
    let (mut one, mut two) = (fixture.replica().await, fixture.replica().await);
    for replica in [&one, &two] {
        replica.broker.subscribe(&room).await.unwrap();
    }
    let origin = Some(Origin { connection: ConnectionId::random(), request: 3 });
    for number in 0..20 {
        let from = if number % 3 == 0 { &one } else { &two };
        from.append(Publish { origin, ..message(&room, "ada", &number.to_string()) }).await;
    }
    let entries = one.kept(&room).await;
    let expected: Vec<_> = entries
        .into_iter()
        .map(|entry| Envelope { room: room.clone(), origin, payload: Payload::Entry(entry) })
        .collect();
    assert_eq!(one.heard(&room).await, expected);
    // The other one hears the end of the first one's test as well.
    assert_eq!(two.heard(&room).await[..20], expected);
}

pub(crate) async fn a_replica_hears_only_the_rooms_that_it_subscribed(fixture: impl Fixture) {
    let (mut replica, room, other) = (fixture.replica().await, a_room(), a_room());
    replica.append(message(&room, "ada", "before")).await;
    replica.broker.subscribe(&room).await.unwrap();
    replica.append(message(&other, "ada", "elsewhere")).await;
    replica.append(message(&room, "ada", "after")).await;
    assert_eq!(seqs(&replica.heard_entries(&room).await), [2]);
}

pub(crate) async fn a_replica_that_subscribed_twice_hears_once(fixture: impl Fixture) {
    let (mut replica, room) = (fixture.replica().await, a_room());
    replica.broker.subscribe(&room).await.unwrap();
    replica.broker.subscribe(&room).await.unwrap();
    replica.append_messages(&room, 2).await;
    assert_eq!(seqs(&replica.heard_entries(&room).await), [1, 2]);
}

pub(crate) async fn signals_reach_every_subscribed_replica_with_their_origin(fixture: impl Fixture) {
    let room = a_room();
    let (mut one, mut two) = (fixture.replica().await, fixture.replica().await);
    for replica in [&one, &two] {
        replica.broker.subscribe(&room).await.unwrap();
    }
    let origin = Some(Origin { connection: ConnectionId::random(), request: u64::MAX });
    let signal = Envelope { origin, ..signal(&room, "{\"typing\":true}") };
    one.broker.emit(signal.clone()).await.unwrap();
    for replica in [&mut one, &mut two] {
        assert_eq!(replica.heard(&room).await[0], signal);
    }
    assert_eq!(one.head(&room).await.pos, Position::start());
}

pub(crate) async fn duplicates_and_refusals_are_not_told_to_the_bus(fixture: impl Fixture) {
    let (mut replica, room) = (fixture.replica().await, a_room());
    replica.broker.subscribe(&room).await.unwrap();
    let keyed = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "hi") };
    let first = replica.append(keyed()).await;
    replica.publish(keyed()).await;
    replica.refusal(Publish { refuse_after_ms: Some(1), ..message(&room, "ada", "hi") }).await;
    replica.refusal(edit(&room, "bob", &first, "ho")).await;
    replica.publish(react(&room, "bob", &first, "👍", ReactionOp::Remove)).await;
    assert_eq!(seqs(&replica.heard_entries(&room).await), [1]);
}

pub(crate) async fn after_an_unsubscribe_a_new_subscription_hears_again(fixture: impl Fixture) {
    let (mut replica, room) = (fixture.replica().await, a_room());
    replica.broker.subscribe(&room).await.unwrap();
    replica.append(message(&room, "ada", "one")).await;
    assert_eq!(seqs(&replica.heard_entries(&room).await), [1]);
    replica.broker.unsubscribe(&room).await;
    replica.broker.unsubscribe(&room).await;
    replica.broker.subscribe(&room).await.unwrap();
    replica.append(message(&room, "ada", "two")).await;
    assert_eq!(seqs(&replica.heard_entries(&room).await), [2]);
}

pub(crate) async fn two_ends_of_the_store_see_the_same_log(fixture: impl Fixture) {
    let room = a_room();
    let (one, two) = (fixture.replica().await, fixture.replica().await);
    let keyed = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "hi") };
    let pos = one.append(keyed()).await;
    assert!(matches!(two.publish(keyed()).await, Published::Duplicate { pos: first, .. } if first == pos));
    assert_eq!(two.append(message(&room, "bob", "ho")).await.epoch, pos.epoch);
    assert_eq!(one.kept(&room).await, two.kept(&room).await);
    assert_eq!(one.unread(&room, "ada").await, two.unread(&room, "ada").await);
}
