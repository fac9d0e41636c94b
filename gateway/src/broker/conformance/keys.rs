//! Keys, which make a retry safe.

use hubbub_shared::client_frame::ReactionOp;

use super::*;
use crate::broker::StandingChange;

fn keyed(room: &RoomName, said: &str) -> Publish {
    Publish { key: user_key("ada", "k"), ..message(room, "ada", said) }
}

pub(crate) async fn a_key_appends_once_whatever_the_second_request_carries(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let Published::Appended { pos, time_ms } = replica.publish(keyed(&room, "hi")).await else {
        panic!("the first was not appended");
    };
    replica.append(message(&room, "bob", "between")).await;
    fixture.pass_ms(1_000).await;
    let bodies = [
        Body::Message { data: text("hi") },
        Body::Message { data: text("something else") },
        Body::Edit { target: pos.clone(), data: text("an edit") },
        Body::Delete { target: pos.clone() },
        Body::Reaction { target: pos.clone(), emoji: Arc::from("👍"), op: ReactionOp::Add },
    ];
    for body in bodies {
        let again = replica.publish(Publish { body, ..keyed(&room, "") }).await;
        assert_eq!(again, Published::Duplicate { pos: pos.clone(), time_ms });
    }
    assert_eq!(replica.head(&room).await.pos.seq, 2);
    assert_eq!(replica.kept(&room).await[0].body, Body::Message { data: text("hi") });
}

pub(crate) async fn a_key_counts_for_exactly_one_window_after_its_first_use(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let window_ms = fixture.dedupe_window_ms();
    let first = replica.append(keyed(&room, "hi")).await;
    // A use in between does not make the window longer.
    fixture.pass_ms(window_ms / 2).await;
    assert!(matches!(replica.publish(keyed(&room, "hi")).await, Published::Duplicate { pos, .. } if pos == first));
    fixture.pass_ms(window_ms - window_ms / 2 - 1).await;
    assert!(matches!(replica.publish(keyed(&room, "hi")).await, Published::Duplicate { pos, .. } if pos == first));
    fixture.pass_ms(1).await;
    let second = replica.append(keyed(&room, "hi")).await;
    assert_eq!(second.seq, 2);
    fixture.pass_ms(window_ms - 1).await;
    assert!(matches!(replica.publish(keyed(&room, "hi")).await, Published::Duplicate { pos, .. } if pos == second));
}

pub(crate) async fn a_key_belongs_to_its_room_and_to_its_scope(fixture: impl Fixture) {
    let (replica, room, other) = (fixture.replica().await, a_room(), a_room());
    let api = |name: &str| Some(DedupeKey { scope: DedupeScope::Api(Arc::from(name)), key: Arc::from("k") });
    replica.append(keyed(&room, "hi")).await;
    replica.append(keyed(&other, "hi")).await;
    for key in [user_key("bob", "k"), user_key("ada", "K"), api("ada"), api("bob")] {
        replica.append(Publish { key: key.clone(), ..message(&room, "ada", "hi") }).await;
        let again = replica.publish(Publish { key, ..message(&room, "eve", "hi") }).await;
        assert!(matches!(again, Published::Duplicate { .. }));
    }
    assert_eq!(replica.head(&room).await.pos.seq, 5);
}

pub(crate) async fn a_duplicate_comes_before_every_refusal(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let first = replica.append(Publish { slow_mode_ms: 60_000, ..keyed(&room, "hi") }).await;
    for change in [StandingChange::Ban { until_ms: u64::MAX }, StandingChange::Mute { until_ms: u64::MAX }] {
        replica.broker.set_standing(&room, &user("ada"), change).await.unwrap();
    }
    let hopeless = Publish {
        slow_mode_ms: 60_000,
        refuse_after_ms: Some(5),
        body: Body::Edit { target: Position::start(), data: text("no such message") },
        ..keyed(&room, "")
    };
    assert!(matches!(replica.publish(hopeless).await, Published::Duplicate { pos, .. } if pos == first));
}

pub(crate) async fn a_refused_request_uses_no_key(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let refused = replica.refusal(Publish { refuse_after_ms: Some(5), ..keyed(&room, "hi") }).await;
    assert_eq!(refused, Some(Refusal::Limited { retry_after_ms: 5 }));
    replica.append(keyed(&room, "hi")).await;
}

pub(crate) async fn a_key_of_a_log_that_is_gone_counts_no_more(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append(keyed(&room, "hi")).await;
    fixture.lose_log(&room).await;
    let new = replica.append(keyed(&room, "hi")).await;
    assert_eq!(new.seq, 1);
    assert!(matches!(replica.publish(keyed(&room, "hi")).await, Published::Duplicate { pos, .. } if pos == new));
    // The new use has a window of its own.
    fixture.pass_ms(fixture.dedupe_window_ms()).await;
    assert_eq!(replica.append(keyed(&room, "hi")).await.seq, 2);
}

pub(crate) async fn a_key_of_an_entry_that_a_failover_lost_counts_no_more(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    replica.append(message(&room, "bob", "first")).await;
    replica.append(keyed(&room, "hi")).await;
    fixture.rewind(&room, 1).await;
    replica.append(message(&room, "bob", "another second")).await;
    assert_eq!(replica.append(keyed(&room, "hi")).await.seq, 3);
}

pub(crate) async fn a_key_outlives_the_entry_that_retention_took(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let first = replica.append(keyed(&room, "hi")).await;
    let bytes = message_bytes("nothing else fits") as u64;
    for _ in 0..3 {
        let retention = Retention { bytes, ..KEEP_ALL };
        replica.append(Publish { retention, ..message(&room, "bob", "nothing else fits") }).await;
    }
    assert_eq!(replica.head(&room).await.first_seq, 4);
    assert!(matches!(replica.publish(keyed(&room, "hi")).await, Published::Duplicate { pos, .. } if pos == first));
}

fn message_bytes(said: &str) -> usize {
    Entry::cost_bytes_of(&Body::Message { data: text(said) }, None)
}

pub(crate) async fn a_reaction_of_no_effect_spends_its_key(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    let added = replica.append(react(&room, "ada", &target, "👍", ReactionOp::Add)).await;
    let again = || Publish { key: user_key("ada", "k"), ..react(&room, "ada", &target, "👍", ReactionOp::Add) };
    assert!(matches!(replica.publish(again()).await, Published::Duplicate { pos, .. } if pos == added));
    replica.append(react(&room, "ada", &target, "👍", ReactionOp::Remove)).await;
    // The retry of a request that was answered must not put back what was taken off since.
    assert!(matches!(replica.publish(again()).await, Published::Duplicate { pos, .. } if pos == added));
    assert_eq!(replica.head(&room).await.pos.seq, 3);
}
