use hubbub_testbed::RedisServer;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_and_not_heard_is_noticed_told_and_mended() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    let first = server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap();
    rig.publisher.loses.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let mut hearing = rig.bus.hearing();
    tokio::time::timeout(Duration::from_secs(10), hearing.wait_for(|hearing| !hearing)).await.unwrap().unwrap();
    println!("a deaf partition was told after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // First it is subscribed again, then over another connection.
    until("word of the gap", || rig.ear.missed() >= 1).await;
    let id = |list: &str| list.split(' ').next().unwrap().to_owned();
    until("another connection", || {
        server
            .cli(&["CLIENT", "LIST", "TYPE", "pubsub"])
            .is_ok_and(|list| list.contains("id=") && id(&list) != id(&first))
    })
    .await;
    rig.publisher.loses.store(false, Ordering::SeqCst);
    tokio::time::timeout(Duration::from_secs(10), hearing.wait_for(|hearing| *hearing)).await.unwrap().unwrap();
    rig.until_heard(&channel, "after").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_partitions_that_are_listened_to_are_probed() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    let probes = || {
        let channels = server.cli(&["PUBSUB", "SHARDCHANNELS"]).unwrap();
        channels.lines().filter(|channel| channel.contains(":probe:")).count()
    };
    let channels = [rig.room(1, "a"), rig.room(1, "b"), rig.room(2, "c")];
    for channel in &channels {
        rig.subscribe(channel).await;
    }
    until("a probe for each of two partitions", || probes() == 2).await;
    for channel in &channels {
        rig.bus.unsubscribe(channel);
    }
    until("the last probe to be gone", || probes() == 0).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_probe_at_a_time_speaks_for_all_partitions_of_one_server() {
    let server = RedisServer::start();
    let rig = Rig::new(&server.url());
    for partition in 0..=u8::MAX {
        rig.subscribe(&rig.room(partition, "a")).await;
    }
    let published = || {
        let stat = server.info("cmdstat_spublish").unwrap_or_default();
        stat.split(',').find_map(|field| field.strip_prefix("calls=")?.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = published();
    until("two probes", || published() >= before + 2).await;
    // Of 256 partitions: had each a probe of its own, so many came within a moment.
    assert!(published() <= before + 3, "{} probes", published() - before);
    assert!(*rig.bus.hearing().borrow());
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_heard_by_nobody_else() {
    let server = RedisServer::start();
    let (one, other) = (Rig::new(&server.url()), Rig::new(&server.url()));
    one.subscribe(&one.room(1, "a")).await;
    other.subscribe(&other.room(1, "a")).await;
    // Longer than a turn of the probes takes.
    let hearing = one.bus.hearing();
    sleep(Duration::from_secs(3)).await;
    assert!(*hearing.borrow());
    assert_eq!(one.ear.heard.lock().len() + other.ear.heard.lock().len(), 0);
    assert_eq!(one.ear.missed() + other.ear.missed(), 0);
    one.end().await;
    other.end().await;
}
