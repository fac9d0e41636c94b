//! Protocol §3: joining in all its forms, resuming, leaving.

use serde_json::{Value, json};

use crate::client::Client;
use crate::frames::{seqs, shows};
use crate::harness::{Gateway, kind};

/// Says `0..count` in a room and gives the positions; the entries have seqs 1 and on in a fresh room.
async fn filled(client: &mut Client, room: &str, count: u64) -> Vec<Value> {
    let mut positions = Vec::new();
    for n in 0..count {
        positions.push(client.says(room, n).await["pos"].take());
    }
    positions
}

/// The next entries.
async fn entries(client: &mut Client, count: usize) -> Vec<Value> {
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(client.expect("message").await);
    }
    entries
}

/// A gateway whose rooms keep about ten entries of `bulky` data.
async fn forgetful() -> Gateway {
    Gateway::with(|config| kind(config, "*", |kind| kind.keep_bytes = 20_480)).await
}

/// 2 KiB of text.
fn bulky() -> Value {
    json!("x".repeat(2_048))
}

#[tokio::test]
async fn an_empty_room_has_seq_0_and_a_position_from_which_everything_can_be_had() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let joined = ada.joins("r").await;
    shows(&joined, json!({"room": "r", "seq": 0, "replayed": 0, "members": 1, "unread": 0, "recovered": null}));
    let start = joined["pos"].clone();
    assert!(start.is_string(), "{joined}");
    let mut bob = gateway.user("bob").await;
    filled(&mut bob, "r", 3).await;
    let mut cy = gateway.user("cy").await;
    let joined = cy.joins_with("r", json!({"since": start})).await;
    shows(&joined, json!({"seq": 3, "recovered": true, "replayed": 3, "reason": null}));
    assert_eq!(seqs(&entries(&mut cy, 3).await), [1, 2, 3]);
    cy.hears_nothing().await;
}

#[tokio::test]
async fn without_since_the_last_limit_entries_are_replayed_and_none_by_default() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    filled(&mut ada, "r", 5).await;
    for (fields, wanted) in [
        (json!({}), vec![]),
        (json!({"limit": 0}), vec![]),
        (json!({"limit": 1}), vec![5]),
        (json!({"limit": 3}), vec![3, 4, 5]),
        (json!({"limit": 5}), vec![1, 2, 3, 4, 5]),
        (json!({"limit": 400}), vec![1, 2, 3, 4, 5]),
        // A limit above `limits.history` is clamped to it.
        (json!({"limit": 4_000_000_000_u32}), vec![1, 2, 3, 4, 5]),
    ] {
        let mut bob = gateway.user("bob").await;
        let joined = bob.joins_with("r", fields).await;
        shows(&joined, json!({"seq": 5, "recovered": null, "replayed": wanted.len(), "reason": null}));
        let replayed = entries(&mut bob, wanted.len()).await;
        assert_eq!(seqs(&replayed), wanted);
        if let Some(last) = replayed.last() {
            assert_eq!(last["pos"], joined["pos"]);
        }
        ada.says("other", 1).await;
        bob.hears_nothing().await;
    }
}

#[tokio::test]
async fn with_since_every_entry_after_it_follows_once_in_order_whatever_the_limit() {
    let gateway = Gateway::with(|config| config.connection.history = 10).await;
    let mut ada = gateway.user("ada").await;
    let positions = filled(&mut ada, "r", 600).await;
    for (since, limit) in [(0, 0), (0, 3), (100, 10), (598, 10), (599, 10)] {
        let mut bob = gateway.user("bob").await;
        let joined = bob.joins_with("r", json!({"since": positions[since], "limit": limit})).await;
        let wanted: Vec<u64> = (since as u64 + 2..=600).collect();
        shows(&joined, json!({"seq": 600, "recovered": true, "reason": null, "replayed": wanted.len()}));
        assert_eq!(joined["pos"], positions[599]);
        assert_eq!(seqs(&entries(&mut bob, wanted.len()).await), wanted);
        let sent = ada.says(&format!("since-{since}-{limit}"), 1).await;
        shows(&sent, json!({"seq": 1}));
        bob.hears_nothing().await;
    }
}

#[tokio::test]
async fn live_entries_follow_the_replay_from_the_next_number() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let positions = filled(&mut ada, "r", 50).await;
    let mut bob = gateway.user("bob").await;
    // The join and what is published meanwhile race; either way there is each entry once.
    bob.send(json!({"type": "join", "room": "r", "since": positions[9]})).await;
    filled(&mut ada, "r", 50).await;
    let joined = bob.expect("joined").await;
    let (head, replayed) = (joined["seq"].as_u64().unwrap(), joined["replayed"].as_u64().unwrap());
    assert_eq!(replayed, head - 10, "{joined}");
    assert_eq!(seqs(&entries(&mut bob, 90).await), (11..=100).collect::<Vec<_>>());
    bob.hears_nothing().await;
}

#[tokio::test]
async fn a_position_that_retention_passed_is_trimmed_and_the_last_entries_follow() {
    let gateway = forgetful().await;
    let mut ada = gateway.user("ada").await;
    let old = ada.says("r", bulky()).await["pos"].take();
    for _ in 0..30 {
        ada.says("r", bulky()).await;
    }
    let mut bob = gateway.user("bob").await;
    let joined = bob.joins_with("r", json!({"since": old, "limit": 2})).await;
    shows(&joined, json!({"recovered": false, "reason": "trimmed", "replayed": 2, "seq": 31}));
    assert_eq!(seqs(&entries(&mut bob, 2).await), [30, 31]);
    let mut cy = gateway.user("cy").await;
    let joined = cy.joins_with("r", json!({"since": old})).await;
    shows(&joined, json!({"recovered": false, "reason": "trimmed", "replayed": 0, "seq": 31}));
    ada.says("r", 1).await;
    shows(&cy.expect("message").await, json!({"seq": 32}));
}

#[tokio::test]
async fn the_last_position_that_retention_passed_still_recovers() {
    let gateway = forgetful().await;
    let mut ada = gateway.user("ada").await;
    let mut positions = Vec::new();
    for _ in 0..30 {
        positions.push(ada.says("r", bulky()).await["pos"].take());
    }
    let kept = ada.ask(json!({"type": "history", "room": "r", "limit": 100})).await;
    let oldest = kept["entries"][0]["seq"].as_u64().unwrap() as usize;
    assert!((20..30).contains(&oldest), "{kept}");
    // Everything after the entry before the oldest is there, and no further back.
    for (since, recovered) in [(oldest - 2, true), (oldest - 3, false)] {
        let mut bob = gateway.user("bob").await;
        let joined = bob.joins_with("r", json!({"since": positions[since]})).await;
        let replayed = if recovered { 31 - oldest } else { 0 };
        shows(&joined, json!({"recovered": recovered, "replayed": replayed}));
    }
}

#[tokio::test]
async fn a_position_of_another_log_is_a_reset_and_the_last_entries_follow() {
    let (gateway, other) = (Gateway::start().await, Gateway::start().await);
    let (mut ada, mut eve) = (gateway.user("ada").await, other.user("eve").await);
    let strange = filled(&mut eve, "r", 5).await;
    let elsewhere = filled(&mut ada, "elsewhere", 2).await;
    filled(&mut ada, "r", 3).await;
    for since in [&strange[0], &strange[2], &strange[4], &elsewhere[0], &elsewhere[1]] {
        let mut bob = gateway.user("bob").await;
        let joined = bob.joins_with("r", json!({"since": since, "limit": 2})).await;
        shows(&joined, json!({"recovered": false, "reason": "reset", "replayed": 2, "seq": 3}));
        assert_eq!(seqs(&entries(&mut bob, 2).await), [2, 3]);
    }
    // A room in which nothing was ever said has no log that this could be of.
    let mut bob = gateway.user("bob").await;
    let joined = bob.joins_with("empty", json!({"since": strange[4]})).await;
    shows(&joined, json!({"recovered": false, "reason": "reset", "replayed": 0, "seq": 0}));
}

#[tokio::test]
async fn what_is_no_position_is_a_bad_request() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    for since in [json!(""), json!("nonsense"), json!(7), json!({}), json!("x".repeat(10_000))] {
        ada.refused(json!({"type": "join", "room": "r", "since": since}), "bad_request").await;
    }
    for limit in [json!(-1), json!("7"), json!(1.5), json!([])] {
        ada.refused(json!({"type": "join", "room": "r", "limit": limit}), "bad_request").await;
    }
    ada.joins("r").await;
}

#[tokio::test]
async fn a_room_joined_already_is_refused_and_stays_joined() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    ada.refused(json!({"type": "join", "room": "r"}), "already_joined").await;
    gateway.user("bob").await.says("r", 1).await;
    shows(&ada.expect("message").await, json!({"seq": 1}));
    ada.hears_nothing().await;
    // On another connection of the same user it is another matter.
    gateway.member("ada", "r").await;
}

#[tokio::test]
async fn leaving_is_answered_also_for_a_room_never_joined() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let mut bob = gateway.user("bob").await;
    for room in ["never", "r", "r"] {
        let left = ada.ask(json!({"type": "leave", "room": room})).await;
        shows(&left, json!({"type": "left", "room": room}));
    }
    bob.says("r", 1).await;
    ada.hears_nothing().await;
    shows(&ada.joins("r").await, json!({"seq": 1}));
}

#[tokio::test]
async fn after_left_nothing_of_the_room_comes_until_the_next_joined() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    let mut head = Value::Null;
    for round in 0..20 {
        // Entries, signals and presence of others race with the leave, and the join that follows in the same burst.
        bob.burst([json!({"type": "join", "room": "r"})]).await;
        bob.burst((0..20).map(|n| json!({"type": "send", "room": "r", "data": [round, n]}))).await;
        bob.burst((0..20).map(|n| json!({"type": "signal", "room": "r", "data": [round, n]}))).await;
        let join = json!({"type": "join", "id": 1, "room": "r", "presence": true, "receipts": true});
        ada.burst([join, json!({"type": "leave", "id": 2, "room": "r"})]).await;
        bob.send(json!({"type": "leave", "id": 3, "room": "r"})).await;
        let joined = ada.next().await;
        shows(&joined, json!({"type": "joined", "id": 1}));
        while ada.next().await["type"] != "left" {}
        bob.reply(3).await;
        bob.says("r", "after").await;
        ada.hears_nothing().await;
        bob.pending().await;
        head = joined;
    }
    let joined = ada.joins_with("r", json!({"since": head["pos"]})).await;
    shows(&joined, json!({"recovered": true, "seq": 420}));
    let wanted: Vec<u64> = (head["seq"].as_u64().unwrap() + 1..=420).collect();
    assert_eq!(seqs(&entries(&mut ada, wanted.len()).await), wanted);
}

#[tokio::test]
async fn so_many_rooms_can_be_joined_and_leaving_one_makes_room() {
    let gateway = Gateway::with(|config| config.connection.rooms = 3).await;
    let mut ada = gateway.user("ada").await;
    // Joins that are under way count.
    ada.burst((0..6).map(|n| json!({"type": "join", "id": n, "room": format!("r{n}")}))).await;
    let mut codes = Vec::new();
    for id in 0..6 {
        codes.push(ada.reply(id).await["code"].clone());
    }
    assert_eq!(codes.iter().filter(|code| code.is_null()).count(), 3, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == "limit_exceeded").count(), 3, "{codes:?}");
    let joined = codes.iter().position(Value::is_null).unwrap();
    ada.ask(json!({"type": "leave", "room": format!("r{joined}")})).await;
    ada.joins("another").await;
    ada.refused(json!({"type": "join", "room": "one-more"}), "limit_exceeded").await;
}

#[tokio::test]
async fn only_a_signal_needs_the_room_to_be_joined() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let pos = ada.says("r", 1).await["pos"].take();
    for (request, kind) in [
        (json!({"type": "edit", "room": "r", "target": pos, "data": 2}), "sent"),
        (json!({"type": "react", "room": "r", "target": pos, "emoji": "👍", "op": "add"}), "sent"),
        (json!({"type": "delete", "room": "r", "target": pos}), "sent"),
        (json!({"type": "read", "room": "r", "pos": pos}), "ok"),
        (json!({"type": "unread", "rooms": ["r"]}), "unread"),
        (json!({"type": "members", "room": "r"}), "members"),
        (json!({"type": "history", "room": "r"}), "history"),
    ] {
        shows(&ada.ask(request).await, json!({"type": kind}));
    }
    ada.refused(json!({"type": "signal", "room": "r", "data": 1}), "not_joined").await;
    ada.hears_nothing().await;
}

#[tokio::test]
async fn joined_tells_the_read_marker_and_what_is_unread() {
    let gateway = Gateway::start().await;
    let mut bob = gateway.user("bob").await;
    let positions = filled(&mut bob, "r", 5).await;
    let mut ada = gateway.user("ada").await;
    shows(&ada.joins("r").await, json!({"seq": 5, "unread": 5}));
    ada.ask(json!({"type": "read", "room": "r", "pos": positions[1]})).await;
    ada.ask(json!({"type": "leave", "room": "r"})).await;
    shows(&ada.joins("r").await, json!({"seq": 5, "read": 2, "unread": 3}));
}

#[tokio::test]
async fn a_connection_that_came_back_misses_and_doubles_nothing() {
    let gateway = Gateway::start().await;
    let mut bob = gateway.user("bob").await;
    let (mut ada, joined) = gateway.member("ada", "r").await;
    let (mut since, mut seen) = (joined["pos"].clone(), Vec::new());
    for round in 0..10 {
        bob.burst((0..30).map(|n| json!({"type": "send", "room": "r", "data": [round, n]}))).await;
        // It breaks somewhere in the middle of what it was sent.
        for _ in 0..round {
            let message = ada.expect("message").await;
            seen.push(message["seq"].as_u64().unwrap());
            since = message["pos"].clone();
        }
        ada = gateway.user("ada").await;
        let joined = ada.joins_with("r", json!({"since": since})).await;
        shows(&joined, json!({"recovered": true}));
    }
    seen.extend(seqs(&entries(&mut ada, 300 - seen.len()).await));
    assert_eq!(seen, (1..=300).collect::<Vec<_>>());
}
