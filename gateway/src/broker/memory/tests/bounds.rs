//! What the embedded store forgets, and what it refuses to forget.

use super::*;
use crate::broker::conformance::{ALL, KEEP_ALL, a_room, author, message, publish, seqs, signal, text, user, user_key};
use crate::broker::memory::log::{Draft, Log};
use crate::broker::memory::room::HEAD_KEPT_MS;
use crate::broker::{Authority, Body, Published, Retention, StandingChange};
use crate::random;

/// Sweeps all rooms, whose tables take turns.
fn sweep_all(replica: &Replica<MemoryBroker>) {
    for _ in 0..store::TABLES {
        replica.broker.sweep();
    }
}

fn by_nobody(room: &RoomName, said: &str) -> Publish {
    Publish { from: None, authority: Authority::Server, ..message(room, "ada", said) }
}

/// A message that is gone after the shortest time that anything is kept.
fn passing(room: &RoomName) -> Publish {
    Publish { retention: Retention { age_ms: 0, ..KEEP_ALL }, ..by_nobody(room, "hi") }
}

#[tokio::test(start_paused = true)]
async fn looking_at_rooms_leaves_nothing_behind() {
    let process = process();
    let (replica, room) = (process.attach(), a_room());
    replica.head(&room).await;
    replica.kept(&room).await;
    replica.unread(&room, "ada").await;
    replica.broker.mark_read(&room, &user("ada"), &Position::start(), None).await.unwrap();
    replica.refusal(Publish { refuse_after_ms: Some(1), ..message(&room, "ada", "hi") }).await;
    replica.broker.set_standing(&room, &user("ada"), StandingChange::Unban).await.unwrap();
    assert_eq!((process.store.bytes(), process.store.rooms()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn everything_ends_and_gives_its_bytes_back() {
    let process = process();
    let (replica, room) = (process.attach(), a_room());
    let first = replica.append(Publish { key: user_key("ada", "k"), ..message(&room, "ada", "hi") }).await;
    replica.append(Publish { slow_mode_ms: 1_000, ..message(&room, "bob", "hi") }).await;
    replica.broker.mark_read(&room, &user("eve"), &first, None).await.unwrap();
    let until_ms = process.clock.now_ms() + 1_000;
    replica.broker.set_standing(&room, &user("eve"), StandingChange::Mute { until_ms }).await.unwrap();
    let bytes = process.store.bytes();
    sweep_all(&replica);
    assert_eq!(process.store.bytes(), bytes, "nothing is over yet");

    process.pass_ms(KEEP_ALL.age_ms + HEAD_KEPT_MS).await;
    sweep_all(&replica);
    assert_eq!((process.store.bytes(), process.store.rooms()), (0, 0));
    let next = replica.append(message(&room, "ada", "hi")).await;
    assert_eq!(next.seq, 1);
    assert_ne!(next.epoch, first.epoch);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_empty_log_is_remembered_for_a_month_and_while_somebody_is_there() {
    let process = process();
    let (replica, quiet, live) = (process.attach(), a_room(), a_room());
    replica.broker.subscribe(&live).await.unwrap();
    for room in [&quiet, &live] {
        replica.append(passing(room)).await;
    }
    process.pass_ms(HEAD_KEPT_MS - 1).await;
    sweep_all(&replica);
    assert_eq!((replica.head(&quiet).await.pos.seq, replica.kept(&quiet).await.len()), (1, 0));
    process.pass_ms(1).await;
    sweep_all(&replica);
    assert_eq!((replica.head(&quiet).await.pos.seq, replica.head(&live).await.pos.seq), (0, 1));
    replica.broker.unsubscribe(&live).await;
    sweep_all(&replica);
    assert_eq!((replica.head(&live).await.pos.seq, process.store.rooms()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_ban_outlives_the_log_of_its_room() {
    let process = process();
    let (replica, room) = (process.attach(), a_room());
    replica.append(passing(&room)).await;
    replica.broker.set_standing(&room, &user("eve"), StandingChange::Ban { until_ms: u64::MAX }).await.unwrap();
    process.pass_ms(2 * HEAD_KEPT_MS).await;
    sweep_all(&replica);
    assert_eq!(replica.head(&room).await.pos.seq, 0);
    assert!(replica.broker.standing(&room, &user("eve")).await.unwrap().banned);
}

#[tokio::test(start_paused = true)]
async fn a_marker_is_forgotten_only_where_nobody_can_tell() {
    let process = process();
    let (replica, room) = (process.attach(), a_room());
    let retention = Retention { age_ms: 2 * HEAD_KEPT_MS, ..KEEP_ALL };
    let pos = replica.append(Publish { retention, ..by_nobody(&room, "hi") }).await;
    replica.broker.mark_read(&room, &user("eve"), &pos, None).await.unwrap();
    process.pass_ms(HEAD_KEPT_MS + 1).await;
    sweep_all(&replica);
    assert_eq!(replica.unread(&room, "eve").await.unread, 0, "its entry is still there");
    process.pass_ms(HEAD_KEPT_MS).await;
    replica.append(by_nobody(&room, "ho")).await;
    assert_eq!(replica.unread(&room, "eve").await.unread, 1);
    let bytes = process.store.bytes();
    sweep_all(&replica);
    assert!(process.store.bytes() < bytes);
    assert_eq!(replica.unread(&room, "eve").await.unread, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_shortens_the_busy_room_and_leaves_the_quiet_one_alone() {
    const BYTES_MAX: u64 = 200_000;
    let process = Process::new(BYTES_MAX, MemoryBus::new());
    let (replica, quiet, busy) = (process.attach(), a_room(), a_room());
    for _ in 0..20 {
        replica.append(by_nobody(&quiet, "quiet")).await;
    }
    for number in 0..5_000 {
        replica.append(by_nobody(&busy, "busy")).await;
        assert!(process.store.bytes() <= BYTES_MAX, "after {number}");
    }
    assert_eq!(replica.kept(&quiet).await.len(), 20);
    let (head, kept) = (replica.head(&busy).await, replica.kept(&busy).await);
    assert_eq!(head.pos.seq, 5_000);
    assert_eq!(seqs(&kept), (head.first_seq..=5_000).collect::<Vec<_>>());
    assert!(process.store.bytes() > BYTES_MAX / 4 * 3, "no more goes than has to");
    // To a reader it is retention like any other.
    assert!(replica.page(&busy, Range::After(Position::start()), ALL).await.gap);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_gives_up_the_ends_of_empty_logs_before_any_entry() {
    let process = Process::new(150_000, MemoryBus::new());
    let (replica, live) = (process.attach(), a_room());
    let rooms: Vec<_> = (0..90).map(|_| a_room()).collect();
    replica.broker.subscribe(&rooms[0]).await.unwrap();
    for room in &rooms {
        replica.append(passing(room)).await;
    }
    process.pass_ms(60_000).await;
    for _ in 0..250 {
        replica.append(by_nobody(&live, "hi")).await;
    }
    assert_eq!(replica.kept(&live).await.len(), 250);
    let heads: Vec<_> = replica.broker.heads(&rooms).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(heads[0].pos.seq, 1, "somebody is in that room");
    assert!(heads[1..].iter().all(|head| head.pos.is_start()));
}

#[tokio::test(start_paused = true)]
async fn a_full_store_says_so_rather_than_forget_a_key_or_a_ban() {
    let process = Process::new(50_000, MemoryBus::new());
    let (replica, room) = (process.attach(), a_room());
    let keyed = |number: usize| Publish { key: user_key("ada", &format!("k{number}")), ..message(&room, "ada", "hi") };
    replica.broker.set_standing(&room, &user("eve"), StandingChange::Ban { until_ms: u64::MAX }).await.unwrap();
    let mut accepted = 0;
    while let Ok(published) = replica.broker.publish(keyed(accepted)).await {
        assert!(matches!(published, Published::Appended { .. }));
        accepted += 1;
    }
    assert!(accepted > 100);
    for number in 0..accepted {
        assert!(matches!(replica.publish(keyed(number)).await, Published::Duplicate { .. }), "key {number}");
    }
    let mut muted = 0;
    let mute = StandingChange::Mute { until_ms: u64::MAX };
    while replica.broker.set_standing(&room, &user(&format!("user{muted}")), mute).await.is_ok() {
        muted += 1;
    }
    assert!(process.store.bytes() <= 50_000);
    for number in 0..muted {
        assert!(replica.broker.standing(&room, &user(&format!("user{number}"))).await.unwrap().muted);
    }
    assert!(replica.broker.standing(&room, &user("eve")).await.unwrap().banned);
    // What makes the store smaller is never refused, and neither is what needs no place.
    replica.broker.set_standing(&room, &user("eve"), StandingChange::Unban).await.unwrap();
    replica.broker.emit(signal(&room, "1")).await.unwrap();
    // When the keys' time is over there is place again.
    process.pass_ms(process.dedupe_window_ms()).await;
    replica.append(keyed(accepted)).await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_larger_than_the_store_costs_nobody_anything() {
    let process = Process::new(50_000, MemoryBus::new());
    let (replica, room) = (process.attach(), a_room());
    replica.append_messages(&room, 20).await;
    let body = Body::Message { data: text(&"x".repeat(60_000)) };
    assert!(matches!(replica.broker.publish(publish(&room, "ada", body)).await, Err(BrokerError::Full)));
    assert_eq!(replica.kept(&room).await.len(), 20);
}

#[test]
fn times_never_go_back_within_a_log_though_a_clock_may() {
    let mut log = Log::new(random::tag(), KEEP_ALL);
    let mut append = |now_ms| {
        let draft = Draft {
            from: Some(author("ada")),
            key: None,
            body: Body::Message { data: text("hi") },
            tag: random::tag(),
        };
        log.append(draft, KEEP_ALL, now_ms).time_ms
    };
    assert_eq!([append(2_000), append(1_000), append(2_001)], [2_000, 2_000, 2_001]);
}
