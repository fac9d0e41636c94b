//! Pages, and what proves that a position is one of the log.

use super::*;
use crate::broker::RETENTION_FLOOR_MS;

fn entries(entries: usize) -> PageLimit {
    PageLimit { entries, ..ALL }
}

/// A room of `count` messages of which only the newest `kept` are still there, and where all of them stand or stood.
async fn a_trimmed_room<F: Fixture>(
    fixture: &F,
    count: u64,
    kept: u64,
) -> (Replica<F::Broker>, RoomName, Vec<Position>) {
    let (replica, room) = (fixture.replica().await, a_room());
    let mut positions = replica.append_messages(&room, count - 1).await;
    fixture.pass_ms(RETENTION_FLOOR_MS).await;
    let retention = Retention { entries: kept, ..KEEP_ALL };
    positions.push(replica.append(Publish { retention, ..message(&room, "ada", "last") }).await);
    assert_eq!(replica.head(&room).await.first_seq, count - kept + 1);
    (replica, room, positions)
}

pub(crate) async fn a_room_without_a_log_reads_as_empty(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let head = Head { pos: Position::start(), count: 0, first_seq: 1 };
    let empty = Page { head: head.clone(), entries: Vec::new(), more: false, gap: false };
    for range in [Range::Newest, Range::After(Position::start()), Range::Before(Position::start())] {
        assert_eq!(replica.page(&room, range, ALL).await, empty);
    }
    let elsewhere = replica.append(message(&a_room(), "ada", "hi")).await;
    for range in [Range::After(elsewhere.clone()), Range::Before(elsewhere)] {
        assert_eq!(replica.read(&room, range).await, Reading::OtherLog(head.clone()));
    }
}

pub(crate) async fn newest_and_before_go_backward_and_after_goes_forward(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 6).await;
    let page = replica.page(&room, Range::Newest, entries(2)).await;
    assert_eq!((seqs(&page.entries), page.more, page.gap), (vec![5, 6], true, false));
    let page = replica.page(&room, Range::Before(positions[4].clone()), entries(2)).await;
    assert_eq!((seqs(&page.entries), page.more, page.gap), (vec![3, 4], true, false));
    let page = replica.page(&room, Range::After(positions[1].clone()), entries(2)).await;
    assert_eq!((seqs(&page.entries), page.more, page.gap), (vec![3, 4], true, false));
    assert_eq!(page.head, Head { pos: positions[5].clone(), count: 6, first_seq: 1 });
}

pub(crate) async fn a_page_ends_at_its_number_of_entries_and_says_whether_more_follow(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 4).await;
    for (range, limit, expected, more) in [
        (Range::Newest, 4, vec![1, 2, 3, 4], false),
        (Range::Newest, 3, vec![2, 3, 4], true),
        (Range::Before(positions[3].clone()), 3, vec![1, 2, 3], false),
        (Range::Before(positions[3].clone()), 2, vec![2, 3], true),
        (Range::Before(positions[0].clone()), 2, vec![], false),
        (Range::Before(Position::start()), 2, vec![], false),
        (Range::After(Position::start()), 4, vec![1, 2, 3, 4], false),
        (Range::After(Position::start()), 3, vec![1, 2, 3], true),
        (Range::After(positions[2].clone()), 1, vec![4], false),
        (Range::After(positions[3].clone()), 1, vec![], false),
    ] {
        let page = replica.page(&room, range.clone(), entries(limit)).await;
        assert_eq!((seqs(&page.entries), page.more), (expected, more), "{range:?}");
    }
}

pub(crate) async fn a_page_ends_at_its_bytes_but_gives_one_entry_at_least(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    for said in ["x".repeat(500), "y".to_owned(), "z".repeat(500)] {
        replica.append(message(&room, "ada", &said)).await;
    }
    let costs: Vec<_> = replica.kept(&room).await.iter().map(|entry| entry.cost_bytes()).collect();
    let two = costs[0] + costs[1];
    for (bytes, forward, backward) in [
        (0, vec![1], vec![3]),
        (costs[0], vec![1], vec![3]),
        (two - 1, vec![1], vec![3]),
        (two, vec![1, 2], vec![2, 3]),
        (two + costs[2] - 1, vec![1, 2], vec![2, 3]),
        (two + costs[2], vec![1, 2, 3], vec![1, 2, 3]),
    ] {
        let limit = PageLimit { bytes, ..ALL };
        for (range, expected) in [(Range::After(Position::start()), forward), (Range::Newest, backward)] {
            let page = replica.page(&room, range, limit).await;
            assert_eq!(page.more, expected.len() < 3);
            assert_eq!(seqs(&page.entries), expected, "{bytes} bytes");
        }
    }
}

pub(crate) async fn a_page_of_no_entries_shows_the_head_alone(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 2).await;
    let page = replica.page(&room, Range::Newest, entries(0)).await;
    let head = Head { pos: positions[1].clone(), count: 2, first_seq: 1 };
    assert_eq!(page, Page { head, entries: Vec::new(), more: true, gap: false });
}

pub(crate) async fn a_position_is_proven_by_its_own_entry(fixture: impl Fixture) {
    let (replica, room, positions) = a_trimmed_room(&fixture, 6, 3).await;
    for seq in [4, 5, 6] {
        let page = replica.page(&room, Range::After(positions[seq - 1].clone()), ALL).await;
        assert!(!page.gap);
        assert_eq!(page.entries.len(), 6 - seq);
    }
}

pub(crate) async fn a_position_just_below_the_oldest_entry_is_proven_by_its_successor(fixture: impl Fixture) {
    let (replica, room, positions) = a_trimmed_room(&fixture, 6, 3).await;
    let page = replica.page(&room, Range::After(positions[2].clone()), ALL).await;
    assert_eq!((seqs(&page.entries), page.gap), (vec![4, 5, 6], false));
    let other = Position { tag: random::tag(), ..positions[2].clone() };
    assert!(matches!(replica.read(&room, Range::After(other.clone())).await, Reading::OtherLog(_)));
    assert!(matches!(replica.read(&room, Range::Before(other)).await, Reading::OtherLog(_)));
}

pub(crate) async fn the_head_is_proven_though_its_entry_has_gone(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let retention = Retention { age_ms: 100_000, ..KEEP_ALL };
    let first = replica.append(Publish { retention, ..message(&room, "ada", "hi") }).await;
    let last = replica.append(Publish { retention, ..message(&room, "ada", "hi") }).await;
    fixture.pass_ms(100_001).await;
    let head = Head { pos: last.clone(), count: 2, first_seq: 3 };
    let page = |gap| Page { head: head.clone(), entries: Vec::new(), more: false, gap };
    assert_eq!(replica.page(&room, Range::After(last.clone()), ALL).await, page(false));
    assert_eq!(replica.page(&room, Range::Before(last.clone()), ALL).await, page(false));
    assert_eq!(replica.page(&room, Range::Newest, ALL).await, page(false));
    assert_eq!(replica.page(&room, Range::After(first), ALL).await, page(true));
    assert_eq!(replica.page(&room, Range::After(Position::start()), ALL).await, page(true));
    let other = Position { tag: random::tag(), ..last };
    assert_eq!(replica.read(&room, Range::After(other)).await, Reading::OtherLog(head));
}

pub(crate) async fn a_position_that_retention_has_passed_gives_a_gap(fixture: impl Fixture) {
    let (replica, room, positions) = a_trimmed_room(&fixture, 6, 3).await;
    for seq in [1, 2] {
        let page = replica.page(&room, Range::After(positions[seq - 1].clone()), entries(2)).await;
        assert_eq!((seqs(&page.entries), page.more, page.gap), (vec![4, 5], true, true));
        // By its epoch alone: there is nothing left that knows its tag.
        let other = Position { tag: random::tag(), ..positions[seq - 1].clone() };
        assert!(replica.page(&room, Range::After(other), ALL).await.gap);
    }
    let other = Position { epoch: random::tag(), ..positions[0].clone() };
    assert!(matches!(replica.read(&room, Range::After(other)).await, Reading::OtherLog(_)));
}

pub(crate) async fn nothing_is_before_a_position_that_retention_has_passed(fixture: impl Fixture) {
    let (replica, room, positions) = a_trimmed_room(&fixture, 6, 3).await;
    for seq in 1..=4 {
        let page = replica.page(&room, Range::Before(positions[seq - 1].clone()), ALL).await;
        assert_eq!((seqs(&page.entries), page.more, page.gap), (vec![], false, false));
    }
    let page = replica.page(&room, Range::Before(positions[4].clone()), ALL).await;
    assert_eq!((seqs(&page.entries), page.more, page.gap), (vec![4], false, false));
}

pub(crate) async fn the_start_is_good_while_the_first_entry_is_kept(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append_messages(&room, 2).await;
    let page = replica.page(&room, Range::After(Position::start()), ALL).await;
    assert_eq!((seqs(&page.entries), page.gap), (vec![1, 2], false));
    let (replica, room, _) = a_trimmed_room(&fixture, 2, 1).await;
    let page = replica.page(&room, Range::After(Position::start()), ALL).await;
    assert_eq!((seqs(&page.entries), page.gap), (vec![2], true));
}

pub(crate) async fn another_epoch_another_tag_or_a_number_ahead_is_another_log(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 3).await;
    let head = Head { pos: positions[2].clone(), count: 3, first_seq: 1 };
    let mut others =
        vec![Position { seq: 4, ..positions[2].clone() }, Position { seq: u64::MAX, ..positions[2].clone() }];
    for pos in &positions {
        others.push(Position { tag: random::tag(), ..pos.clone() });
        others.push(Position { epoch: random::tag(), ..pos.clone() });
    }
    for other in others {
        for range in [Range::After(other.clone()), Range::Before(other.clone())] {
            assert_eq!(replica.read(&room, range).await, Reading::OtherLog(head.clone()), "{other}");
        }
    }
}

pub(crate) async fn a_lost_log_is_another_log(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 2).await;
    fixture.lose_log(&room).await;
    assert_eq!(replica.head(&room).await.pos, Position::start());
    assert!(matches!(replica.read(&room, Range::After(positions[1].clone())).await, Reading::OtherLog(_)));
    let new = replica.append_messages(&room, 3).await;
    assert_ne!(new[0].epoch, positions[0].epoch);
    let reading = replica.read(&room, Range::After(positions[1].clone())).await;
    assert_eq!(reading, Reading::OtherLog(Head { pos: new[2].clone(), count: 3, first_seq: 1 }));
}

pub(crate) async fn a_number_that_a_failover_gave_out_again_is_another_log(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let lost = replica.append_messages(&room, 5).await;
    fixture.rewind(&room, 3).await;
    assert_eq!(replica.head(&room).await, Head { pos: lost[2].clone(), count: 3, first_seq: 1 });
    assert!(matches!(replica.read(&room, Range::After(lost[3].clone())).await, Reading::OtherLog(_)), "it is ahead");
    let new = replica.append_messages(&room, 3).await;
    assert_eq!((new[0].seq, &new[0].epoch), (lost[3].seq, &lost[3].epoch));
    for lost in &lost[3..] {
        assert!(matches!(replica.read(&room, Range::After(lost.clone())).await, Reading::OtherLog(_)));
    }
    let page = replica.page(&room, Range::After(lost[2].clone()), ALL).await;
    assert_eq!((seqs(&page.entries), page.gap), (vec![4, 5, 6], false));
    assert_eq!(page.entries[0].prev, lost[2].tag);
}

pub(crate) async fn heads_come_in_the_order_asked(fixture: impl Fixture) {
    let (replica, one, none, two) = (fixture.replica().await, a_room(), a_room(), a_room());
    let first = replica.append_messages(&one, 1).await;
    let second = replica.append_messages(&two, 2).await;
    let heads = async |rooms: &[RoomName]| -> Vec<Position> {
        replica.broker.heads(rooms).await.into_iter().map(|head| head.unwrap().pos).collect()
    };
    let expected = [second[1].clone(), Position::start(), first[0].clone(), second[1].clone()];
    assert_eq!(heads(&[two.clone(), none.clone(), one.clone(), two.clone()]).await, expected);
    assert!(heads(&[]).await.is_empty());
    let many: Vec<_> = [two.clone(), none, one, two].into_iter().cycle().take(1_000).collect();
    assert_eq!(heads(&many).await, expected.iter().cycle().take(1_000).cloned().collect::<Vec<_>>());
}
