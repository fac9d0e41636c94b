//! Which messages may be edited, deleted and reacted to, and by whom.

use super::*;

pub(crate) async fn authors_edit_and_delete_their_own(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    replica.append(edit(&room, "ada", &target, "ho")).await;
    replica.append(edit(&room, "ada", &target, "hum")).await;
    replica.append(delete(&room, "ada", &target)).await;
    assert_eq!(replica.head(&room).await.pos.seq, 4);
}

pub(crate) async fn what_is_of_others_is_for_moderators_and_the_server(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    let with = |authority, publish| Publish { authority, ..publish };
    for publish in [edit(&room, "bob", &target, "ho"), delete(&room, "bob", &target)] {
        assert_eq!(replica.refusal(publish).await, Some(Refusal::NotAuthor));
    }
    let nobody = Publish { from: None, ..edit(&room, "ada", &target, "ho") };
    assert_eq!(replica.refusal(nobody).await, Some(Refusal::NotAuthor));
    replica.append(with(Authority::Moderator, edit(&room, "bob", &target, "ho"))).await;
    replica.append(with(Authority::Server, edit(&room, "bob", &target, "hum"))).await;
    let server = Publish { from: None, ..edit(&room, "bob", &target, "humm") };
    replica.append(with(Authority::Server, server)).await;
    replica.append(with(Authority::Moderator, delete(&room, "bob", &target))).await;
}

pub(crate) async fn a_message_of_nobody_is_no_members_own(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let of_nobody = Publish { from: None, authority: Authority::Server, ..message(&room, "ada", "hi") };
    let target = replica.append(of_nobody).await;
    assert_eq!(replica.refusal(edit(&room, "ada", &target, "ho")).await, Some(Refusal::NotAuthor));
    let nobody = Publish { from: None, ..delete(&room, "ada", &target) };
    assert_eq!(replica.refusal(nobody).await, Some(Refusal::NotAuthor));
}

fn all_on<'a>(room: &'a RoomName, target: &'a Position) -> [Publish; 3] {
    [edit(room, "ada", target, "ho"), delete(room, "ada", target), react(room, "ada", target, "👍", ReactionOp::Add)]
}

pub(crate) async fn a_target_that_is_no_kept_message_is_gone(fixture: impl Fixture) {
    let (replica, room, other) = (fixture.replica().await, a_room(), a_room());
    let elsewhere = replica.append(message(&other, "ada", "hi")).await;
    // The room has no log yet.
    for publish in all_on(&room, &elsewhere).into_iter().chain(all_on(&room, &Position::start())) {
        assert_eq!(replica.refusal(publish).await, Some(Refusal::Gone));
    }
    assert_eq!(replica.head(&room).await.pos, Position::start());

    let trimmed = replica.append(message(&room, "ada", "one")).await;
    let kept = replica.append(message(&room, "ada", "two")).await;
    let edited = replica.append(edit(&room, "ada", &kept, "too")).await;
    let reacted = replica.append(react(&room, "ada", &kept, "👍", ReactionOp::Add)).await;
    fixture.pass_ms(60_000).await;
    let retention = Retention { entries: 4, ..KEEP_ALL };
    replica.append(Publish { retention, ..message(&room, "ada", "three") }).await;
    let ahead = Position { seq: 6, ..kept.clone() };
    for target in [&elsewhere, &trimmed, &edited, &reacted, &ahead, &Position::start()] {
        for publish in all_on(&room, target) {
            assert_eq!(replica.refusal(Publish { retention, ..publish }).await, Some(Refusal::Gone), "{target}");
        }
    }
    assert_eq!(replica.head(&room).await.pos.seq, 5);
    replica.append(edit(&room, "ada", &kept, "2")).await;
}

pub(crate) async fn a_target_is_named_by_its_tag_too(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append(message(&room, "ada", "one")).await;
    let lost = replica.append(message(&room, "ada", "two")).await;
    fixture.rewind(&room, 1).await;
    let again = replica.append(message(&room, "ada", "another two")).await;
    assert_eq!((lost.seq, &lost.epoch), (again.seq, &again.epoch));
    for publish in all_on(&room, &lost) {
        assert_eq!(replica.refusal(publish).await, Some(Refusal::Gone));
    }
}

pub(crate) async fn a_target_that_was_deleted_is_gone(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    replica.append(react(&room, "ada", &target, "👍", ReactionOp::Add)).await;
    replica.append(delete(&room, "ada", &target)).await;
    let off = react(&room, "ada", &target, "👍", ReactionOp::Remove);
    for publish in all_on(&room, &target).into_iter().chain([off]) {
        assert_eq!(replica.refusal(publish).await, Some(Refusal::Gone));
    }
}

pub(crate) async fn a_reaction_that_is_there_is_a_duplicate_of_its_entry(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    let on = || react(&room, "bob", &target, "👍", ReactionOp::Add);
    let off = || react(&room, "bob", &target, "👍", ReactionOp::Remove);
    for _ in 0..2 {
        fixture.pass_ms(5).await;
        let Published::Appended { pos, time_ms } = replica.publish(on()).await else { panic!("not appended") };
        fixture.pass_ms(5).await;
        replica.append(message(&room, "ada", "between")).await;
        assert_eq!(replica.publish(on()).await, Published::Duplicate { pos, time_ms });
        // Once it is off it can be put on again.
        replica.append(off()).await;
    }
}

pub(crate) async fn a_reaction_that_is_not_there_comes_off_as_a_duplicate_of_the_head(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    fixture.pass_ms(5).await;
    replica.append(react(&room, "bob", &target, "👍", ReactionOp::Add)).await;
    let Published::Appended { pos, time_ms } =
        replica.publish(react(&room, "bob", &target, "👍", ReactionOp::Remove)).await
    else {
        panic!("not appended");
    };
    fixture.pass_ms(5).await;
    for emoji in ["👍", "👎"] {
        let off = replica.publish(react(&room, "bob", &target, emoji, ReactionOp::Remove)).await;
        assert_eq!(off, Published::Duplicate { pos: pos.clone(), time_ms });
    }
}

pub(crate) async fn reactions_are_of_one_user_and_one_emoji(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let one = replica.append(message(&room, "ada", "one")).await;
    let two = replica.append(message(&room, "ada", "two")).await;
    let mut expected = 2;
    for (target, name, emoji) in [(&one, "ada", "👍"), (&one, "bob", "👍"), (&one, "ada", "👎"), (&two, "ada", "👍")]
    {
        expected += 1;
        assert_eq!(replica.append(react(&room, name, target, emoji, ReactionOp::Add)).await.seq, expected);
    }
    let nobody = Publish { from: None, ..react(&room, "ada", &one, "👍", ReactionOp::Add) };
    assert_eq!(replica.append(Publish { authority: Authority::Server, ..nobody }).await.seq, 7);
}
