use futures_util::future::join_all;
use hubbub_testbed::RedisServer;

use super::*;

fn kill_subscribers(server: &RedisServer) {
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again_and_told_as_a_gap() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    kill_subscribers(&server);
    let took = until("word of the gap", || rig.ear.missed() == 1).await;
    println!("a killed connection was heard through again after {took:?}");
    assert_eq!(rig.publish(&channel, "after").await, 1, "who is told of the gap hears what follows");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_channels_are_heard_again_within_seconds() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channels: Vec<_> = (0..50_000).map(|number| rig.room(number as u8, &format!("room-{number}"))).collect();
    let began = Instant::now();
    for channels in channels.chunks(5_000) {
        let answers = join_all(channels.iter().map(|channel| rig.bus.subscribe(channel))).await;
        assert!(answers.iter().all(Result::is_ok));
    }
    println!("50,000 channels were subscribed in {:?}", began.elapsed());
    kill_subscribers(&server);
    let took = until("word of the gap", || rig.ear.missed() >= 1).await;
    println!("50,000 channels were heard again after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    for channel in channels.iter().step_by(997) {
        rig.until_heard(channel, "after").await;
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_channel_that_is_refused_after_a_reconnect_keeps_a_thousand_others_from_nothing() {
    let rules = ["~*", "resetchannels", "&hb:*", "&odd:*", "+@all"];
    let server = RedisServer::start_with_user("ada", "pw", &rules);
    let rig = Rig::new(&server.url());
    let channels: Vec<_> = (0..1_000).map(|number| rig.room(number as u8 % 3, &format!("room-{number}"))).collect();
    let odd = Channel { partition: Partition::Room(1), name: "odd:one".to_owned() };
    rig.subscribe(&odd).await;
    let answers = join_all(channels.iter().map(|channel| rig.bus.subscribe(channel))).await;
    assert!(answers.iter().all(Result::is_ok));
    // This ends the connections that hear what is forbidden now.
    server.cli(&["ACL", "SETUSER", "ada", "resetchannels", "&hb:*"]).unwrap();
    until("word of the gap", || rig.ear.missed() >= 1).await;
    for channel in &channels {
        assert_eq!(rig.publish(channel, "after").await, 1, "{}", channel.name);
    }
    server.cli(&["ACL", "SETUSER", "ada", "&odd:*"]).unwrap();
    rig.until_heard(&odd, "allowed again").await;
    until("word of the odd one's gap", || rig.ear.missed() >= 2).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_too_slowly_is_cut_off_by_redis_and_told_of_the_gap() {
    let server = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let rig = Rig::new(&server.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    *rig.ear.busy.lock() = Duration::from_millis(100);
    let payload = "x".repeat(100_000);
    until("redis to cut the connection", || {
        server.cli(&["SPUBLISH", &channel.name, &payload]).unwrap();
        server.info("client_output_buffer_limit_disconnections").is_some_and(|count| count != "0")
            || server.cli(&["PUBSUB", "SHARDNUMSUB", &channel.name]).unwrap().ends_with('0')
    })
    .await;
    *rig.ear.busy.lock() = Duration::ZERO;
    until("word of the gap", || rig.ear.missed() >= 1).await;
    rig.until_heard(&channel, "after").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_noticed_although_messages_are_being_published() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    let mut hearing = rig.bus.hearing();
    assert!(*hearing.borrow());
    let publisher = rig.publisher.clone();
    let (to, stop) = (channel.clone(), rig.stop.clone());
    rig.tasks.spawn(async move {
        while !stop.is_cancelled() {
            let _ = publisher.publish(&to, b"in vain").await;
            sleep(Duration::from_millis(5)).await;
        }
    });
    rig.until_heard(&channel, "before").await;
    server.pause();
    let began = Instant::now();
    tokio::time::timeout(Duration::from_secs(8), hearing.wait_for(|hearing| !hearing)).await.unwrap().unwrap();
    println!("a frozen server was noticed after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    server.resume();
    let began = Instant::now();
    tokio::time::timeout(Duration::from_secs(8), hearing.wait_for(|hearing| *hearing)).await.unwrap().unwrap();
    println!("a server that goes on was heard again after {:?}", began.elapsed());
    until("word of the gap", || rig.ear.missed() >= 1).await;
    rig.until_heard(&channel, "after").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_restarted_is_found_again() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    server.kill();
    let mut hearing = rig.bus.hearing();
    tokio::time::timeout(Duration::from_secs(8), hearing.wait_for(|hearing| !hearing)).await.unwrap().unwrap();
    tokio::task::block_in_place(|| server.restart());
    let took = until("word of the gap", || rig.ear.missed() >= 1).await;
    println!("a restarted server was heard again after {took:?}");
    assert_eq!(rig.publish(&channel, "after").await, 1);
    rig.end().await;
}
