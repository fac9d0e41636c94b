//! A server that forgets scripts, has no memory left, or does not answer.

use super::*;
use crate::broker::conformance::{a_room, message, seqs, user, user_key};
use crate::broker::{BrokerError, Unread};

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_them_again() {
    let visit = visit();
    let (mut replica, room) = (visit.replica().await, a_room());
    replica.broker.subscribe(&room).await.unwrap();
    for number in 1..=3 {
        replica.append(message(&room, "ada", "hi")).await;
        visit.world.cli(&["SCRIPT", "FLUSH"]);
        assert_eq!(replica.head(&room).await.pos.seq, number);
        assert_eq!(replica.kept(&room).await.len() as u64, number);
        visit.world.cli(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(seqs(&replica.heard_entries(&room).await), [1, 2, 3]);
}

#[tokio::test]
async fn a_server_without_memory_refuses_what_is_new_and_shows_what_is_there() {
    let visit = visit();
    let (mut replica, room) = (visit.replica().await, a_room());
    replica.broker.subscribe(&room).await.unwrap();
    let positions = replica.append_messages(&room, 3).await;
    visit.world.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let keyed = || Publish { key: user_key("ada", "k"), ..message(&room, "ada", "hi") };
    let full = replica.broker.publish(keyed()).await;
    assert!(matches!(full, Err(BrokerError::Full)), "{full:?}");
    let full = replica.broker.mark_read(&room, &user("bob"), &positions[0], None).await;
    assert!(matches!(full, Err(BrokerError::Full)), "{full:?}");
    // Reading goes on, and so does what it has to tidy up.
    assert_eq!(seqs(&replica.kept(&room).await), [1, 2, 3]);
    assert_eq!(replica.head(&room).await.pos, positions[2]);
    assert_eq!(replica.unread(&room, "bob").await, Unread { read_seq: 0, head_seq: 3, unread: 3 });
    visit.pass_ms(crate::broker::conformance::KEEP_ALL.age_ms + 1).await;
    assert!(replica.kept(&room).await.is_empty());
    assert_eq!(replica.head(&room).await.first_seq, 4);
    // Who must be silenced is.
    let mute = StandingChange::Mute { until_ms: u64::MAX };
    replica.broker.set_standing(&room, &user("eve"), mute).await.unwrap();
    assert!(replica.broker.standing(&room, &user("eve")).await.unwrap().muted);

    visit.world.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(replica.append(keyed()).await.seq, 4);
    // Nothing of what was refused has happened.
    assert_eq!(seqs(&replica.heard_entries(&room).await), [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_stands_in_the_log_counts_though_the_bus_is_forbidden() {
    let server = RedisServer::start_with_user("mute", "word", &["~hb:*", "resetchannels", "+@all"]);
    let visit = World::on(server, 1, DEADLINE).visit();
    let (replica, one, two) = (visit.replica().await, a_room(), a_room());
    let publishes = [&one, &two, &one].map(|room| replica.append(message(room, "ada", "hi")));
    let positions = futures_util::future::join_all(publishes).await;
    assert_eq!(positions.iter().map(|pos| pos.seq).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(seqs(&replica.kept(&one).await), [1, 2]);
    assert_eq!(seqs(&replica.kept(&two).await), [1]);
}

#[tokio::test]
async fn a_call_that_was_not_answered_in_time_can_be_made_again_with_its_key() {
    let world = World::on(RedisServer::start(), 1, Duration::from_millis(300));
    let visit = world.visit();
    let (replica, room) = (visit.replica().await, a_room());
    replica.append(message(&room, "ada", "before")).await;
    for key in ["one", "two"] {
        let keyed = || Publish { key: user_key("ada", key), ..message(&room, "ada", key) };
        world.server.pause();
        let start = std::time::Instant::now();
        let unanswered = replica.broker.publish(keyed()).await;
        assert!(matches!(unanswered, Err(BrokerError::Unavailable)), "{unanswered:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "the deadline is kept");
        let heads = replica.broker.heads(std::slice::from_ref(&room)).await;
        assert!(matches!(heads[..], [Err(BrokerError::Unavailable)]), "{heads:?}");
        let start = std::time::Instant::now();
        let unheard = replica.broker.subscribe(&a_room()).await;
        assert!(matches!(unheard, Err(BrokerError::Unavailable)), "{unheard:?}");
        assert!(start.elapsed() < Duration::from_secs(1), "a subscription keeps the deadline too");
        world.server.resume();
        let published = until_answered(&replica, keyed).await;
        assert!(matches!(published, Published::Appended { .. } | Published::Duplicate { .. }), "{published:?}");
    }
    let kept = replica.kept(&room).await;
    let keys: Vec<_> = kept.iter().filter_map(|entry| entry.key.as_deref()).collect();
    assert_eq!(keys, ["one", "two"]);
}

/// Publishes as a client does, until there is an answer.
async fn until_answered(replica: &Attached, publish: impl Fn() -> Publish) -> Published {
    loop {
        match replica.broker.publish(publish()).await {
            Ok(published) => return published,
            Err(BrokerError::Unavailable) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
