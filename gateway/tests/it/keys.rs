//! Protocol §4: a key makes a retry safe.

use std::time::Instant;

use hubbub::limits::Quota;
use serde_json::{Value, json};

use crate::client::{Client, DEADLINE};
use crate::frames::{seqs, shows};
use crate::harness::{Gateway, kind, token_with};

/// Every request that takes a key, for this target.
fn keyed(target: &Value, key: &str) -> [Value; 4] {
    [
        json!({"type": "send", "room": "r", "key": key, "data": "x"}),
        json!({"type": "edit", "room": "r", "key": key, "target": target, "data": "y"}),
        json!({"type": "delete", "room": "r", "key": key, "target": target}),
        json!({"type": "react", "room": "r", "key": key, "target": target, "emoji": "👍", "op": "add"}),
    ]
}

/// The answer tells of this earlier entry.
async fn is_duplicate(client: &mut Client, request: Value, first: &Value) {
    let again = client.ask(request.clone()).await;
    shows(&again, json!({"type": "sent", "seq": first["seq"], "pos": first["pos"], "duplicate": true}));
}

#[tokio::test]
async fn a_retry_with_the_same_key_is_answered_with_the_first_and_appends_nothing() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    for at in 0..4 {
        let target = ada.says("r", 1).await["pos"].take();
        let request = keyed(&target, &format!("k{at}"))[at].clone();
        let first = ada.ask(request.clone()).await;
        shows(&first, json!({"type": "sent", "duplicate": null}));
        for _ in 0..3 {
            is_duplicate(&mut ada, request.clone(), &first).await;
        }
        // From another connection too: that is what a retry is.
        is_duplicate(&mut gateway.user("ada").await, request, &first).await;
    }
    assert_eq!(seqs(&ada.up_to(8).await), (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_same_key_is_a_duplicate_whatever_else_it_carries() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let target = ada.says("r", 1).await["pos"].take();
    let first = ada.ask(json!({"type": "send", "room": "r", "key": "k", "data": 1})).await;
    is_duplicate(&mut ada, json!({"type": "send", "room": "r", "key": "k", "data": "other"}), &first).await;
    for request in keyed(&target, "k") {
        is_duplicate(&mut ada, request, &first).await;
    }
    // Nor does it matter that the target is gone by now: the delete that is repeated took it away itself.
    let delete = json!({"type": "delete", "room": "r", "key": "d", "target": target});
    let deleted = ada.ask(delete.clone()).await;
    shows(&deleted, json!({"type": "sent", "seq": 3}));
    for request in keyed(&target, "d") {
        is_duplicate(&mut ada, request, &deleted).await;
    }
    ada.refused(json!({"type": "delete", "room": "r", "target": target}), "gone").await;
}

#[tokio::test]
async fn another_user_room_or_key_is_no_duplicate() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    let send = |room: &str, key: &str| json!({"type": "send", "room": room, "key": key, "data": 1});
    ada.ask(send("r", "k")).await;
    shows(&bob.ask(send("r", "k")).await, json!({"seq": 2, "duplicate": null}));
    shows(&ada.ask(send("other", "k")).await, json!({"seq": 1, "duplicate": null}));
    shows(&ada.ask(send("r", "K")).await, json!({"seq": 3, "duplicate": null}));
    // Without a key nothing is remembered.
    ada.says("r", 1).await;
    shows(&ada.says("r", 1).await, json!({"seq": 5, "duplicate": null}));
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let gateway = Gateway::start().await;
    let (mut ada, mut eve) = (gateway.user("ada").await, gateway.user("eve").await);
    let target = ada.says("r", 1).await["pos"].take();
    eve.refused(json!({"type": "edit", "room": "r", "key": "k", "target": target, "data": 2}), "forbidden").await;
    eve.refused(json!({"type": "send", "room": "r", "key": "k", "data": "x".repeat(40_000)}), "too_large").await;
    let sent = eve.ask(json!({"type": "send", "room": "r", "key": "k", "data": 1})).await;
    shows(&sent, json!({"seq": 2, "duplicate": null}));
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_window() {
    let gateway = Gateway::with(|config| config.broker.dedupe_s = 1).await;
    let mut ada = gateway.user("ada").await;
    let send = json!({"type": "send", "room": "r", "key": "k", "data": 1});
    ada.ask(send.clone()).await;
    let since = Instant::now();
    let forgotten = async {
        loop {
            let again = ada.ask(send.clone()).await;
            if again["duplicate"].is_null() {
                return again;
            }
        }
    };
    let again = tokio::time::timeout(DEADLINE, forgotten).await.unwrap();
    shows(&again, json!({"type": "sent", "seq": 2}));
    assert!(since.elapsed().as_millis() >= 900, "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_duplicate_is_never_refused_by_a_limit() {
    let slow = || Some(Quota { per_s: 0.01, burst: 1 });
    for limit in ["user", "room", "user in the room", "slow mode"] {
        let gateway = Gateway::with(|config| match limit {
            "user" => config.limits.user_send = slow(),
            "room" => config.limits.room_send = slow(),
            "user in the room" => config.limits.user_room_send = slow(),
            _ => kind(config, "*", |kind| kind.slow_mode_ms = 600_000),
        })
        .await;
        let mut ada = gateway.user("ada").await;
        let send = |key: &str| json!({"type": "send", "room": "r", "key": key, "data": 1});
        let first = ada.ask(send("k")).await;
        shows(&first, json!({"type": "sent", "seq": 1}));
        for _ in 0..20 {
            is_duplicate(&mut ada, send("k"), &first).await;
        }
        let refusal = ada.refused(send("other"), "rate_limited").await;
        assert!(refusal["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{limit}: {refusal}");
        ada.refused(json!({"type": "send", "room": "r", "data": 1}), "rate_limited").await;
        is_duplicate(&mut ada, send("k"), &first).await;
    }
}

#[tokio::test]
async fn pipelined_retries_of_one_key_append_one_entry() {
    let gateway = Gateway::start().await;
    let (mut ada, mut tab) = (gateway.user("ada").await, gateway.user("ada").await);
    for round in 0..10 {
        let send = |id: u32| json!({"type": "send", "id": id, "room": "r", "key": format!("k{round}"), "data": id});
        ada.burst((0..20).map(send)).await;
        tab.burst((0..20).map(send)).await;
        let mut firsts = 0;
        for id in 0..20 {
            for client in [&mut ada, &mut tab] {
                let sent = client.reply(id).await;
                shows(&sent, json!({"type": "sent", "seq": round + 1}));
                firsts += u32::from(sent["duplicate"].is_null());
            }
        }
        assert_eq!(firsts, 1);
    }
}

#[tokio::test]
async fn slow_mode_makes_a_user_wait_between_two_messages_and_spares_nothing_else() {
    let gateway = Gateway::with(|config| kind(config, "*", |kind| kind.slow_mode_ms = 700)).await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    let mut mo = gateway.holder(&token_with("mo", &[("*", "join send moderate")])).await;
    ada.says("r", 1).await;
    let refusal = ada.refused(json!({"type": "send", "room": "r", "data": 2}), "rate_limited").await;
    let since = Instant::now();
    let wait_ms = refusal["retry_after_ms"].as_u64().unwrap();
    assert!((1..=700).contains(&wait_ms), "{refusal}");
    bob.says("r", 1).await;
    ada.says("other", 1).await;
    mo.says("r", 1).await;
    tokio::time::sleep_until((since + std::time::Duration::from_millis(wait_ms)).into()).await;
    ada.says("r", 2).await;
}
