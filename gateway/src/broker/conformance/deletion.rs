//! Deleted is gone.

use super::*;

pub(crate) async fn a_deleted_message_and_its_edits_lose_their_data_and_nothing_else(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let keyed = Publish { key: user_key("ada", "k"), ..message(&room, "ada", "secret") };
    let target = replica.append(keyed).await;
    replica.append(edit(&room, "ada", &target, "secret too")).await;
    replica.append(react(&room, "bob", &target, "👍", ReactionOp::Add)).await;
    let moderated = Publish { authority: Authority::Moderator, ..edit(&room, "mod", &target, "secret yet") };
    replica.append(moderated).await;
    let before = replica.kept(&room).await;
    fixture.pass_ms(5).await;
    replica.append(delete(&room, "ada", &target)).await;

    let after = replica.kept(&room).await;
    assert_eq!(after[4].body, Body::Delete { target: target.clone() });
    for (before, after) in before.iter().zip(&after) {
        let body = match &before.body {
            Body::Message { .. } => Body::Message { data: None },
            Body::Edit { target, .. } => Body::Edit { target: target.clone(), data: None },
            Body::Delete { .. } | Body::Reaction { .. } => before.body.clone(),
        };
        assert_eq!(**after, Entry { body, ..Entry::clone(before) });
    }
    // Every way to read shows the same.
    for range in [Range::After(Position::start()), Range::Before(after[4].pos.clone())] {
        let entries = replica.page(&room, range, ALL).await.entries;
        assert_eq!(entries[..4], after[..4]);
    }
}

pub(crate) async fn a_deletion_leaves_other_messages_alone(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let one = replica.append(message(&room, "ada", "one")).await;
    let two = replica.append(message(&room, "ada", "two")).await;
    replica.append(edit(&room, "ada", &one, "uno")).await;
    replica.append(edit(&room, "ada", &two, "due")).await;
    let before = replica.kept(&room).await;
    replica.append(delete(&room, "ada", &one)).await;
    let after = replica.kept(&room).await;
    assert_eq!((&after[1], &after[3]), (&before[1], &before[3]));
    replica.append(edit(&room, "ada", &two, "duo")).await;
}

pub(crate) async fn a_deletion_frees_the_bytes_of_what_it_deleted(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let long = "x".repeat(1_000);
    let long_bytes = Entry::cost_bytes_of(&Body::Message { data: text(&long) }, None) as u64;
    let retention = Retention { bytes: 3 * long_bytes, ..KEEP_ALL };
    let with = |publish| Publish { retention, ..publish };
    let first = replica.append(with(message(&room, "ada", &long))).await;
    let second = replica.append(with(message(&room, "ada", &long))).await;
    replica.append(with(edit(&room, "ada", &second, &"x".repeat(900)))).await;
    replica.append(with(delete(&room, "ada", &second))).await;
    // In the place of what was deleted fits another one without the first having to go.
    replica.append(with(message(&room, "ada", &long))).await;
    let kept = replica.kept(&room).await;
    assert_eq!(kept[0].pos, first);
    assert_eq!(kept.len(), 5);
    assert!(kept.iter().map(|entry| entry.cost_bytes() as u64).sum::<u64>() <= retention.bytes);
}

pub(crate) async fn a_deletion_of_one_message_keeps_the_numbers_whole(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let positions = replica.append_messages(&room, 4).await;
    replica.append(delete(&room, "ada", &positions[1])).await;
    let page = replica.page(&room, Range::After(positions[0].clone()), ALL).await;
    assert_eq!(seqs(&page.entries), [2, 3, 4, 5]);
    assert_eq!((page.gap, page.head.count), (false, 4));
    // A deleted message still proves its position.
    let page = replica.page(&room, Range::After(positions[1].clone()), ALL).await;
    assert_eq!(seqs(&page.entries), [3, 4, 5]);
}
