//! Protocol §8.6: slow ones pay for themselves.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hubbub::config::Config;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{Client, DEADLINE};
use crate::frames::shows;
use crate::harness::{Gateway, kind, token};
use crate::operation::metric;

/// Bytes of one message's text.
const TEXT_BYTES: usize = 4_096;
/// What one connection may have queued.
const OUTBOX_BYTES: usize = 262_144;
/// What the two ends of a socket may hold beside that: the largest send buffer of the kernel, and some.
const SOCKET_BYTES: usize = 6 << 20;

/// Small outboxes, and rooms that keep so many bytes.
fn modest(config: &mut Config, keep_bytes: u64) {
    config.connection.outbox_bytes = OUTBOX_BYTES;
    config.connection.reply_bytes = 65_536;
    kind(config, "*", |kind| (kind.keep_entries, kind.keep_bytes) = (100_000, keep_bytes));
}

/// A connection in the room whose socket takes little that is not read, and which reads nothing for now.
async fn sleeper(gateway: &Gateway) -> Client {
    let mut client = Client::narrow(gateway.address()).await.unwrap();
    client.ask(json!({"type": "hello", "token": token("slow")})).await;
    client.joins("r").await;
    client
}

/// Sends so many messages through the room, while somebody else reads along.
async fn pass(gateway: &Gateway, messages: u64) {
    let mut sender = gateway.user("sender").await;
    let (mut reader, joined) = gateway.member("reader", "r").await;
    let mut seq = joined["seq"].as_u64().unwrap();
    let text = "x".repeat(TEXT_BYTES);
    for _ in 0..messages / 50 {
        let since = Instant::now();
        sender.burst((0..50).map(|_| json!({"type": "send", "room": "r", "data": text}))).await;
        for _ in 0..50 {
            seq += 1;
            shows(&reader.expect("message").await, json!({"seq": seq}));
        }
        // Whoever reads is not delayed by whoever does not.
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stops_reading_gets_every_entry_when_it_reads_again() {
    let gateway = Gateway::with(|config| modest(config, 64 << 20)).await;
    let mut slow = sleeper(&gateway).await;
    pass(&gateway, 4_000).await;
    for seq in 1..=4_000 {
        shows(&slow.expect("message").await, json!({"seq": seq}));
    }
    slow.says("r", "awake").await;
    shows(&slow.expect("message").await, json!({"seq": 4_001}));
    slow.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sleeps_longer_than_the_room_remembers_is_told_where_it_goes_on() {
    let gateway = Gateway::with(|config| modest(config, 262_144)).await;
    let mut slow = sleeper(&gateway).await;
    pass(&gateway, 6_000).await;
    let queued_bytes = metric(&gateway, "hubbub_outbox_bytes").await.unwrap();
    assert!((1.0..=OUTBOX_BYTES as f64).contains(&queued_bytes), "{queued_bytes} bytes are queued");
    let (mut next, mut queued_bytes) = (1, 0);
    let reset = loop {
        let frame = slow.next().await;
        if frame["type"] == "reset" {
            break frame;
        }
        shows(&frame, json!({"type": "message", "seq": next}));
        next += 1;
        queued_bytes += frame.to_string().len();
    };
    // What was waiting for it, in the gateway and in the kernel, was bounded, whatever passed.
    assert!(queued_bytes < OUTBOX_BYTES + SOCKET_BYTES, "{queued_bytes} bytes were waiting");
    let reason = reset["reason"].as_str().unwrap();
    assert!(["lag", "trimmed"].contains(&reason), "{reset}");
    assert!(reset["pos"].is_string() && reset["seq"].as_u64().unwrap() >= next, "{reset} after {next}");
    // The next entry is seq + 1, unless the room has forgotten that one too meanwhile, which is told again.
    let mut told = reset;
    while told["seq"] != 6_000 {
        let seq = told["seq"].as_u64().unwrap();
        let frame = slow.next().await;
        if frame["type"] == "reset" {
            assert!(frame["seq"].as_u64().unwrap() > seq, "{frame} after {seq}");
        } else {
            shows(&frame, json!({"type": "message", "seq": seq + 1}));
        }
        told = frame;
    }
    // What was told last is a position to come back with.
    let mut back = gateway.user("slow").await;
    let joined = back.joins_with("r", json!({"since": told["pos"]})).await;
    assert!(joined["recovered"] == true || joined["reason"] == "trimmed", "{joined}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_the_room_outruns_says_where_it_stopped_being_possible() {
    let gateway = Gateway::with(|config| modest(config, 8 << 20)).await;
    let start = gateway.member("ada", "r").await.1["pos"].take();
    pass(&gateway, 1_500).await;
    let mut slow = Client::narrow(gateway.address()).await.unwrap();
    slow.ask(json!({"type": "hello", "token": token("slow")})).await;
    let joined = slow.joins_with("r", json!({"since": start})).await;
    shows(&joined, json!({"recovered": true, "replayed": 1_500}));
    pass(&gateway, 6_000).await;
    let (mut at, mut resets) = (0, 0);
    while at < 7_500 {
        let frame = slow.next().await;
        let seq = frame["seq"].as_u64().unwrap();
        match frame["type"].as_str().unwrap() {
            "message" => assert_eq!(seq, at + 1, "{frame}"),
            "reset" => resets += 1,
            _ => panic!("{frame}"),
        }
        assert!(seq > at, "{frame} after {at}");
        at = seq;
    }
    assert!(resets > 0, "nothing was missing");
    slow.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_while_somebody_slept_is_gone_when_they_wake() {
    let gateway = Gateway::with(|config| modest(config, 64 << 20)).await;
    let mut slow = sleeper(&gateway).await;
    pass(&gateway, 2_500).await;
    // By now nothing more is queued, so this will be read from the log.
    let mut ada = gateway.user("ada").await;
    let target = ada.says("r", "secret").await["pos"].take();
    ada.ask(json!({"type": "edit", "room": "r", "target": target, "data": "secret too"})).await;
    ada.says("r", "open").await;
    let deleted = ada.ask(json!({"type": "delete", "room": "r", "target": target})).await;
    shows(&deleted, json!({"type": "sent", "seq": 2_504}));
    for seq in 1..=2_500 {
        shows(&slow.expect("message").await, json!({"seq": seq}));
    }
    shows(&slow.next().await, json!({"type": "message", "seq": 2_501, "deleted": true, "data": null}));
    shows(&slow.next().await, json!({"type": "edit", "seq": 2_502, "deleted": true, "data": null, "target": target}));
    shows(&slow.next().await, json!({"type": "message", "seq": 2_503, "deleted": null, "data": "open"}));
    shows(&slow.next().await, json!({"type": "delete", "seq": 2_504, "target": target}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_drains_nothing_for_the_whole_grace_is_closed() {
    let gateway = Gateway::with(|config| {
        modest(config, 64 << 20);
        config.connection.slow_grace_ms = 700;
        config.hub.presence_grace_ms = 0;
    })
    .await;
    let mut slow = sleeper(&gateway).await;
    let mut other = sleeper(&gateway).await;
    pass(&gateway, 2_500).await;
    let full = Instant::now();
    let mut watcher = gateway.user("watcher").await;
    let gone = async { while watcher.ask(json!({"type": "members", "room": "r"})).await["count"] != 0 {} };
    timeout(DEADLINE, gone).await.unwrap();
    assert!(full.elapsed() < Duration::from_secs(5), "{:?}", full.elapsed());
    for client in [&mut slow, &mut other] {
        let ending = client.ending().await;
        assert!([4002, 1006].contains(&ending.code), "{}", ending.code);
        let (errors, entries): (Vec<_>, Vec<_>) = ending.frames.into_iter().partition(|frame| frame["type"] == "error");
        for (seq, entry) in (1..).zip(&entries) {
            shows(entry, json!({"type": "message", "seq": seq}));
        }
        if ending.code == 4002 {
            shows(&errors[0], json!({"code": "limit_exceeded"}));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_but_steadily_stays() {
    let gateway = Gateway::with(|config| {
        modest(config, 64 << 20);
        config.connection.slow_grace_ms = 1_000;
    })
    .await;
    let mut slow = sleeper(&gateway).await;
    let passing = pass(&gateway, 2_500);
    let reading = async {
        let (since, mut seq) = (Instant::now(), 0);
        // Three graces long it takes in a little whenever it would be given up soon.
        while since.elapsed() < Duration::from_secs(3) {
            for _ in 0..200 {
                seq += 1;
                shows(&slow.expect("message").await, json!({"seq": seq}));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        seq
    };
    let (read, ()) = tokio::join!(reading, passing);
    for seq in read + 1..=2_500 {
        shows(&slow.expect("message").await, json!({"seq": seq}));
    }
    slow.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_that_are_not_read_wait_unmade_and_the_requests_unread() {
    let gateway = Gateway::with(|config| modest(config, 64 << 20)).await;
    pass(&gateway, 100).await;
    let mut greedy = Client::narrow(gateway.address()).await.unwrap();
    greedy.ask(json!({"type": "hello", "token": token("greedy")})).await;
    greedy.burst((0..400).map(|id| json!({"type": "history", "id": id, "room": "r", "limit": 500}))).await;
    // Meanwhile others are served, and afterwards every request has its one reply.
    pass(&gateway, 100).await;
    let mut answered = [false; 400];
    for _ in 0..400 {
        let page = greedy.expect("history").await;
        assert!(page["entries"].as_array().unwrap().len() > 10 && page["more"] == true);
        assert!(!std::mem::replace(&mut answered[page["id"].as_u64().unwrap() as usize], true));
    }
    greedy.hears_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_are_dropped_first_and_who_is_there_can_be_known_in_the_end() {
    let gateway = Gateway::with(|config| {
        modest(config, 64 << 20);
        config.hub.presence_grace_ms = 0;
    })
    .await;
    let mut slow = Client::narrow(gateway.address()).await.unwrap();
    slow.ask(json!({"type": "hello", "token": token("slow")})).await;
    slow.joins_with("r", json!({"presence": true})).await;
    pass(&gateway, 2_000).await;
    // All this finds no place any more.
    let (mut ada, _) = gateway.member("ada", "r").await;
    for n in 0..300 {
        ada.ask(json!({"type": "signal", "room": "r", "data": [n, "x".repeat(TEXT_BYTES)]})).await;
    }
    let (mut bob, _) = gateway.member("bob", "r").await;
    ada.ask(json!({"type": "leave", "room": "r"})).await;
    bob.says("r", "end").await;
    let (mut seq, mut signals) = (0, 0);
    let mut present = BTreeSet::from(["slow".to_owned()]);
    let wanted = BTreeSet::from(["bob".to_owned(), "slow".to_owned()]);
    while seq < 2_001 || present != wanted {
        let frame = slow.next().await;
        match frame["type"].as_str().unwrap() {
            "message" => {
                seq += 1;
                shows(&frame, json!({"seq": seq}));
            }
            "signal" => signals += 1,
            "presence" => {
                present.extend(users(&frame["joined"]));
                present.retain(|user| frame["left"].as_array().is_none_or(|left| !left.contains(&json!(user))));
                if frame["resync"] == true {
                    slow.send(json!({"type": "members", "id": 1, "room": "r"})).await;
                }
            }
            "members" => present = users(&frame["members"]).collect(),
            _ => panic!("{frame}"),
        }
    }
    assert!(signals < 300, "no signal was dropped");
}

/// The users in a list of members.
fn users(list: &Value) -> impl Iterator<Item = String> {
    let users = list.as_array().into_iter().flatten();
    users.map(|member| member["user"].as_str().unwrap().to_owned())
}
