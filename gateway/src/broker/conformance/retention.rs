//! How much is kept.

use super::*;
use crate::broker::RETENTION_FLOOR_MS;

fn kept_by(retention: Retention, room: &RoomName) -> Publish {
    Publish { retention, ..message(room, "ada", "hi") }
}

pub(crate) async fn no_more_entries_are_kept_than_allowed_once_they_are_a_minute_old(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let retention = Retention { entries: 3, ..KEEP_ALL };
    for _ in 0..5 {
        replica.append(kept_by(retention, &room)).await;
        fixture.pass_ms(1).await;
    }
    // The oldest reaches a minute first, without anybody publishing.
    fixture.pass_ms(RETENTION_FLOOR_MS - 6).await;
    assert_eq!(seqs(&replica.kept(&room).await), [1, 2, 3, 4, 5]);
    fixture.pass_ms(1).await;
    assert_eq!(seqs(&replica.kept(&room).await), [2, 3, 4, 5]);
    assert_eq!(replica.head(&room).await.first_seq, 2);
    fixture.pass_ms(1).await;
    assert_eq!(replica.head(&room).await.first_seq, 3);
    fixture.pass_ms(RETENTION_FLOOR_MS).await;
    assert_eq!(seqs(&replica.kept(&room).await), [3, 4, 5]);
    replica.append(kept_by(retention, &room)).await;
    assert_eq!(seqs(&replica.kept(&room).await), [4, 5, 6]);
}

pub(crate) async fn what_is_younger_than_a_minute_is_kept_whatever_number_and_age_say(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let retention = Retention { entries: 1, age_ms: 10, ..KEEP_ALL };
    for _ in 0..10 {
        replica.append(kept_by(retention, &room)).await;
    }
    fixture.pass_ms(RETENTION_FLOOR_MS - 1).await;
    assert_eq!(replica.kept(&room).await.len(), 10);
    fixture.pass_ms(1).await;
    assert_eq!(replica.kept(&room).await.len(), 0);
}

pub(crate) async fn bytes_count_even_against_what_is_young(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let entry_bytes = Entry::cost_bytes_of(&Body::Message { data: text("hi") }, None) as u64;
    let retention = Retention { bytes: 3 * entry_bytes, ..KEEP_ALL };
    for expected in [1, 2, 3, 3, 3] {
        replica.append(kept_by(retention, &room)).await;
        assert_eq!(replica.kept(&room).await.len(), expected);
    }
    let one_less = Retention { bytes: 3 * entry_bytes - 1, ..KEEP_ALL };
    replica.append(kept_by(one_less, &room)).await;
    assert_eq!(seqs(&replica.kept(&room).await), [5, 6]);
    assert_eq!(replica.head(&room).await.first_seq, 5);
}

pub(crate) async fn nothing_is_kept_past_its_age(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let retention = Retention { age_ms: 100_000, ..KEEP_ALL };
    replica.append(kept_by(retention, &room)).await;
    fixture.pass_ms(1).await;
    replica.append(kept_by(retention, &room)).await;
    fixture.pass_ms(99_999).await;
    assert_eq!(seqs(&replica.kept(&room).await), [1, 2]);
    fixture.pass_ms(1).await;
    assert_eq!(seqs(&replica.kept(&room).await), [2]);
    assert_eq!(replica.head(&room).await.first_seq, 2);
    fixture.pass_ms(1).await;
    assert!(replica.kept(&room).await.is_empty());
}

pub(crate) async fn an_entry_that_alone_is_too_large_leaves_an_empty_log(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 2).await;
    let large = replica.append(kept_by(Retention { bytes: 10, ..KEEP_ALL }, &room)).await;
    assert_eq!((large.seq, &large.epoch), (3, &positions[0].epoch));
    let head = replica.head(&room).await;
    assert_eq!(head, Head { pos: large, count: 3, first_seq: 4 });
    assert!(replica.kept(&room).await.is_empty());
}

pub(crate) async fn a_log_that_age_has_emptied_keeps_its_end_and_goes_on(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let retention = Retention { age_ms: 100_000, ..KEEP_ALL };
    replica.append(kept_by(retention, &room)).await;
    let last = replica.append(kept_by(retention, &room)).await;
    fixture.pass_ms(100_001).await;
    assert!(replica.kept(&room).await.is_empty());
    assert_eq!(replica.head(&room).await, Head { pos: last.clone(), count: 2, first_seq: 3 });
    let next = replica.append(kept_by(retention, &room)).await;
    assert_eq!((next.seq, &next.epoch), (3, &last.epoch));
    let entries = replica.kept(&room).await;
    assert_eq!((&entries[0].prev, entries[0].count), (&last.tag, 3));
}

pub(crate) async fn the_last_publish_says_how_much_is_kept(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append_messages(&room, 5).await;
    fixture.pass_ms(RETENTION_FLOOR_MS).await;
    assert_eq!(replica.kept(&room).await.len(), 5);
    replica.append(kept_by(Retention { entries: 2, ..KEEP_ALL }, &room)).await;
    assert_eq!(seqs(&replica.kept(&room).await), [5, 6]);
    // What has gone does not come back.
    replica.append(kept_by(KEEP_ALL, &room)).await;
    assert_eq!(seqs(&replica.kept(&room).await), [5, 6, 7]);
}
