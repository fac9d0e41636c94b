//! Bans, mutes, slow mode and limits.

use super::*;
use crate::broker::{Standing, StandingChange};

async fn set<F: Fixture>(replica: &Replica<F::Broker>, room: &RoomName, name: &str, change: StandingChange) {
    replica.broker.set_standing(room, &user(name), change).await.unwrap();
}

pub(crate) async fn a_banned_user_is_refused_until_the_ban_ends<F: Fixture>(fixture: F) {
    let (replica, room) = (fixture.replica().await, a_room());
    set::<F>(&replica, &room, "eve", StandingChange::Ban { until_ms: fixture.now_ms() + 500 }).await;
    fixture.pass_ms(499).await;
    assert!(replica.broker.standing(&room, &user("eve")).await.unwrap().banned);
    assert_eq!(replica.refusal(message(&room, "eve", "hi")).await, Some(Refusal::Banned));
    replica.append(message(&room, "ada", "hi")).await;
    fixture.pass_ms(1).await;
    assert_eq!(replica.broker.standing(&room, &user("eve")).await.unwrap(), Standing::default());
    replica.append(message(&room, "eve", "hi")).await;
}

pub(crate) async fn a_muted_user_is_refused_until_the_mute_ends<F: Fixture>(fixture: F) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "eve", "hi")).await;
    set::<F>(&replica, &room, "eve", StandingChange::Mute { until_ms: fixture.now_ms() + 500 }).await;
    fixture.pass_ms(499).await;
    assert!(replica.broker.standing(&room, &user("eve")).await.unwrap().muted);
    let muted = [
        message(&room, "eve", "hi"),
        edit(&room, "eve", &target, "ho"),
        react(&room, "eve", &target, "👍", ReactionOp::Add),
    ];
    for publish in muted {
        assert_eq!(replica.refusal(publish).await, Some(Refusal::Muted));
    }
    // What she said she may take back.
    replica.append(delete(&room, "eve", &target)).await;
    fixture.pass_ms(1).await;
    replica.append(message(&room, "eve", "hi")).await;
}

pub(crate) async fn a_ban_for_ever_ends_by_an_unban<F: Fixture>(fixture: F) {
    let (replica, room) = (fixture.replica().await, a_room());
    set::<F>(&replica, &room, "eve", StandingChange::Ban { until_ms: u64::MAX }).await;
    set::<F>(&replica, &room, "eve", StandingChange::Mute { until_ms: u64::MAX }).await;
    fixture.pass_ms(10_000_000_000).await;
    assert_eq!(replica.refusal(message(&room, "eve", "hi")).await, Some(Refusal::Banned));
    set::<F>(&replica, &room, "eve", StandingChange::Unban).await;
    assert_eq!(replica.refusal(message(&room, "eve", "hi")).await, Some(Refusal::Muted));
    set::<F>(&replica, &room, "eve", StandingChange::Unmute).await;
    replica.append(message(&room, "eve", "hi")).await;
    // To end what is not there is no fault.
    set::<F>(&replica, &room, "bob", StandingChange::Unban).await;
    set::<F>(&replica, &room, "bob", StandingChange::Unmute).await;
    replica.append(message(&room, "bob", "hi")).await;
}

pub(crate) async fn a_ban_is_told_before_a_mute_and_one_does_not_end_the_other<F: Fixture>(fixture: F) {
    let (replica, room) = (fixture.replica().await, a_room());
    let now_ms = fixture.now_ms();
    set::<F>(&replica, &room, "eve", StandingChange::Mute { until_ms: now_ms + 1_000 }).await;
    set::<F>(&replica, &room, "eve", StandingChange::Ban { until_ms: now_ms + 500 }).await;
    let both = Standing { banned: true, muted: true };
    assert_eq!(replica.broker.standing(&room, &user("eve")).await.unwrap(), both);
    assert_eq!(replica.refusal(message(&room, "eve", "hi")).await, Some(Refusal::Banned));
    fixture.pass_ms(500).await;
    assert_eq!(replica.refusal(message(&room, "eve", "hi")).await, Some(Refusal::Muted));
    // A later change replaces the one before it, earlier end or not.
    set::<F>(&replica, &room, "eve", StandingChange::Mute { until_ms: now_ms + 501 }).await;
    fixture.pass_ms(1).await;
    replica.append(message(&room, "eve", "hi")).await;
}

pub(crate) async fn bans_and_mutes_bind_moderators_and_not_the_server<F: Fixture>(fixture: F) {
    let (replica, room) = (fixture.replica().await, a_room());
    let with = |authority| Publish { authority, ..message(&room, "eve", "hi") };
    for (change, refusal) in [
        (StandingChange::Mute { until_ms: u64::MAX }, Refusal::Muted),
        (StandingChange::Ban { until_ms: u64::MAX }, Refusal::Banned),
    ] {
        set::<F>(&replica, &room, "eve", change).await;
        assert_eq!(replica.refusal(with(Authority::Member)).await, Some(refusal));
        assert_eq!(replica.refusal(with(Authority::Moderator)).await, Some(refusal));
        replica.append(with(Authority::Server)).await;
    }
}

pub(crate) async fn a_standing_holds_in_its_room_alone<F: Fixture>(fixture: F) {
    let (replica, room, other) = (fixture.replica().await, a_room(), a_room());
    set::<F>(&replica, &room, "eve", StandingChange::Ban { until_ms: u64::MAX }).await;
    assert_eq!(replica.broker.standing(&other, &user("eve")).await.unwrap(), Standing::default());
    replica.append(message(&other, "eve", "hi")).await;
    assert_eq!(replica.refusal(message(&room, "eve", "hi")).await, Some(Refusal::Banned));
}

fn slow(room: &RoomName, name: &str) -> Publish {
    Publish { slow_mode_ms: 1_000, ..message(room, name, "hi") }
}

pub(crate) async fn slow_mode_says_to_the_millisecond_when_the_next_message_may_come(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append(slow(&room, "ada")).await;
    replica.append(slow(&room, "bob")).await;
    for (pass_ms, retry_after_ms) in [(0, 1_000), (1, 999), (998, 1)] {
        fixture.pass_ms(pass_ms).await;
        assert_eq!(replica.refusal(slow(&room, "ada")).await, Some(Refusal::Limited { retry_after_ms }));
    }
    fixture.pass_ms(1).await;
    replica.append(slow(&room, "ada")).await;
    assert_eq!(replica.refusal(slow(&room, "ada")).await, Some(Refusal::Limited { retry_after_ms: 1_000 }));
}

pub(crate) async fn slow_mode_counts_only_what_was_accepted(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let refused = replica.refusal(Publish { refuse_after_ms: Some(1), ..slow(&room, "ada") }).await;
    assert_eq!(refused, Some(Refusal::Limited { retry_after_ms: 1 }));
    let keyed = || Publish { key: user_key("ada", "k"), ..slow(&room, "ada") };
    replica.append(keyed()).await;
    fixture.pass_ms(600).await;
    assert!(matches!(replica.publish(keyed()).await, Published::Duplicate { .. }));
    assert_eq!(replica.refusal(slow(&room, "ada")).await, Some(Refusal::Limited { retry_after_ms: 400 }));
    fixture.pass_ms(400).await;
    replica.append(slow(&room, "ada")).await;
}

pub(crate) async fn slow_mode_concerns_messages_of_members_alone(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(slow(&room, "ada")).await;
    for publish in [
        edit(&room, "ada", &target, "ho"),
        react(&room, "ada", &target, "👍", ReactionOp::Add),
        Publish { authority: Authority::Moderator, ..message(&room, "ada", "hi") },
        Publish { authority: Authority::Server, ..message(&room, "ada", "hi") },
        Publish { authority: Authority::Server, from: None, ..message(&room, "ada", "hi") },
        delete(&room, "ada", &target),
    ] {
        replica.append(Publish { slow_mode_ms: 1_000, ..publish }).await;
    }
    assert_eq!(replica.refusal(slow(&room, "ada")).await, Some(Refusal::Limited { retry_after_ms: 1_000 }));
}

pub(crate) async fn what_the_limits_said_is_heeded_and_the_longest_wait_is_told(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    for authority in [Authority::Member, Authority::Moderator, Authority::Server] {
        let limited = Publish { authority, refuse_after_ms: Some(70), ..message(&room, "ada", "hi") };
        assert_eq!(replica.refusal(limited).await, Some(Refusal::Limited { retry_after_ms: 70 }));
    }
    assert_eq!(replica.head(&room).await.pos, Position::start());
    replica.append(slow(&room, "ada")).await;
    for (refuse_after_ms, retry_after_ms) in [(70, 1_000), (7_000, 7_000)] {
        let both = Publish { refuse_after_ms: Some(refuse_after_ms), ..slow(&room, "ada") };
        assert_eq!(replica.refusal(both).await, Some(Refusal::Limited { retry_after_ms }));
    }
}
