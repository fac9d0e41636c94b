//! Rooms of which Redis has lost or dropped a part, and that nothing stays for longer than it must.

use hubbub_shared::client_frame::ReactionOp;

use super::*;
use crate::broker::conformance::{KEEP_ALL, a_room, delete, edit, message, react, seqs, user, user_key};
use crate::broker::{Body, Page, RETENTION_FLOOR_MS, Retention};

impl Visit {
    fn lose(&self, part: &str, room: &RoomName) {
        assert_eq!(self.world.cli(&["DEL", &self.world.key(part, room)]), "1", "there was something to lose");
    }

    /// The names of all keys, and how many milliseconds each still lives.
    fn lives_ms(&self) -> Vec<(String, i64)> {
        let keys = self.world.server.call(&["KEYS", "*"]).unwrap();
        let names = keys.list().iter().map(ToString::to_string);
        names.map(|name| (name.clone(), self.world.cli(&["PTTL", &name]).parse().unwrap())).collect()
    }
}

#[tokio::test]
async fn a_log_without_its_stream_counts_as_trimmed() {
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    let keyed = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "one") };
    let first = replica.append(keyed()).await;
    replica.append(message(&room, "ada", "two")).await;
    let last = replica.append(delete(&room, "ada", &first)).await;
    visit.lose("log", &room);
    let head = Head { pos: last.clone(), count: 2, first_seq: 4 };
    let empty = |gap| Page { head: head.clone(), entries: Vec::new(), more: false, gap };
    for (range, gap) in [(Range::Newest, false), (Range::After(first.clone()), true), (Range::After(last), false)] {
        assert_eq!(replica.read(&room, range).await, Reading::Page(empty(gap)));
    }
    assert_eq!(replica.head(&room).await, head);
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 0, head_seq: 3, unread: 0 });
    assert_eq!(replica.refusal(edit(&room, "ada", &first, "uno")).await, Some(crate::broker::Refusal::Gone));
    // The key was used in this very log.
    assert!(matches!(replica.publish(keyed()).await, Published::Duplicate { pos, .. } if pos == first));
    let next = replica.append(message(&room, "ada", "three")).await;
    assert_eq!((&next.epoch, next.seq), (&first.epoch, 4));
    assert_eq!(seqs(&replica.kept(&room).await), [4]);
    assert!(replica.page(&room, Range::After(first), crate::broker::conformance::ALL).await.gap);
}

#[tokio::test]
async fn a_log_without_what_was_deleted_counts_as_trimmed() {
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    let positions = replica.append_messages(&room, 3).await;
    replica.append(delete(&room, "ada", &positions[1])).await;
    visit.lose("gone", &room);
    assert!(replica.kept(&room).await.is_empty());
    assert_eq!(replica.head(&room).await.first_seq, 5);
    replica.append_messages(&room, 2).await;
    assert_eq!(seqs(&replica.kept(&room).await), [5, 6]);
}

#[tokio::test]
async fn a_log_without_its_head_is_another_log() {
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    let keyed = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "one") };
    let lost = replica.append(keyed()).await;
    replica.append(delete(&room, "ada", &lost)).await;
    visit.lose("meta", &room);
    assert_eq!(replica.head(&room).await, Head { pos: Position::start(), count: 0, first_seq: 1 });
    assert!(matches!(replica.read(&room, Range::After(lost.clone())).await, Reading::OtherLog(_)));
    let new = replica.append(keyed()).await;
    assert_eq!(new.seq, 1);
    assert_ne!(new.epoch, lost.epoch);
    let kept = replica.kept(&room).await;
    assert_eq!((kept.len(), &kept[0].pos), (1, &new));
    assert!(matches!(kept[0].body, Body::Message { data: Some(_) }));
    assert!(matches!(replica.read(&room, Range::After(lost)).await, Reading::OtherLog(_)));
    // Markers of the lost log count as the head.
    assert_eq!(replica.unread(&room, "ada").await, Unread { read_seq: 1, head_seq: 1, unread: 0 });
}

#[tokio::test]
async fn what_hangs_on_a_message_goes_with_it() {
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    let one = replica.append(message(&room, "ada", "one")).await;
    let two = replica.append(message(&room, "ada", "two")).await;
    for target in [&one, &two] {
        replica.append(edit(&room, "ada", target, "other")).await;
        replica.append(react(&room, "bob", target, "👍", ReactionOp::Add)).await;
    }
    let about = || visit.lives_ms().into_iter().filter(|(name, _)| name.contains(":about:")).count();
    assert_eq!(about(), 2);
    visit.pass_ms(RETENTION_FLOOR_MS).await;
    let retention = Retention { entries: 6, ..KEEP_ALL };
    replica.append(Publish { retention, ..message(&room, "ada", "three") }).await;
    assert_eq!((replica.head(&room).await.first_seq, about()), (2, 1));
    replica.append(delete(&room, "ada", &two)).await;
    assert_eq!(about(), 0);
}

#[tokio::test]
async fn nothing_lives_for_ever_but_what_is_meant_to() {
    const HEAD_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    let retention = Retention { age_ms: 100_000, ..KEEP_ALL };
    let with = |publish| Publish { retention, slow_mode_ms: 1_000, ..publish };
    let keyed = with(Publish { key: user_key("ada", "k"), ..message(&room, "ada", "one") });
    let target = replica.append(keyed).await;
    replica.append(with(message(&room, "bob", "two"))).await;
    replica.append(with(edit(&room, "ada", &target, "uno"))).await;
    replica.append(with(delete(&room, "ada", &target))).await;
    let kept = replica.append(with(message(&room, "eve", "three"))).await;
    replica.append(with(react(&room, "ada", &kept, "👍", ReactionOp::Add))).await;
    let ban = StandingChange::Ban { until_ms: visit.now_ms() + 5_000 };
    replica.broker.set_standing(&room, &user("mia"), ban).await.unwrap();
    let lives = visit.lives_ms();
    let life_of = |part: &str| lives.iter().find(|(name, _)| name.contains(&format!(":{part}:"))).unwrap().1;
    for part in ["log", "gone", "key", "pace", "standing"] {
        assert!((5_000..1_000_000).contains(&life_of(part)), "{part} of {lives:?}");
    }
    assert!(life_of("log") > 100_000 && life_of("gone") > 100_000);
    assert!(life_of("key") > i64::try_from(visit.dedupe_window_ms()).unwrap());
    for part in ["meta", "read", "about"] {
        assert!((HEAD_KEPT_MS..HEAD_KEPT_MS + 1_000_000).contains(&life_of(part)), "{part} of {lives:?}");
    }
    let for_ever = StandingChange::Mute { until_ms: u64::MAX };
    replica.broker.set_standing(&room, &user("mia"), for_ever).await.unwrap();
    let standing = visit.world.key("standing", &room);
    assert_eq!(visit.world.cli(&["PTTL", &standing]), "-1");
    for change in [StandingChange::Unban, StandingChange::Unmute] {
        replica.broker.set_standing(&room, &user("mia"), change).await.unwrap();
    }
    assert_eq!(visit.world.cli(&["EXISTS", &standing]), "0");
}

#[tokio::test]
async fn markers_and_terms_that_are_over_do_not_pile_up() {
    let visit = visit();
    let (replica, room) = (visit.replica().await, a_room());
    let retention = Retention { age_ms: 100_000, ..KEEP_ALL };
    let come = async |from: u64, until_ms: u64| {
        for number in from..from + 60 {
            let name = format!("user{number}");
            replica.append(Publish { retention, ..message(&room, &name, "hi") }).await;
            let ban = StandingChange::Ban { until_ms };
            replica.broker.set_standing(&room, &user(&format!("eve{number}")), ban).await.unwrap();
        }
    };
    come(0, visit.now_ms() + 1_000).await;
    visit.pass_ms(31 * 24 * 60 * 60 * 1_000).await;
    come(60, u64::MAX).await;
    for part in ["read", "standing"] {
        let known: u64 = visit.world.cli(&["HLEN", &visit.world.key(part, &room)]).parse().unwrap();
        assert!((60..100).contains(&known), "{known} of {part} are known");
    }
    // Those that count are all there.
    for number in 60..120 {
        let standing = replica.broker.standing(&room, &user(&format!("eve{number}"))).await.unwrap();
        assert!(standing.banned, "eve{number}");
        assert_eq!(replica.unread(&room, &format!("user{number}")).await.read_seq, number + 1);
    }
}
