use hubbub_testbed::{Cluster, RedisServer};

use super::*;

/// All that the subscription, its probes and the search for the masters need.
const RULES: [&str; 9] =
    ["resetchannels", "&hb:*", "&hb/*", "+ping", "+ssubscribe", "+sunsubscribe", "+spublish", "+select", "~hb:*"];
const IN_A_CLUSTER: [&str; 2] = ["+cluster|info", "+cluster|slots"];

#[tokio::test(flavor = "multi_thread")]
async fn a_user_needs_no_more_rights_than_the_manual_says() {
    let server = RedisServer::start_with_user("hubbub", "pw", &RULES);
    for database in ["", "/3"] {
        let rig = Rig::new(&format!("{}{database}", server.url()));
        let channel = rig.room(1, "general");
        rig.bus.subscribe(&channel).await.unwrap();
        assert!(channel.name.starts_with(if database.is_empty() { "hb:" } else { "hb/3:" }));
        rig.until_heard(&channel, "hello").await;
        assert!(rig.publisher.finder.trouble().borrow().is_none());
        rig.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_a_cluster_needs_to_ask_where_the_slots_are() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 0));
    for number in 0..cluster.len() {
        let user = ["ACL", "SETUSER", "hubbub", "on", ">pw"];
        let rules = [&user[..], &RULES, &IN_A_CLUSTER].concat();
        cluster.node(number).cli(&rules).unwrap();
    }
    let rig = Rig::new(&cluster.url().replace("://", "://hubbub:pw@"));
    let channel = rig.room(1, "general");
    rig.subscribe(&channel).await;
    rig.until_heard(&channel, "hello").await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_works_over_tls_without_a_crypto_provider_of_the_process() {
    let server = RedisServer::start_with_tls(&[]);
    let tls = Tls::new(server.ca_file().as_deref()).unwrap();
    let rig = Rig::with_tls(&server.url(), Some(tls));
    let channel = rig.room(1, "general");
    rig.bus.subscribe(&channel).await.unwrap();
    rig.until_heard(&channel, &"hello ".repeat(50_000)).await;
    rig.end().await;
}
