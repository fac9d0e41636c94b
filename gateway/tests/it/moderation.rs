//! Protocol §5: kicking, banning, muting.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, DEADLINE};
use crate::frames::{has_exactly, seqs, shows};
use crate::harness::{Gateway, token_with};

/// A moderator who is in the room.
async fn moderator(gateway: &Gateway) -> Client {
    let mut mo = gateway.holder(&token_with("mo", &[("*", "join send moderate")])).await;
    mo.joins("r").await;
    mo
}

fn moderate(action: &str, more: Value) -> Value {
    let mut request = json!({"type": "moderate", "room": "r", "user": "eve", "action": action});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// Does it, and is told that it was done.
async fn rules(mo: &mut Client, action: &str, more: Value) {
    let done = mo.ask(moderate(action, more)).await;
    has_exactly(&done, "type id");
    shows(&done, json!({"type": "ok"}));
}

/// Every request that names the room but `leave`, by whether a mute forbids it.
fn requests(pos: &Value) -> [(bool, Value); 10] {
    [
        (true, json!({"type": "send", "room": "r", "data": 1})),
        (true, json!({"type": "edit", "room": "r", "target": pos, "data": 2})),
        (true, json!({"type": "react", "room": "r", "target": pos, "emoji": "👍", "op": "add"})),
        (true, json!({"type": "signal", "room": "r", "data": 1})),
        (false, json!({"type": "members", "room": "r"})),
        (false, json!({"type": "read", "room": "r", "pos": pos})),
        (false, json!({"type": "unread", "rooms": ["r"]})),
        (false, json!({"type": "unread", "rooms": ["other", "r"]})),
        (false, json!({"type": "history", "room": "r"})),
        (false, json!({"type": "delete", "room": "r", "target": pos})),
    ]
}

/// Repeats a request until it is not `forbidden` any more.
async fn until_allowed(client: &mut Client, request: Value) -> Value {
    let waiting = async {
        loop {
            let reply = client.ask(request.clone()).await;
            if reply["code"] != "forbidden" {
                return reply;
            }
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap()
}

#[tokio::test]
async fn moderating_is_for_moderators() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    for action in ["kick", "ban", "unban", "mute", "unmute"] {
        ada.refused(moderate(action, json!({})), "forbidden").await;
    }
    let mut mo = moderator(&gateway).await;
    mo.refused(moderate("exile", json!({})), "bad_request").await;
    mo.refused(moderate("kick", json!({"user": "no user"})), "bad_request").await;
    mo.refused(moderate("ban", json!({"for_ms": -1})), "bad_request").await;
    rules(&mut mo, "kick", json!({"reason": "x"})).await;
}

#[tokio::test]
async fn who_is_kicked_is_removed_from_that_room_on_every_connection_and_may_come_back() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    let (mut one, _) = gateway.member("eve", "r").await;
    let (mut two, _) = gateway.member("eve", "r").await;
    one.joins("other").await;
    rules(&mut mo, "kick", json!({"reason": "spam"})).await;
    for eve in [&mut one, &mut two] {
        let removed = eve.expect("removed").await;
        shows(&removed, json!({"room": "r", "reason": "kicked"}));
    }
    mo.says("r", 1).await;
    mo.says("other", 2).await;
    shows(&one.next().await, json!({"type": "message", "room": "other"}));
    two.hears_nothing().await;
    one.refused(json!({"type": "signal", "room": "r", "data": 1}), "not_joined").await;
    one.joins("r").await;
    two.says("r", 1).await;
    shows(&one.next().await, json!({"type": "message", "room": "r", "seq": 2}));
}

#[tokio::test]
async fn who_is_banned_is_removed_and_refused_everything_there_but_leave() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    let (mut eve, _) = gateway.member("eve", "r").await;
    let pos = eve.says("r", 1).await["pos"].take();
    eve.expect("message").await;
    rules(&mut mo, "ban", json!({"for_ms": 600_000})).await;
    shows(&eve.next().await, json!({"type": "removed", "room": "r", "reason": "banned"}));
    let mut tab = gateway.user("eve").await;
    for client in [&mut eve, &mut tab] {
        for (_, request) in requests(&pos) {
            if request["type"] != "signal" {
                client.refused(request, "forbidden").await;
            }
        }
        client.refused(json!({"type": "join", "room": "r"}), "forbidden").await;
        let signal = client.ask(json!({"type": "signal", "room": "r", "data": 1})).await;
        assert_eq!(signal["code"], "forbidden", "{signal}");
        shows(&client.ask(json!({"type": "leave", "room": "r"})).await, json!({"type": "left"}));
        client.says("other", 1).await;
    }
    rules(&mut mo, "unban", json!({})).await;
    eve.joins("r").await;
    shows(&eve.says("r", 1).await, json!({"seq": 2}));
}

#[tokio::test]
async fn who_is_muted_may_read_and_not_speak() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    let (mut eve, _) = gateway.member("eve", "r").await;
    let pos = eve.says("r", 1).await["pos"].take();
    eve.expect("message").await;
    mo.expect("message").await;
    rules(&mut mo, "mute", json!({})).await;
    for (forbidden, request) in requests(&pos) {
        let reply = eve.ask(request.clone()).await;
        assert_eq!(reply["code"] == "forbidden", forbidden, "{request}: {reply}");
    }
    // She has stayed in the room, and nobody heard of her but that she took her message back.
    shows(&mo.next().await, json!({"type": "delete", "seq": 2}));
    mo.says("r", 2).await;
    shows(&mo.next().await, json!({"type": "message", "seq": 3}));
    mo.hears_nothing().await;
    let heard = eve.up_to(3).await;
    assert_eq!(seqs(&heard), [2, 3]);
    eve.says("other", 1).await;
    rules(&mut mo, "unmute", json!({})).await;
    shows(&eve.says("r", 1).await, json!({"seq": 4}));
}

#[tokio::test]
async fn bans_and_mutes_end_by_themselves() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    let (mut eve, _) = gateway.member("eve", "r").await;
    let since = Instant::now();
    rules(&mut mo, "ban", json!({"for_ms": 400})).await;
    eve.expect("removed").await;
    shows(&until_allowed(&mut eve, json!({"type": "join", "room": "r"})).await, json!({"type": "joined"}));
    assert!(since.elapsed() >= Duration::from_millis(395), "{:?}", since.elapsed());
    let since = Instant::now();
    rules(&mut mo, "mute", json!({"for_ms": 400})).await;
    shows(&until_allowed(&mut eve, json!({"type": "send", "room": "r", "data": 1})).await, json!({"type": "sent"}));
    assert!(since.elapsed() >= Duration::from_millis(395), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_ban_and_a_mute_meet_those_who_come_later() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    rules(&mut mo, "ban", json!({})).await;
    gateway.user("eve").await.refused(json!({"type": "join", "room": "r"}), "forbidden").await;
    rules(&mut mo, "unban", json!({})).await;
    rules(&mut mo, "mute", json!({})).await;
    let (mut eve, _) = gateway.member("eve", "r").await;
    eve.refused(json!({"type": "send", "room": "r", "data": 1}), "forbidden").await;
    // Ending what never was is done as well.
    rules(&mut mo, "unban", json!({})).await;
}

#[tokio::test]
async fn who_is_removed_is_a_member_no_longer() {
    let gateway = Gateway::start().await;
    let mut mo = gateway.holder(&token_with("mo", &[("*", "join send moderate")])).await;
    mo.joins_with("r", json!({"presence": true})).await;
    let (mut eve, _) = gateway.member("eve", "r").await;
    shows(&mo.expect("presence").await, json!({"count": 2}));
    let since = Instant::now();
    rules(&mut mo, "kick", json!({})).await;
    eve.expect("removed").await;
    shows(&mo.expect("presence").await, json!({"count": 1, "left": ["eve"]}));
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

#[tokio::test]
async fn after_removed_nothing_of_the_room_comes_until_the_next_joined() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    let mut eve = gateway.user("eve").await;
    let mut bob = gateway.user("bob").await;
    for round in 0..20 {
        bob.joins("r").await;
        let joined = eve.joins_with("r", json!({"presence": true, "receipts": true})).await;
        bob.burst((0..20).map(|n| json!({"type": "send", "room": "r", "data": [round, n]}))).await;
        mo.send(moderate("kick", json!({}))).await;
        bob.burst((0..20).map(|n| json!({"type": "signal", "room": "r", "data": [round, n]}))).await;
        bob.ask(json!({"type": "leave", "room": "r"})).await;
        let mut next = joined["seq"].as_u64().unwrap() + 1;
        loop {
            let frame = eve.next().await;
            match frame["type"].as_str().unwrap() {
                "message" => {
                    assert_eq!(frame["seq"], next, "{frame}");
                    next += 1;
                }
                "removed" => break,
                _ => {}
            }
        }
        mo.says("r", "after").await;
        eve.hears_nothing().await;
        mo.pending().await;
        bob.pending().await;
    }
}

#[tokio::test]
async fn a_bans_entries_are_not_seen_and_can_be_had_when_it_is_over() {
    let gateway = Gateway::start().await;
    let mut mo = moderator(&gateway).await;
    let (mut eve, joined) = gateway.member("eve", "r").await;
    rules(&mut mo, "ban", json!({})).await;
    eve.expect("removed").await;
    for n in 0..5 {
        mo.says("r", n).await;
    }
    eve.hears_nothing().await;
    rules(&mut mo, "unban", json!({})).await;
    shows(&eve.joins_with("r", json!({"since": joined["pos"]})).await, json!({"recovered": true, "replayed": 5}));
    for seq in 1..=5 {
        shows(&eve.expect("message").await, json!({"seq": seq}));
    }
}
