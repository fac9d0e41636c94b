//! A Redis that answers, and says no.

use hubbub_testbed::RedisServer;
use serde_json::json;

use crate::client::Client;
use crate::harness::token;
use crate::replicas::Replicas;
use crate::traffic::Traffic;

const ROOMS: [&str; 2] = ["general", "ops"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_memory_takes_nothing_and_shows_everything() {
    let server = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]);
    let replicas = Replicas::on(&server.url(), 2).await;
    let mut traffic = Traffic::start(&replicas.addresses(), &ROOMS).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let mut client = replicas.get(0).user("bob").await;
    let refused = client
        .refused(json!({"type": "send", "room": "general", "key": "k", "data": {"key": "k"}}), "unavailable")
        .await;
    assert!(refused["retry_after_ms"].as_u64().is_some(), "{refused}");
    let history = client.ask(json!({"type": "history", "room": "general", "limit": 10})).await;
    assert_eq!(history["entries"].as_array().unwrap().len(), 10, "{history}");
    let joined = client.joins("general").await;
    assert!(joined["seq"].as_u64().unwrap() > 0, "{joined}");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    traffic.flows().await;
    replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_became_read_only_takes_nothing_until_it_is_a_master_again() {
    let server = RedisServer::start();
    let other = RedisServer::start();
    let replicas = Replicas::on(&server.url(), 2).await;
    let mut traffic = Traffic::start(&replicas.addresses(), &ROOMS).await;
    other.kill();
    server.cli(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]).unwrap();
    let mut client = replicas.get(0).user("bob").await;
    client.refused(json!({"type": "send", "room": "general", "key": "k", "data": {"key": "k"}}), "unavailable").await;
    server.cli(&["REPLICAOF", "NO", "ONE"]).unwrap();
    traffic.flows().await;
    replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_a_wrong_password_waits_until_it_is_right() {
    let server = RedisServer::start_with_password("right");
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let replicas = Replicas::starting(&[&url], |_| {}).await;
    replicas.are("starting").await;
    let mut client = Client::connect(replicas.addresses()[0], &[]).await.unwrap();
    client.send(json!({"type": "hello", "id": 1, "token": token("ada")})).await;
    client.closed(4007, "unavailable").await;
    server.cli(&["CONFIG", "SET", "requirepass", "wrong"]).unwrap();
    replicas.are("ready").await;
    let (mut client, _) = replicas.get(0).member("ada", "general").await;
    client.says("general", "hello").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_changed_under_traffic_is_an_outage_until_it_is_changed_back() {
    let server = RedisServer::start_with_password("old");
    let replicas = Replicas::on(&server.url(), 2).await;
    let mut traffic = Traffic::start(&replicas.addresses(), &ROOMS).await;
    server.cli(&["CONFIG", "SET", "requirepass", "new"]).unwrap();
    let with_the_new = |command: &[&str]| server.cli_with_password("new", command).unwrap();
    for kind in ["pubsub", "normal"] {
        with_the_new(&["CLIENT", "KILL", "TYPE", kind]);
    }
    traffic.everybody_is_told("degraded").await;
    replicas.are("degraded").await;
    with_the_new(&["CONFIG", "SET", "requirepass", "old"]);
    traffic.everybody_is_told("restored").await;
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_do_only_what_hubbub_needs_is_enough() {
    let rules = ["~hb:*", "&hb:*", "+@all", "-@dangerous", "-@admin"];
    let server = RedisServer::start_with_user("hubbub", "s3cret", &rules);
    let replicas = Replicas::on(&server.url(), 2).await;
    let mut traffic = Traffic::start(&replicas.addresses(), &ROOMS).await;
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_with_a_server_whose_authority_is_known() {
    let server = RedisServer::start_with_tls(&[]);
    let ca_file = server.ca_file();
    let known = Replicas::with(&server.url(), 2, |config| config.redis.ca_file = ca_file.clone()).await;
    let mut traffic = Traffic::start(&known.addresses(), &ROOMS).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();

    let unknown = Replicas::starting(&[&server.url()], |_| {}).await;
    unknown.are("starting").await;
}
