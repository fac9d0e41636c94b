use futures_util::future::join_all;
use hubbub_testbed::RedisServer;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_subscribed_hears_the_next_message() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    for number in 0..=u8::MAX {
        let channel = rig.room(number, "general");
        rig.bus.subscribe(&channel).await.unwrap();
        assert_eq!(rig.publish(&channel, "hello").await, 1);
    }
    until("all messages", || rig.ear.heard.lock().len() == 256).await;
    assert_eq!(rig.ear.missed(), 0);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_can_subscribe_at_once() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channels: Vec<_> = (0..4_000).map(|number| rig.room((number % 7) as u8, &format!("room-{number}"))).collect();
    let answers = join_all(channels.iter().map(|channel| rig.bus.subscribe(channel))).await;
    assert!(answers.iter().all(Result::is_ok));
    for channel in channels.iter().step_by(99) {
        assert_eq!(rig.publish(channel, "hello").await, 1, "{}", channel.name);
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_refused_and_the_others_are_not() {
    let server = RedisServer::start_with_user("ada", "pw", &["~*", "resetchannels", "&hb:*", "+@all"]);
    let rig = Rig::new(&server.url());
    let channel = |name: &str| Channel { partition: Partition::Room(1), name: name.to_owned() };
    for round in 0..20 {
        let channels: Vec<_> = (0..10)
            .map(|number| channel(&format!("{}:{round}:{number}", if number == 4 { "secret" } else { "hb" })))
            .collect();
        let answers = join_all(channels.iter().map(|channel| rig.bus.subscribe(channel))).await;
        for (channel, answer) in channels.iter().zip(answers) {
            if channel.name.starts_with("hb") {
                answer.unwrap();
                assert_eq!(rig.publish(channel, "hello").await, 1);
            } else {
                let Err(RedisError::Refused(text)) = answer else { panic!("{answer:?}") };
                assert!(text.contains("NOPERM"), "{text}");
            }
        }
    }
    assert_eq!(rig.ear.missed(), 0, "the connection was never lost");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_word_counts_when_a_channel_is_left_and_wanted_in_turn() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let (ours, kept) = (rig.room(3, "turns"), rig.room(3, "kept"));
    rig.bus.subscribe(&kept).await.unwrap();
    for _ in 0..300 {
        rig.bus.subscribe(&ours).await.unwrap();
        rig.bus.unsubscribe(&ours);
    }
    rig.bus.subscribe(&ours).await.unwrap();
    assert_eq!(rig.publish(&ours, "still here").await, 1);
    rig.bus.unsubscribe(&ours);
    let listeners = || server.cli(&["PUBSUB", "SHARDNUMSUB", &ours.name]).unwrap();
    until("the channel to be left", || listeners().ends_with('0')).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gave_up_waiting_leaves_nothing_behind() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let kept = rig.room(3, "kept");
    rig.subscribe(&kept).await;
    server.pause();
    let (late, dropped) = (rig.room(3, "late"), rig.room(4, "dropped"));
    assert!(rig.bus.subscribe(&dropped).now_or_never().is_none());
    assert_eq!(rig.bus.subscribe(&late).await, Err(RedisError::Unavailable));
    server.resume();
    rig.until_heard(&kept, "back").await;
    let channels = || server.cli(&["PUBSUB", "SHARDCHANNELS"]).unwrap();
    until("only what is wanted to be subscribed", || {
        let channels = channels();
        channels.lines().count() == 2 && channels.contains(&kept.name) && channels.contains(":probe:")
    })
    .await;
    rig.end().await;
}
