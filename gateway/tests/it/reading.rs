//! Protocol §5: read markers, what is unread, history.

use serde_json::{Value, json};

use crate::client::Client;
use crate::frames::{has_exactly, seqs, shows};
use crate::harness::{Gateway, kind};

/// Says `count` things and gives the positions.
async fn filled(client: &mut Client, room: &str, count: u64) -> Vec<Value> {
    let mut positions = Vec::new();
    for n in 0..count {
        positions.push(client.says(room, n).await["pos"].take());
    }
    positions
}

/// Reads up to a position.
async fn reads(client: &mut Client, pos: &Value) {
    let done = client.ask(json!({"type": "read", "room": "r", "pos": pos})).await;
    has_exactly(&done, "type id");
    shows(&done, json!({"type": "ok"}));
}

/// What is unread in the room.
async fn unread(client: &mut Client) -> Value {
    let mut reply = client.ask(json!({"type": "unread", "rooms": ["r"]})).await;
    has_exactly(&reply, "type id rooms");
    reply["rooms"]["r"].take()
}

/// One page of history.
async fn history(client: &mut Client, fields: Value) -> Value {
    let mut request = json!({"type": "history", "room": "r"});
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let page = client.ask(request).await;
    has_exactly(&page, "type id room seq pos entries more trimmed");
    page
}

fn numbers(page: &Value) -> Vec<u64> {
    seqs(page["entries"].as_array().unwrap())
}

#[tokio::test]
async fn without_a_marker_everything_is_unread_and_a_marker_only_moves_forward() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    assert_eq!(unread(&mut ada).await, json!({"read": 0, "head": 0, "unread": 0}));
    let positions = filled(&mut bob, "r", 5).await;
    assert_eq!(unread(&mut ada).await, json!({"read": 0, "head": 5, "unread": 5}));
    for (at, read) in [(2, 3), (0, 3), (1, 3), (3, 4), (4, 5), (2, 5)] {
        reads(&mut ada, &positions[at]).await;
        assert_eq!(unread(&mut ada).await, json!({"read": read, "head": 5, "unread": 5 - read}));
    }
    // Another connection of hers has read as much, another user has not.
    assert_eq!(unread(&mut gateway.user("ada").await).await["read"], 5);
    assert_eq!(unread(&mut gateway.user("cy").await).await["read"], 0);
}

#[tokio::test]
async fn only_messages_count_as_unread() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    let positions = filled(&mut bob, "r", 2).await;
    bob.ask(json!({"type": "edit", "room": "r", "target": positions[0], "data": "new"})).await;
    bob.ask(json!({"type": "react", "room": "r", "target": positions[0], "emoji": "👍", "op": "add"})).await;
    bob.says("r", 3).await;
    assert_eq!(unread(&mut ada).await, json!({"read": 0, "head": 5, "unread": 3}));
    reads(&mut ada, &positions[1]).await;
    assert_eq!(unread(&mut ada).await, json!({"read": 2, "head": 5, "unread": 1}));
}

#[tokio::test]
async fn ones_own_messages_move_ones_own_marker_without_a_receipt() {
    let gateway = Gateway::start().await;
    let mut bob = gateway.user("bob").await;
    filled(&mut bob, "r", 2).await;
    let mut tab = gateway.user("ada").await;
    tab.joins_with("r", json!({"receipts": true})).await;
    let mut cy = gateway.user("cy").await;
    cy.joins_with("r", json!({"receipts": true})).await;
    let mut ada = gateway.user("ada").await;
    ada.says("r", 1).await;
    assert_eq!(unread(&mut ada).await, json!({"read": 3, "head": 3, "unread": 0}));
    // A receipt that everybody gets comes after any that the message could have made.
    let head = bob.says("r", 1).await;
    reads(&mut bob, &head["pos"]).await;
    for client in [&mut tab, &mut cy] {
        shows(&client.expect("message").await, json!({"seq": 3}));
        shows(&client.expect("message").await, json!({"seq": 4}));
    }
    reads(&mut ada, &head["pos"]).await;
    for client in [&mut tab, &mut cy] {
        shows(&client.expect("receipt").await, json!({"user": "ada", "seq": 4}));
    }
}

#[tokio::test]
async fn a_receipt_goes_to_those_who_want_them_and_always_to_ones_other_connections() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let (mut tab, _) = gateway.member("ada", "r").await;
    let (mut plain, _) = gateway.member("bob", "r").await;
    let mut wants = gateway.user("cy").await;
    wants.joins_with("r", json!({"receipts": true})).await;
    let pos = plain.says("r", 1).await["pos"].take();
    for client in [&mut ada, &mut tab, &mut plain, &mut wants] {
        client.expect("message").await;
    }
    reads(&mut ada, &pos).await;
    for client in [&mut tab, &mut wants] {
        let receipt = client.next().await;
        assert_eq!(receipt, json!({"type": "receipt", "room": "r", "user": "ada", "seq": 1, "pos": pos}));
    }
    // Repeating it is no news.
    reads(&mut ada, &pos).await;
    let pos = plain.says("r", 2).await["pos"].take();
    reads(&mut tab, &pos).await;
    for client in [&mut ada, &mut wants] {
        client.expect("message").await;
        shows(&client.next().await, json!({"type": "receipt", "user": "ada", "seq": 2}));
    }
    for client in [&mut plain, &mut tab] {
        client.expect("message").await;
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn receipts_are_coalesced_and_the_last_one_is_told() {
    let gateway = Gateway::start().await;
    let mut bob = gateway.user("bob").await;
    let positions = filled(&mut bob, "r", 100).await;
    bob.joins_with("r", json!({"receipts": true})).await;
    let mut ada = gateway.user("ada").await;
    ada.burst(positions.iter().map(|pos| json!({"type": "read", "room": "r", "pos": pos}))).await;
    let (mut last, mut told) = (0, 0);
    while last < 100 {
        let receipt = bob.expect("receipt").await;
        let seq = receipt["seq"].as_u64().unwrap();
        assert!(seq > last, "{receipt} after {last}");
        (last, told) = (seq, told + 1);
    }
    assert!(told < 100, "nothing was coalesced");
}

#[tokio::test]
async fn above_a_configured_size_receipts_go_to_ones_own_connections_alone() {
    let gateway = Gateway::with(|config| kind(config, "*", |kind| kind.receipts_max_members = 2)).await;
    let (mut ada, mut tab, mut bob) = (gateway.user("ada").await, gateway.user("ada").await, gateway.user("bob").await);
    for client in [&mut ada, &mut tab, &mut bob] {
        client.joins_with("r", json!({"receipts": true})).await;
    }
    let (mut cy, _) = gateway.member("cy", "r").await;
    let pos = cy.says("r", 1).await["pos"].take();
    for client in [&mut ada, &mut tab, &mut bob] {
        client.expect("message").await;
    }
    reads(&mut ada, &pos).await;
    shows(&tab.next().await, json!({"type": "receipt", "user": "ada", "seq": 1}));
    bob.hears_nothing().await;
}

#[tokio::test]
async fn a_marker_of_another_log_counts_as_the_head() {
    let (gateway, other) = (Gateway::start().await, Gateway::start().await);
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    filled(&mut bob, "r", 3).await;
    let strange = filled(&mut other.user("ada").await, "r", 2).await;
    reads(&mut ada, &strange[0]).await;
    assert_eq!(unread(&mut ada).await, json!({"read": 3, "head": 3, "unread": 0}));
    ada.refused(json!({"type": "read", "room": "r", "pos": "nonsense"}), "bad_request").await;
}

#[tokio::test]
async fn unread_tells_of_many_rooms_at_once() {
    let gateway = Gateway::start().await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    filled(&mut bob, "one", 2).await;
    filled(&mut bob, "two", 3).await;
    let reply = ada.ask(json!({"type": "unread", "rooms": ["one", "two", "three", "one"]})).await;
    let wanted = json!({"one": {"read": 0, "head": 2, "unread": 2}, "two": {"read": 0, "head": 3, "unread": 3},
                        "three": {"read": 0, "head": 0, "unread": 0}});
    assert_eq!(reply["rooms"], wanted);
    shows(&ada.ask(json!({"type": "unread", "rooms": []})).await, json!({"type": "unread", "rooms": {}}));
}

#[tokio::test]
async fn history_gives_the_newest_what_is_before_or_what_is_after() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let start = ada.joins("r").await["pos"].take();
    let empty = history(&mut ada, json!({})).await;
    shows(&empty, json!({"seq": 0, "pos": start, "entries": [], "more": false, "trimmed": false}));
    let pos = filled(&mut ada, "r", 10).await;
    for (fields, wanted, more) in [
        (json!({"limit": 3}), vec![8, 9, 10], true),
        (json!({"limit": 10}), (1..=10).collect(), false),
        (json!({"limit": 100}), (1..=10).collect(), false),
        (json!({"before": pos[4], "limit": 3}), vec![2, 3, 4], true),
        (json!({"before": pos[4], "limit": 4}), vec![1, 2, 3, 4], false),
        (json!({"before": pos[0], "limit": 4}), vec![], false),
        (json!({"after": pos[4], "limit": 3}), vec![6, 7, 8], true),
        (json!({"after": pos[4], "limit": 5}), vec![6, 7, 8, 9, 10], false),
        (json!({"after": pos[9], "limit": 5}), vec![], false),
        (json!({"after": start, "limit": 2}), vec![1, 2], true),
        (json!({"before": start, "limit": 2}), vec![], false),
    ] {
        let page = history(&mut ada, fields.clone()).await;
        assert_eq!(numbers(&page), wanted, "{fields}");
        shows(&page, json!({"room": "r", "seq": 10, "pos": pos[9], "more": more, "trimmed": false}));
    }
}

#[tokio::test]
async fn a_limit_of_history_is_clamped() {
    let gateway = Gateway::with(|config| config.connection.history = 5).await;
    let mut ada = gateway.user("ada").await;
    let pos = filled(&mut ada, "r", 12).await;
    for fields in [json!({"limit": 6}), json!({"limit": 4_294_967_295_u32})] {
        shows(&history(&mut ada, fields.clone()).await, json!({"more": true}));
        assert_eq!(numbers(&history(&mut ada, fields).await), [8, 9, 10, 11, 12]);
    }
    assert_eq!(numbers(&history(&mut ada, json!({"after": pos[0], "limit": 99})).await), [2, 3, 4, 5, 6]);
    // Nobody asked for a number: some of the newest, no more than that.
    let some = numbers(&history(&mut ada, json!({})).await);
    assert!(some.len() <= 5 && some.last() == Some(&12), "{some:?}");
}

#[tokio::test]
async fn a_reply_ends_early_at_reply_bytes_and_the_rest_can_be_had() {
    let gateway = Gateway::with(|config| config.connection.reply_bytes = 65_536).await;
    let mut ada = gateway.user("ada").await;
    for n in 0..40 {
        ada.says("r", format!("{n}{}", "x".repeat(8_000))).await;
    }
    for way in ["before", "after"] {
        let (mut found, mut pages) = (Vec::new(), 0);
        let start = gateway.user("bob").await.joins("empty").await["pos"].take();
        let mut fields = if way == "after" { json!({"limit": 500, "after": start}) } else { json!({"limit": 500}) };
        loop {
            let page = history(&mut ada, fields.clone()).await;
            assert!(page.to_string().len() <= 65_536, "{way}: {} bytes", page.to_string().len());
            let entries = page["entries"].as_array().unwrap();
            pages += 1;
            let last = if way == "before" { entries.first() } else { entries.last() };
            fields[way] = last.unwrap()["pos"].clone();
            let numbers = numbers(&page);
            if way == "before" {
                found.splice(0..0, numbers);
            } else {
                found.extend(numbers);
            }
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(found, (1..=40).collect::<Vec<_>>(), "{way}");
        assert!((5..=8).contains(&pages), "{way}: {pages} pages");
    }
}

#[tokio::test]
async fn trimmed_says_that_older_entries_once_existed() {
    let gateway = Gateway::with(|config| kind(config, "*", |kind| kind.keep_bytes = 20_480)).await;
    let mut ada = gateway.user("ada").await;
    let oldest = ada.says("r", 0).await["pos"].take();
    for _ in 0..30 {
        ada.says("r", "x".repeat(2_048)).await;
    }
    let all = history(&mut ada, json!({"limit": 500})).await;
    shows(&all, json!({"more": false, "trimmed": true, "seq": 31}));
    let kept = numbers(&all);
    assert!(kept.len() < 12 && kept.last() == Some(&31), "{kept:?}");
    assert_eq!(kept, (kept[0]..=31).collect::<Vec<_>>());
    // What is after a position that retention passed is what there is, and it says that something is missing.
    let after = history(&mut ada, json!({"after": oldest, "limit": 500})).await;
    shows(&after, json!({"trimmed": true, "more": false}));
    assert_eq!(numbers(&after), kept);
    let before = history(&mut ada, json!({"before": all["entries"][0]["pos"], "limit": 500})).await;
    shows(&before, json!({"trimmed": true, "more": false, "entries": []}));
}

#[tokio::test]
async fn both_before_and_after_is_a_bad_request_and_a_position_of_another_log_is_gone() {
    let (gateway, other) = (Gateway::start().await, Gateway::start().await);
    let mut ada = gateway.user("ada").await;
    let pos = filled(&mut ada, "r", 3).await;
    let strange = filled(&mut other.user("ada").await, "r", 2).await;
    let history = |fields: Value| {
        let mut request = json!({"type": "history", "room": "r"});
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        request
    };
    ada.refused(history(json!({"before": pos[2], "after": pos[0]})), "bad_request").await;
    for way in ["before", "after"] {
        ada.refused(history(json!({way: strange[0]})), "gone").await;
        ada.refused(history(json!({way: "nonsense"})), "bad_request").await;
    }
}
