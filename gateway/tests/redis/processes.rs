//! Gateways in processes of their own, that die and freeze.

use std::net::SocketAddr;
use std::time::Duration;

use hubbub_testbed::{Process, RedisServer};
use serde_json::{Value, json};
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::client::Client;
use crate::harness::token;
use crate::replicas::is;
use crate::traffic::Traffic;

/// Members of a dead replica are gone by then, after the grace.
const GONE_WITHIN: Duration = Duration::from_secs(15);

/// A gateway in a process of its own.
struct Replica {
    process: Process,
    address: SocketAddr,
}

impl Replica {
    async fn on(url: &str) -> Self {
        let replica = block_in_place(|| Self::starting(url));
        is(replica.address, "ready").await;
        replica
    }

    fn starting(url: &str) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0"];
        let environment = [
            ("HUBBUB_REDIS__URL", url),
            ("HUBBUB_SERVER__DRAIN_MS", "500"),
            ("HUBBUB_LIMITS__USER_SEND", "off"),
            ("HUBBUB_LIMITS__USER_ROOM_SEND", "off"),
            ("HUBBUB_LIMITS__ROOM_SEND", "off"),
            ("HUBBUB_LIMITS__USER_REQUEST", "off"),
        ];
        let process = Process::start(env!("CARGO_BIN_EXE_hubbub"), &arguments, &environment);
        let line = process.wait_for_line("listens on http://");
        let address = line.split("listens on http://").nth(1).unwrap();
        let address = address.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next().unwrap();
        Self { address: address.parse().unwrap(), process }
    }

    async fn member(&self, user: &str, fields: Value) -> (Client, Value) {
        let mut client = Client::connect(self.address, &[]).await.unwrap();
        let welcome = client.ask(json!({"type": "hello", "token": token(user)})).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        let joined = client.joins_with("general", fields).await;
        (client, joined)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_on_a_replica_that_is_killed_leaves_in_time_and_comes_back_anywhere() {
    let server = RedisServer::start();
    let (first, second) = (Replica::on(&server.url()).await, Replica::on(&server.url()).await);
    let (mut ada, _) = first.member("ada", json!({"presence": true})).await;
    let (mut bob, joined) = second.member("bob", json!({})).await;
    assert_eq!(joined["members"], 2, "{joined}");
    ada.wait_for(|frame| frame["type"] == "presence" && frame["joined"][0]["user"] == "bob").await;
    let heard = ada.says("general", "before").await;
    bob.wait_for(|frame| frame["type"] == "message" && frame["pos"] == heard["pos"]).await;

    let killed = Instant::now();
    second.process.kill();
    assert_eq!(bob.ending().await.code, 1006);
    let missed: Vec<_> = [ada.says("general", 1).await, ada.says("general", 2).await].into();
    ada.wait_for(|frame| frame["type"] == "presence" && frame["left"] == json!(["bob"])).await;
    assert!(killed.elapsed() < GONE_WITHIN, "gone only after {:?}", killed.elapsed());

    let (mut bob, joined) = first.member("bob", json!({"since": heard["pos"]})).await;
    assert_eq!((&joined["recovered"], &joined["replayed"]), (&json!(true), &json!(2)), "{joined}");
    for missed in missed {
        assert_eq!(bob.expect("message").await["pos"], missed["pos"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_replicas_die_and_leave_under_traffic() {
    let server = RedisServer::start();
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Replica::on(&server.url()).await);
    }
    let addresses: Vec<_> = replicas.iter().map(|replica| replica.address).collect();
    let mut traffic = Traffic::start_mobile(&addresses, &["general", "ops"]).await;
    replicas[1].process.kill();
    traffic.lose(addresses[1]);
    traffic.flows().await;
    replicas[2].process.terminate();
    traffic.lose(addresses[2]);
    block_in_place(|| {
        hubbub_testbed::until("the replica to leave", || (!replicas[2].process.is_running()).then_some(()));
    });
    traffic.flows().await;
    traffic.settle().await.nothing_was_lost();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_frozen_past_its_lease_has_its_members_back() {
    let server = RedisServer::start();
    let (first, second) = (Replica::on(&server.url()).await, Replica::on(&server.url()).await);
    let (mut ada, _) = first.member("ada", json!({"presence": true})).await;
    let (mut bob, _) = second.member("bob", json!({})).await;
    ada.wait_for(|frame| frame["type"] == "presence" && frame["joined"][0]["user"] == "bob").await;

    second.process.pause();
    let missed = ada.says("general", "while it was frozen").await;
    ada.wait_for(|frame| frame["type"] == "presence" && frame["left"] == json!(["bob"])).await;
    second.process.resume();
    let resumed = Instant::now();
    bob.wait_for(|frame| frame["type"] == "message" && frame["pos"] == missed["pos"]).await;
    ada.wait_for(|frame| frame["type"] == "presence" && frame["joined"][0]["user"] == "bob").await;
    assert!(resumed.elapsed() < Duration::from_secs(10), "back only after {:?}", resumed.elapsed());
    let said = bob.says("general", "awake").await;
    ada.wait_for(|frame| frame["type"] == "message" && frame["pos"] == said["pos"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_one_line_of_the_log_that_says_what_to_do() {
    let server = RedisServer::start_with_password("right");
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port());
    let replica = block_in_place(|| Replica::starting(&url));
    is(replica.address, "starting").await;
    block_in_place(|| replica.process.wait_for_line("check the user, the password"));
    assert!(!replica.process.said().contains("wrong@"), "the log shows the password: {}", replica.process.said());
}
