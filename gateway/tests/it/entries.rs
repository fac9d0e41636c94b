//! Protocol §4: messages, edits, deletes, reactions.

use serde_json::{Value, json};

use crate::client::{Client, DEADLINE};
use crate::frames::{has_exactly, seqs, shows};
use crate::harness::{Gateway, now_ms, token_of, token_with};

/// A moderator of every room.
async fn moderator(gateway: &Gateway) -> Client {
    gateway.holder(&token_with("mo", &[("*", "join send moderate")])).await
}

/// What history holds, oldest first.
async fn history(client: &mut Client, room: &str) -> Vec<Value> {
    let mut history = client.ask(json!({"type": "history", "room": room, "limit": 500})).await;
    let Value::Array(entries) = history["entries"].take() else { panic!("{history}") };
    entries
}

#[tokio::test]
async fn a_message_is_the_same_for_all_and_has_its_documented_shape() {
    let gateway = Gateway::start().await;
    let token = token_of(&json!({"sub": "ada", "name": "Ada", "exp": now_ms() / 1_000 + 100}));
    let mut ada = gateway.holder(&token).await;
    ada.joins("r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let data = json!({"text": "hi", "more": [1, null, {"x": "👍"}]});
    let sent = ada.ask(json!({"type": "send", "room": "r", "key": "c-81", "data": data})).await;
    has_exactly(&sent, "type id room seq pos time");
    let message = bob.expect("message").await;
    has_exactly(&message, "type room seq pos count time from key data");
    shows(
        &message,
        json!({"type": "message", "room": "r", "seq": 1, "pos": sent["pos"], "count": 1, "time": sent["time"],
               "from": {"user": "ada", "name": "Ada"}, "key": "c-81", "data": data}),
    );
    assert_eq!(ada.expect("message").await, message);
    assert_eq!(history(&mut bob, "r").await, std::slice::from_ref(&message));
    let mut cy = gateway.user("cy").await;
    cy.joins_with("r", json!({"limit": 1})).await;
    assert_eq!(cy.expect("message").await, message);
}

#[tokio::test]
async fn all_four_kinds_share_one_log_and_count_counts_messages() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let first = ada.says("r", "one").await["pos"].take();
    let second = bob.says("r", "two").await["pos"].take();
    for request in [
        json!({"type": "edit", "room": "r", "target": first, "data": "one!"}),
        json!({"type": "react", "room": "r", "target": second, "emoji": "👍", "op": "add"}),
        json!({"type": "react", "room": "r", "target": second, "emoji": "👍", "op": "remove"}),
    ] {
        let sent = ada.ask(request).await;
        has_exactly(&sent, "type id room seq pos time");
    }
    ada.ask(json!({"type": "delete", "room": "r", "target": first})).await;
    bob.says("r", "three").await;
    let mut live = Vec::new();
    for _ in 0..7 {
        live.push(bob.next().await);
    }
    assert_eq!(seqs(&live), (1..=7).collect::<Vec<_>>());
    let counts: Vec<_> = live.iter().map(|entry| entry["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 2, 2, 2, 2, 2, 3]);
    let kinds: Vec<_> = live.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "message", "edit", "reaction", "reaction", "delete", "message"]);
    has_exactly(&live[2], "type room seq pos count time from target data");
    shows(&live[2], json!({"from": {"user": "ada"}, "target": first, "data": "one!"}));
    has_exactly(&live[3], "type room seq pos count time from target emoji op");
    shows(&live[3], json!({"from": {"user": "ada"}, "target": second, "emoji": "👍", "op": "add"}));
    shows(&live[4], json!({"target": second, "emoji": "👍", "op": "remove"}));
    has_exactly(&live[5], "type room seq pos count time from target");
    shows(&live[5], json!({"from": {"user": "ada"}, "target": first}));
}

#[tokio::test]
async fn what_was_acknowledged_is_in_history_and_reached_everybody() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    for n in 1..=50_u64 {
        let sent = ada.says("r", n).await;
        let last = history(&mut bob, "r").await.pop().unwrap();
        shows(&last, json!({"seq": n, "pos": sent["pos"], "data": n}));
        assert_eq!(bob.expect("message").await, last);
    }
}

#[tokio::test]
async fn edit_and_delete_are_for_the_author_and_moderators() {
    let gateway = Gateway::start().await;
    let (mut ada, mut eve, mut mo) = (gateway.user("ada").await, gateway.user("eve").await, moderator(&gateway).await);
    let pos = ada.says("r", 1).await["pos"].take();
    let edit = json!({"type": "edit", "room": "r", "target": pos, "data": 2});
    let delete = json!({"type": "delete", "room": "r", "target": pos});
    eve.refused(edit.clone(), "forbidden").await;
    eve.refused(delete.clone(), "forbidden").await;
    for author in [&mut ada, &mut mo] {
        shows(&author.ask(edit.clone()).await, json!({"type": "sent"}));
    }
    // Who moderated is told apart from who wrote.
    let entries = history(&mut eve, "r").await;
    shows(&entries[2], json!({"type": "edit", "from": {"user": "mo"}, "target": pos}));
    shows(&mo.ask(delete).await, json!({"type": "sent", "seq": 4}));
    // Another tab of the author is the author.
    let pos = ada.says("r", 1).await["pos"].take();
    let mut tab = gateway.user("ada").await;
    shows(&tab.ask(json!({"type": "delete", "room": "r", "target": pos})).await, json!({"type": "sent"}));
}

#[tokio::test]
async fn a_target_that_is_not_there_or_is_no_message_is_gone() {
    let gateway = Gateway::start().await;
    let other = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let elsewhere = ada.says("elsewhere", 1).await["pos"].take();
    let strange = other.user("ada").await.says("r", 1).await["pos"].take();
    let start = ada.joins("empty").await["pos"].take();
    let message = ada.says("r", 1).await["pos"].take();
    let edit = ada.ask(json!({"type": "edit", "room": "r", "target": message, "data": 2})).await["pos"].take();
    let react = json!({"type": "react", "room": "r", "target": message, "emoji": "👍", "op": "add"});
    let reaction = ada.ask(react).await["pos"].take();
    let deleted = ada.says("r", 1).await["pos"].take();
    let delete = ada.ask(json!({"type": "delete", "room": "r", "target": deleted})).await["pos"].take();
    for target in [elsewhere, strange, start, edit, reaction, deleted, delete] {
        for request in [
            json!({"type": "edit", "room": "r", "target": target, "data": 2}),
            json!({"type": "delete", "room": "r", "target": target}),
            json!({"type": "react", "room": "r", "target": target, "emoji": "👍", "op": "add"}),
            json!({"type": "react", "room": "r", "target": target, "emoji": "👍", "op": "remove"}),
        ] {
            ada.refused(request, "gone").await;
        }
    }
    // Nothing was appended on the way.
    shows(&ada.says("r", 1).await, json!({"seq": 6}));
}

#[tokio::test]
async fn a_target_that_retention_passed_is_gone() {
    let gateway = Gateway::with(|config| crate::harness::kind(config, "*", |kind| kind.keep_bytes = 20_480)).await;
    let mut ada = gateway.user("ada").await;
    let pos = ada.says("r", "x").await["pos"].take();
    for _ in 0..30 {
        ada.says("r", "x".repeat(2_048)).await;
    }
    ada.refused(json!({"type": "edit", "room": "r", "target": pos, "data": 2}), "gone").await;
    ada.refused(json!({"type": "delete", "room": "r", "target": pos}), "gone").await;
    ada.refused(json!({"type": "react", "room": "r", "target": pos, "emoji": "👍", "op": "add"}), "gone").await;
}

#[tokio::test]
async fn a_reaction_that_is_there_is_not_added_again_and_one_that_is_not_is_not_removed() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let mut bob = gateway.user("bob").await;
    let target = ada.says("r", 1).await["pos"].take();
    let react =
        |emoji: &str, op: &str| json!({"type": "react", "room": "r", "target": target, "emoji": emoji, "op": op});
    let added = bob.ask(react("👍", "add")).await;
    shows(&added, json!({"type": "sent", "seq": 2, "duplicate": null}));
    ada.says("r", 2).await;
    let again = bob.ask(react("👍", "add")).await;
    shows(&again, json!({"type": "sent", "seq": 2, "pos": added["pos"], "duplicate": true}));
    // Another emoji, and another user, are other reactions.
    shows(&bob.ask(react("🎉", "add")).await, json!({"seq": 4, "duplicate": null}));
    shows(&ada.ask(react("👍", "add")).await, json!({"seq": 5, "duplicate": null}));
    shows(&bob.ask(react("👍", "remove")).await, json!({"seq": 6, "duplicate": null}));
    let head = ada.says("r", 3).await;
    // Removed already: the entry that removed it, or the head.
    let again = bob.ask(react("👍", "remove")).await;
    shows(&again, json!({"type": "sent", "duplicate": true}));
    assert!([json!(6), head["seq"].clone()].contains(&again["seq"]), "{again}");
    // Never there: the head.
    let never = bob.ask(react("👀", "remove")).await;
    shows(&never, json!({"type": "sent", "seq": head["seq"], "pos": head["pos"], "duplicate": true}));
    shows(&bob.ask(react("👍", "add")).await, json!({"seq": 8, "duplicate": null}));
    let heard = ada.up_to(8).await;
    assert_eq!(seqs(&heard), (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn deleted_is_gone_from_replay_and_history_with_its_edits() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let before = ada.says("r", "before").await["pos"].take();
    let target = ada.ask(json!({"type": "send", "room": "r", "key": "k", "data": "secret one"})).await["pos"].take();
    let other = ada.says("r", "kept").await["pos"].take();
    for data in ["secret two", "secret three"] {
        ada.ask(json!({"type": "edit", "room": "r", "target": target, "data": data})).await;
    }
    ada.ask(json!({"type": "edit", "room": "r", "target": other, "data": "kept too"})).await;
    ada.ask(json!({"type": "react", "room": "r", "target": target, "emoji": "👍", "op": "add"})).await;
    let live = ada.up_to(7).await;
    assert_eq!(seqs(&live), (1..=7).collect::<Vec<_>>());
    ada.ask(json!({"type": "delete", "room": "r", "target": target})).await;
    shows(&ada.expect("delete").await, json!({"seq": 8, "target": target}));
    let without_data = |entry: &Value| {
        let mut entry = entry.clone();
        entry.as_object_mut().unwrap().remove("data");
        entry["deleted"] = json!(true);
        entry
    };
    let mut wanted: Vec<_> = live.clone();
    for at in [1, 3, 4] {
        wanted[at] = without_data(&live[at]);
    }
    let (mut bob, mut cy) = (gateway.user("bob").await, gateway.user("cy").await);
    assert_eq!(history(&mut bob, "r").await[..7], wanted);
    bob.joins_with("r", json!({"limit": 100})).await;
    cy.joins_with("r", json!({"since": before})).await;
    let (replayed, resumed) = (bob.up_to(8).await, cy.up_to(8).await);
    assert_eq!(replayed[..7], wanted);
    assert_eq!(resumed[..6], wanted[1..]);
    for entries in [replayed, resumed] {
        shows(entries.last().unwrap(), json!({"type": "delete", "seq": 8}));
    }
}

#[tokio::test]
async fn a_target_on_its_way_to_somebody_who_is_behind_is_gone_once_its_delete_is_in_the_head() {
    let gateway = Gateway::start().await;
    let (mut ada, joined) = gateway.member("ada", "r").await;
    for round in 0..30 {
        let target = ada.says("r", "secret").await["pos"].take();
        ada.ask(json!({"type": "delete", "room": "r", "target": target})).await;
        let mut bob = gateway.user(&format!("bob{round}")).await;
        let joined = bob.joins_with("r", json!({"since": joined["pos"]})).await;
        shows(&joined, json!({"recovered": true, "seq": 2 * (round + 1)}));
        let replayed = bob.up_to(2 * (round + 1)).await;
        assert_eq!(replayed.len(), 2 * (round + 1));
        assert!(replayed.iter().all(|entry| entry["data"].is_null()), "{replayed:?}");
    }
}

#[tokio::test]
async fn pipelined_sends_rise_in_the_order_sent_and_a_refused_one_stops_none() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let pos = ada.says("r", 0).await["pos"].take();
    let request = |id: u32| match id % 4 {
        0 => json!({"type": "send", "id": id, "room": "r", "data": "x".repeat(40_000)}),
        1 => json!({"type": "edit", "id": id, "room": "r", "target": pos, "data": id}),
        _ => json!({"type": "send", "id": id, "room": "r", "data": id}),
    };
    ada.burst((1..=200).map(request)).await;
    let mut last = 1;
    for id in 1..=200 {
        let reply = ada.reply(id).await;
        if id % 4 == 0 {
            shows(&reply, json!({"type": "error", "code": "too_large"}));
        } else {
            last += 1;
            shows(&reply, json!({"type": "sent", "seq": last}));
        }
    }
    let entries = history(&mut ada, "r").await;
    let said: Vec<_> = entries[1..].iter().map(|entry| entry["data"].as_u64().unwrap()).collect();
    assert_eq!(said, (1..=200).filter(|id| id % 4 != 0).collect::<Vec<_>>());
}

#[tokio::test]
async fn requests_of_one_room_take_effect_in_the_order_sent() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    for round in 0..20 {
        let room = format!("r{round}");
        // Each sees what stands before it, and nothing of what stands behind it.
        ada.burst([
            json!({"type": "send", "id": 1, "room": room, "data": 1}),
            json!({"type": "history", "id": 2, "room": room}),
            json!({"type": "join", "id": 3, "room": room}),
            json!({"type": "send", "id": 4, "room": room, "data": 2}),
            json!({"type": "unread", "id": 5, "rooms": [room]}),
            json!({"type": "leave", "id": 6, "room": room}),
            json!({"type": "signal", "id": 7, "room": room, "data": 1}),
            json!({"type": "send", "id": 8, "room": room, "data": 3}),
            json!({"type": "join", "id": 9, "room": room}),
        ])
        .await;
        shows(&ada.reply(1).await, json!({"seq": 1}));
        shows(&ada.reply(2).await, json!({"seq": 1}));
        shows(&ada.reply(3).await, json!({"seq": 1}));
        shows(&ada.reply(4).await, json!({"seq": 2}));
        shows(&ada.reply(5).await, json!({"rooms": {&room: {"read": 2, "head": 2, "unread": 0}}}));
        shows(&ada.reply(6).await, json!({"type": "left"}));
        shows(&ada.reply(7).await, json!({"code": "not_joined"}));
        shows(&ada.reply(8).await, json!({"seq": 3}));
        shows(&ada.reply(9).await, json!({"type": "joined", "seq": 3}));
        // Of the entries only the second may have come, before `left`.
        let heard = ada.pending().await;
        assert!(heard.iter().all(|frame| frame["seq"] == 2), "{heard:?}");
    }
}

#[tokio::test]
async fn what_happens_at_once_in_many_rooms_is_numbered_for_each() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    ada.burst((0..300).map(|id| json!({"type": "send", "id": id, "room": format!("r{}", id % 7), "data": id}))).await;
    for id in 0..300 {
        shows(&ada.reply(id).await, json!({"type": "sent", "room": format!("r{}", id % 7), "seq": id / 7 + 1}));
    }
}

#[tokio::test]
async fn an_emoji_is_a_short_text_and_op_is_add_or_remove() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let target = ada.says("r", 1).await["pos"].take();
    let react =
        |emoji: &str, op: &str| json!({"type": "react", "room": "r", "target": target, "emoji": emoji, "op": op});
    ada.refused(react("👍", "toggle"), "bad_request").await;
    ada.refused(react("", "add"), "bad_request").await;
    let long = ada.ask(react(&"👍".repeat(1_000), "add")).await;
    assert!(["bad_request", "too_large"].contains(&long["code"].as_str().unwrap()), "{long}");
    // A family of four is one emoji of 25 bytes, and names of a team's own are welcome.
    for emoji in ["👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", ":party-parrot:"] {
        shows(&ada.ask(react(emoji, "add")).await, json!({"type": "sent", "duplicate": null}));
    }
    tokio::time::timeout(DEADLINE, ada.hears_nothing()).await.unwrap();
}
