//! Read markers and what is unread.

use super::*;
use crate::broker::{Marker, RETENTION_FLOOR_MS};
use crate::ids::{ConnectionId, Origin};

async fn mark<B: Broker>(replica: &Replica<B>, room: &RoomName, name: &str, pos: &Position) -> Marker {
    replica.broker.mark_read(room, &user(name), pos, None).await.unwrap()
}

fn at(pos: &Position, moved: bool) -> Marker {
    Marker { pos: pos.clone(), moved }
}

pub(crate) async fn a_marker_moves_forward_and_never_back(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 4).await;
    assert_eq!(mark(&replica, &room, "bob", &Position::start()).await, at(&Position::start(), false));
    assert_eq!(mark(&replica, &room, "bob", &positions[1]).await, at(&positions[1], true));
    assert_eq!(mark(&replica, &room, "bob", &positions[1]).await, at(&positions[1], false));
    assert_eq!(mark(&replica, &room, "bob", &positions[0]).await, at(&positions[1], false));
    assert_eq!(mark(&replica, &room, "bob", &Position::start()).await, at(&positions[1], false));
    assert_eq!(mark(&replica, &room, "bob", &positions[3]).await, at(&positions[3], true));
    assert_eq!(mark(&replica, &room, "eve", &positions[0]).await, at(&positions[0], true));
}

pub(crate) async fn a_marker_ahead_of_the_head_or_of_another_log_is_the_head(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 3).await;
    let foreign = [
        Position { seq: 9, ..positions[2].clone() },
        Position { tag: random::tag(), ..positions[0].clone() },
        Position { epoch: random::tag(), ..positions[0].clone() },
    ];
    for (name, pos) in ["bob", "eve", "mia"].into_iter().zip(&foreign) {
        assert_eq!(mark(&replica, &room, name, pos).await, at(&positions[2], true));
        assert_eq!(mark(&replica, &room, name, pos).await, at(&positions[2], false));
        assert_eq!(replica.unread(&room, name).await, Unread { read_seq: 3, head_seq: 3, unread: 0 });
    }
}

pub(crate) async fn a_marker_in_a_room_without_a_log_is_the_start(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let elsewhere = replica.append(message(&a_room(), "ada", "hi")).await;
    assert_eq!(mark(&replica, &room, "bob", &elsewhere).await, at(&Position::start(), false));
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 0, head_seq: 0, unread: 0 });
    replica.append_messages(&room, 2).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 0, head_seq: 2, unread: 2 });
}

pub(crate) async fn without_a_marker_everything_that_is_kept_is_unread(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append_messages(&room, 5).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 0, head_seq: 5, unread: 5 });
    fixture.pass_ms(RETENTION_FLOOR_MS).await;
    let retention = Retention { entries: 2, ..KEEP_ALL };
    replica.append(Publish { retention, ..message(&room, "ada", "hi") }).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 0, head_seq: 6, unread: 2 });
}

pub(crate) async fn unread_counts_messages_after_the_marker_and_nothing_else(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let one = replica.append(message(&room, "ada", "one")).await;
    let edited = replica.append(edit(&room, "ada", &one, "uno")).await;
    let two = replica.append(message(&room, "ada", "two")).await;
    let reacted = replica.append(react(&room, "ada", &two, "👍", ReactionOp::Add)).await;
    let three = replica.append(message(&room, "ada", "three")).await;
    for (pos, unread) in [(&one, 2), (&edited, 2), (&two, 1), (&reacted, 1)] {
        mark(&replica, &room, "bob", pos).await;
        assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: pos.seq, head_seq: 5, unread });
    }
    // A message that was deleted is still one that is there.
    let deleted = replica.append(delete(&room, "ada", &three)).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 4, head_seq: 6, unread: 1 });
    mark(&replica, &room, "bob", &deleted).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 6, head_seq: 6, unread: 0 });
}

pub(crate) async fn a_marker_below_what_is_kept_counts_what_is_kept(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 5).await;
    mark(&replica, &room, "bob", &positions[1]).await;
    fixture.pass_ms(RETENTION_FLOOR_MS).await;
    let retention = Retention { entries: 2, ..KEEP_ALL };
    let last = replica.append(Publish { retention, ..message(&room, "ada", "hi") }).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 2, head_seq: 6, unread: 2 });
    // One that is set there now counts the same.
    assert_eq!(mark(&replica, &room, "bob", &positions[2]).await, at(&positions[2], true));
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 3, head_seq: 6, unread: 2 });
    mark(&replica, &room, "bob", &last).await;
    // When everything has gone nothing is unread, marker or not.
    replica.append(Publish { retention: Retention { bytes: 0, ..KEEP_ALL }, ..message(&room, "ada", "hi") }).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 6, head_seq: 7, unread: 0 });
    assert_eq!(replica.unread(&room, "eve").await, Unread { read_seq: 0, head_seq: 7, unread: 0 });
}

pub(crate) async fn own_messages_move_the_own_marker_and_other_entries_do_not(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append_messages(&room, 2).await;
    let own = replica.append(message(&room, "bob", "hi")).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 3, head_seq: 3, unread: 0 });
    assert_eq!(replica.unread(&room, "ada").await, Unread { read_seq: 2, head_seq: 3, unread: 1 });
    replica.append(message(&room, "ada", "ho")).await;
    replica.append(edit(&room, "bob", &own, "hum")).await;
    replica.append(react(&room, "bob", &own, "👍", ReactionOp::Add)).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 3, head_seq: 6, unread: 1 });
    // The server may speak in a user's name, and of nobody's message nobody is the author.
    let server = |from| Publish { from, authority: Authority::Server, ..message(&room, "bob", "hi") };
    replica.append(server(Some(author("bob")))).await;
    replica.append(server(None)).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 7, head_seq: 8, unread: 1 });
}

pub(crate) async fn unread_comes_in_the_order_asked(fixture: impl Fixture) {
    let (replica, one, none, two) = (fixture.replica().await, a_room(), a_room(), a_room());
    replica.append_messages(&one, 1).await;
    replica.append_messages(&two, 2).await;
    let unread = replica.broker.unread(&user("bob"), &[two, none, one]).await.unwrap();
    assert_eq!(unread.iter().map(|unread| unread.unread).collect::<Vec<_>>(), [2, 0, 1]);
}

pub(crate) async fn a_marker_that_moved_is_told_to_the_bus_and_one_that_did_not_is_not(fixture: impl Fixture) {
    let (mut replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 3).await;
    replica.broker.subscribe(&room).await.unwrap();
    let origin = Origin { connection: ConnectionId::random(), request: 7 };
    for pos in [&positions[1], &positions[1], &positions[0], &Position { seq: 99, ..positions[0].clone() }] {
        replica.broker.mark_read(&room, &user("bob"), pos, Some(origin)).await.unwrap();
    }
    let receipt = |pos: &Position| Envelope {
        room: room.clone(),
        origin: Some(origin),
        payload: Payload::Receipt { user: user("bob"), pos: pos.clone() },
    };
    assert_eq!(replica.heard(&room).await, [receipt(&positions[1]), receipt(&positions[2])]);
}

pub(crate) async fn own_messages_move_the_marker_without_a_receipt(fixture: impl Fixture) {
    let (mut replica, room) = (fixture.replica().await, a_room());
    replica.broker.subscribe(&room).await.unwrap();
    let own = replica.append(message(&room, "bob", "hi")).await;
    assert_eq!(mark(&replica, &room, "bob", &own).await, at(&own, false));
    let heard = replica.heard(&room).await;
    assert_eq!(heard.len(), 1);
    assert!(matches!(&heard[0].payload, Payload::Entry(entry) if entry.pos == own));
}

pub(crate) async fn a_marker_of_a_log_that_is_gone_counts_as_the_head(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let lost = replica.append_messages(&room, 5).await;
    mark(&replica, &room, "bob", &lost[4]).await;
    fixture.rewind(&room, 3).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 3, head_seq: 3, unread: 0 });
    // From here on it is a marker like any other.
    replica.append_messages(&room, 3).await;
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 3, head_seq: 6, unread: 3 });
}
