//! One Redis that loses connections, memory or its life under traffic.

use std::time::Duration;

use hubbub::config::Config;
use hubbub_testbed::{Proxy, RedisServer};
use serde_json::json;
use tokio::time::sleep;

use crate::replicas::{Replicas, is};
use crate::traffic::Traffic;

const ROOMS: [&str; 4] = ["general", "ops", "random", "lunch"];

/// Two gateways on this server, and clients that speak and listen on both.
async fn traffic_on(server: &RedisServer) -> (Replicas, Traffic) {
    let replicas = Replicas::on(&server.url(), 2).await;
    let traffic = Traffic::start(&replicas.addresses(), &ROOMS).await;
    (replicas, traffic)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_redis_are_one() {
    let server = RedisServer::start();
    let (_replicas, mut traffic) = traffic_on(&server).await;
    traffic.flows().await;
    let settled = traffic.settle().await;
    settled.nothing_was_lost();
    assert!(ROOMS.iter().all(|room| settled.ledger.unavailable_in(room) == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_cut_again_and_again_loses_nothing() {
    let server = RedisServer::start();
    let (replicas, mut traffic) = traffic_on(&server).await;
    for _ in 0..5 {
        let killed = server.call(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap().number().unwrap();
        assert!(killed > 0, "nobody listens to the bus");
        traffic.flows().await;
    }
    replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_connections_to_redis_may_break_at_once() {
    let server = RedisServer::start();
    let (replicas, mut traffic) = traffic_on(&server).await;
    for _ in 0..5 {
        for kind in ["pubsub", "normal"] {
            server.cli(&["CLIENT", "KILL", "TYPE", kind]).unwrap();
        }
        traffic.flows().await;
    }
    replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_comes_back_with_its_data_loses_nothing() {
    let server = RedisServer::start_with(&["--appendonly", "yes"]);
    let (replicas, mut traffic) = traffic_on(&server).await;
    server.kill();
    traffic.everybody_is_told("degraded").await;
    replicas.are("degraded").await;
    server.restart();
    traffic.everybody_is_told("restored").await;
    replicas.are("ready").await;
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_resets_every_room() {
    let server = RedisServer::start();
    let (replicas, mut traffic) = traffic_on(&server).await;
    server.kill();
    traffic.everybody_is_told("degraded").await;
    server.restart_empty();
    traffic.everybody_is_told("restored").await;
    replicas.are("ready").await;
    traffic.flows().await;
    assert!(traffic.settle().await.every_loss_was_told().await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_before_anybody_notices_resets_every_room() {
    let server = RedisServer::start();
    let (_replicas, mut traffic) = traffic_on(&server).await;
    server.restart_empty();
    traffic.flows().await;
    assert!(traffic.settle().await.every_loss_was_told().await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_set_that_is_flushed_resets_every_room() {
    let server = RedisServer::start();
    let (_replicas, mut traffic) = traffic_on(&server).await;
    server.cli(&["FLUSHALL"]).unwrap();
    traffic.flows().await;
    assert!(traffic.settle().await.every_loss_was_told().await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stalls_shorter_than_a_deadline_is_waited_for() {
    let server = RedisServer::start();
    let (replicas, mut traffic) = traffic_on(&server).await;
    server.pause();
    // The stall itself is what is tested.
    sleep(Duration::from_millis(Config::default().broker.deadline_ms / 3)).await;
    server.resume();
    traffic.flows().await;
    let settled = traffic.settle().await;
    settled.nothing_was_lost();
    assert!(ROOMS.iter().all(|room| settled.ledger.unavailable_in(room) == 0), "a short stall was told as an outage");
    replicas.are("ready").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_freezes_longer_than_the_deadlines_is_told_and_loses_nothing() {
    let server = RedisServer::start();
    let (replicas, mut traffic) = traffic_on(&server).await;
    server.pause();
    traffic.everybody_is_told("degraded").await;
    replicas.are("degraded").await;
    assert!(
        ROOMS.iter().any(|room| traffic.ledger().unavailable_in(room) > 0),
        "nobody was told that a send is in doubt"
    );
    server.resume();
    traffic.everybody_is_told("restored").await;
    replicas.are("ready").await;
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_redis_cuts_off_for_its_full_output_buffer_catches_up() {
    let server = RedisServer::start();
    let (replicas, mut traffic) = traffic_on(&server).await;
    let listeners = || server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]).unwrap();
    let before = listeners();
    // From here on every envelope that is larger than Redis's fixed buffer ends the connection that it should go to.
    server.cli(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1 0 0"]).unwrap();
    let mut client = replicas.get(0).user("bob").await;
    for number in 0..10 {
        let key = format!("large-{number}");
        let data = json!({"key": key, "text": "x".repeat(20_000)});
        let sent = client.ask(json!({"type": "send", "room": ROOMS[0], "key": key, "data": data})).await;
        assert_eq!(sent["type"], "sent", "{sent}");
    }
    let same = listeners().lines().filter(|line| before.contains(line.split(' ').next().unwrap())).count();
    assert_eq!(same, 0, "the bus was not cut");
    server.cli(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60"]).unwrap();
    traffic.flows().await;
    replicas.are("ready").await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_redis_forgets_are_given_to_it_again() {
    let server = RedisServer::start();
    let (_replicas, mut traffic) = traffic_on(&server).await;
    for _ in 0..3 {
        server.cli(&["SCRIPT", "FLUSH"]).unwrap();
        traffic.flows().await;
    }
    let settled = traffic.settle().await;
    settled.nothing_was_lost();
    assert!(
        ROOMS.iter().all(|room| settled.ledger.unavailable_in(room) == 0),
        "a forgotten script was told as an outage"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_hears_nothing_although_redis_answers_says_so_and_catches_up() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server);
    let replicas = Replicas::on_each(&[&server.url(), &proxy.url()]).await;
    let [well, deaf] = replicas.addresses()[..] else { panic!("two gateways") };
    let mut traffic = Traffic::start(&[well, deaf], &ROOMS).await;
    proxy.mute_subscriptions();
    is(deaf, "deaf").await;
    traffic.everybody_at_is_told(1, "degraded").await;
    is(well, "ready").await;
    proxy.unmute_subscriptions();
    traffic.everybody_at_is_told(1, "restored").await;
    is(deaf, "ready").await;
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_is_lost_without_a_word_is_missed() {
    let server = RedisServer::start();
    let proxy = Proxy::to(&server);
    let quick = |config: &mut Config| config.hub.head_check_ms = 500;
    let replicas = Replicas::starting(&[&server.url(), &proxy.url()], quick).await;
    replicas.are("ready").await;
    let mut ada = replicas.get(0).user("ada").await;
    let (mut bob, _) = replicas.get(1).member("bob", "general").await;
    ada.says("general", "first").await;
    bob.expect("message").await;
    proxy.lose("second");
    let sent = ada.says("general", "second").await;
    assert_eq!(bob.expect("message").await["pos"], sent["pos"]);
    assert_ne!(proxy.losses(), 0);
}
