//! What the bus is told.

use super::*;
use crate::broker::Author;

pub(crate) async fn every_change_is_told_once_with_the_count_after_it_to_every_subscribed_replica(
    fixture: impl Fixture,
) {
    let (mut one, mut two, room, other) = (fixture.replica().await, fixture.replica().await, a_room(), a_room());
    for replica in [&one, &two] {
        replica.subscribe(&room).await;
    }
    one.declare(&room, "ada", 1).await;
    two.declare(&room, "bob", 1).await;
    one.declare(&other, "mia", 1).await;
    one.declare(&room, "ada", 0).await;
    two.declare(&room, "ada", 1).await;
    two.declare(&room, "bob", 0).await;
    two.declare(&room, "ada", 0).await;
    let told = [came("ada", 1), came("bob", 2), went("ada", 1), came("ada", 2), went("bob", 1), went("ada", 0)];
    for replica in [&mut one, &mut two] {
        assert_eq!(replica.changes(&room).await, told);
    }
}

pub(crate) async fn more_and_fewer_connections_of_a_member_are_no_change(fixture: impl Fixture) {
    let (mut one, two, room) = (fixture.replica().await, fixture.replica().await, a_room());
    one.subscribe(&room).await;
    one.declare(&room, "ada", 1).await;
    one.declare(&room, "ada", 2).await;
    two.declare(&room, "ada", 1).await;
    one.declare(&room, "ada", 1).await;
    one.declare(&room, "ada", 0).await;
    two.declare(&room, "ada", 3).await;
    assert_eq!(one.changes(&room).await, [came("ada", 1)]);
    two.declare(&room, "ada", 0).await;
    assert_eq!(one.changes(&room).await, [went("ada", 0)]);
}

pub(crate) async fn who_left_is_named_as_he_was_known(fixture: impl Fixture) {
    let (mut replica, room) = (fixture.replica().await, a_room());
    replica.subscribe(&room).await;
    let nameless = Author { name: None, ..author("ada") };
    replica.declare(&room, "ada", 1).await;
    replica.presence.declare(&room, &nameless, 0).await.unwrap();
    assert_eq!(replica.changes(&room).await, [came("ada", 1), went("ada", 0)]);
}
