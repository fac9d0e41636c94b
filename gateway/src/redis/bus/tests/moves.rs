use hubbub_testbed::{Cluster, Sentinel};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_under_traffic_goes_on_being_heard() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 0));
    let rig = Rig::new(&cluster.url());
    let (moved, stays) = (rig.room(40, "moved"), rig.room(41, "stays"));
    rig.subscribe(&moved).await;
    rig.subscribe(&stays).await;
    let (publisher, to, stop) = (rig.publisher.clone(), moved.clone(), rig.stop.clone());
    rig.tasks.spawn(async move {
        for number in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let _ = publisher.publish(&to, format!("{number}").as_bytes()).await;
            sleep(Duration::from_millis(1)).await;
        }
    });
    until("traffic", || rig.ear.heard.lock().len() > 50).await;
    let slot = moved.partition.slot();
    for _ in 0..3 {
        let (missed, from) = (rig.ear.missed(), cluster.master_of_slot(slot));
        tokio::task::block_in_place(|| cluster.migrate_slot(slot, (from + 1) % 3));
        let took = rig.until_heard(&moved, &format!("moved away from {from}")).await;
        println!("a moved slot was heard again after {took:?}");
        assert!(took < Duration::from_secs(3), "{took:?}");
        until("word of the gap", || rig.ear.missed() > missed).await;
    }
    assert_eq!(rig.publish(&stays, "here").await, 1);
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_finds_a_slot_that_has_just_moved() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 0));
    let rig = Rig::new(&cluster.url());
    rig.subscribe(&rig.room(0, "general")).await;
    let slot = Partition::Room(40).slot();
    let from = cluster.master_of_slot(slot);
    tokio::task::block_in_place(|| cluster.migrate_slot(slot, (from + 1) % 3));
    rig.bus.subscribe(&rig.room(40, "general")).await.unwrap();
    rig.until_heard(&rig.room(40, "general"), "hello").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_heard_again_when_the_only_seed_is_killed() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 1));
    let seed = (0..=u8::MAX).find(|&number| cluster.master_of_slot(Partition::Room(number).slot()) == 0).unwrap();
    let rig = Rig::new(&format!("redis-cluster://127.0.0.1:{}", cluster.node(0).port()));
    let (lost, other) = (rig.room(seed, "general"), rig.room(255, "general"));
    rig.subscribe(&lost).await;
    rig.subscribe(&other).await;
    cluster.kill_master(lost.partition.slot());
    assert_eq!(rig.publish(&other, "meanwhile").await, 1, "the others are not held up");
    let took = rig.until_heard(&lost, "after").await;
    println!("Cluster: heard again {took:?} after a master and only seed was killed");
    until("word of the gap", || rig.ear.missed() >= 1).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_stands_still_is_left_within_seconds() {
    let sentinel = tokio::task::block_in_place(Sentinel::start);
    let rig = Rig::new(&sentinel.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    let frozen = sentinel.master();
    frozen.pause();
    let took = rig.until_heard(&channel, "after").await;
    println!("Sentinel: heard again {took:?} after the master was frozen");
    assert!(took < Duration::from_secs(8), "{took:?}");
    until("word of the gap", || rig.ear.missed() >= 1).await;
    rig.end().await;
    frozen.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_failover_is_followed() {
    let sentinel = tokio::task::block_in_place(Sentinel::start);
    let rig = Rig::new(&sentinel.url());
    let channel = rig.room(9, "general");
    rig.subscribe(&channel).await;
    let new = tokio::task::block_in_place(|| sentinel.fail_over());
    let took = until("the new master to be listened to", || {
        new.cli(&["PUBSUB", "SHARDNUMSUB", &channel.name]).is_ok_and(|listeners| listeners.ends_with('1'))
    })
    .await;
    println!("Sentinel: the new master was listened to {took:?} after the old one was relieved");
    rig.until_heard(&channel, "after").await;
    until("word of the gap", || rig.ear.missed() >= 1).await;
    rig.end().await;
}
