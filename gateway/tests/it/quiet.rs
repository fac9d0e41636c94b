//! Protocol §4: with `echo:false` the `sent` stands in the entry's place.

use serde_json::{Value, json};

use crate::client::Client;
use crate::frames::{seqs, shows};
use crate::harness::Gateway;

/// A `send` whose echo is not wanted.
fn quiet(id: u32, room: &str) -> Value {
    json!({"type": "send", "id": id, "room": room, "data": id, "echo": false})
}

/// All that came of a room: its entries, and `sent`s in the place of entries.
async fn stream(client: &mut Client, until: u64) -> Vec<Value> {
    let mut stream = Vec::new();
    loop {
        let frame = client.next().await;
        let is_last = frame["seq"] == until;
        stream.push(frame);
        if is_last {
            return stream;
        }
    }
}

#[tokio::test]
async fn the_sent_comes_instead_of_the_entry_and_only_to_the_connection_that_asked() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let (mut tab, _) = gateway.member("ada", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    ada.send(quiet(1, "r")).await;
    shows(&ada.next().await, json!({"type": "sent", "id": 1, "seq": 1, "duplicate": null}));
    for other in [&mut tab, &mut bob] {
        shows(&other.next().await, json!({"type": "message", "seq": 1, "from": {"user": "ada"}}));
    }
    ada.hears_nothing().await;
}

#[tokio::test]
async fn edits_deletes_and_reactions_can_be_quiet_too_or_come_back() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let target = ada.says("r", 1).await["pos"].take();
    ada.expect("message").await;
    // The protocol gives `echo` to `send`; where another carries it, nothing is lost or doubled either way.
    let requests = [
        json!({"type": "edit", "room": "r", "target": target, "data": 2, "echo": false}),
        json!({"type": "react", "room": "r", "target": target, "emoji": "👍", "op": "add", "echo": false}),
        json!({"type": "delete", "room": "r", "target": target, "echo": false}),
    ];
    for (seq, request) in (2..).zip(requests) {
        let sent = ada.ask(request).await;
        shows(&sent, json!({"type": "sent", "seq": seq}));
    }
    ada.says("r", "last").await;
    let last = ada.wait_for(|frame| frame["data"] == "last").await;
    let came: Vec<_> = ada.pending().await.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert!(
        last["seq"] == 5 && came.is_sorted_by(|a, b| a < b) && came.iter().all(|seq| (2..5).contains(seq)),
        "{came:?}"
    );
}

#[tokio::test]
async fn sents_stand_among_the_entries_of_others_in_the_order_of_seq() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let mut cy = gateway.user("cy").await;
    for _ in 0..20 {
        ada.burst((0..10).map(|id| quiet(id, "r"))).await;
        bob.burst((0..10).map(|id| quiet(id, "r"))).await;
        cy.burst((0..5).map(|id| json!({"type": "send", "id": id, "room": "r", "data": id}))).await;
        for id in 0..5 {
            cy.reply(id).await;
        }
    }
    for (client, user) in [(&mut ada, "ada"), (&mut bob, "bob")] {
        let stream = stream(client, 500).await;
        assert_eq!(seqs(&stream), (1..=500).collect::<Vec<_>>());
        // Its own are all and only the `sent`s.
        assert_eq!(stream.iter().filter(|frame| frame["type"] == "sent").count(), 200);
        assert!(stream.iter().all(|frame| frame["from"]["user"] != user));
    }
}

#[tokio::test]
async fn quiet_and_loud_sends_may_be_mixed() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let send = |id: u32| json!({"type": "send", "id": id, "room": "r", "data": id, "echo": id.is_multiple_of(3)});
    ada.burst((1..=300).map(send)).await;
    let (mut position, mut replies) = (0, 0);
    while position < 300 || replies < 300 {
        let frame = ada.next().await;
        replies += u32::from(frame["type"] == "sent");
        // A loud one's `sent` moves nothing, its entry does; a quiet one's `sent` does.
        if frame["type"] == "message" || frame["id"].as_u64().unwrap() % 3 != 0 {
            position += 1;
            assert_eq!(frame["seq"], position, "{frame}");
        }
    }
    ada.hears_nothing().await;
}

#[tokio::test]
async fn on_a_room_not_joined_it_is_ignored() {
    let gateway = Gateway::start().await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let mut ada = gateway.user("ada").await;
    ada.send(quiet(1, "r")).await;
    shows(&ada.next().await, json!({"type": "sent", "id": 1, "seq": 1}));
    shows(&bob.next().await, json!({"type": "message", "seq": 1}));
}

#[tokio::test]
async fn a_duplicate_moves_nothing_and_its_entry_does_not_follow() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let send = json!({"type": "send", "room": "r", "data": 1, "key": "k", "echo": false});
    let first = ada.ask(send.clone()).await;
    gateway.user("bob").await.says("r", 2).await;
    shows(&ada.expect("message").await, json!({"seq": 2}));
    let again = ada.ask(send).await;
    shows(&again, json!({"type": "sent", "seq": 1, "pos": first["pos"], "duplicate": true}));
    ada.hears_nothing().await;
}

#[tokio::test]
async fn a_retry_on_a_new_connection_whose_replay_holds_the_entry_gets_both() {
    let gateway = Gateway::start().await;
    let (mut ada, joined) = gateway.member("ada", "r").await;
    let send = json!({"type": "send", "room": "r", "data": 1, "key": "k", "echo": false});
    ada.ask(send.clone()).await;
    // The answer never arrived, as far as she knows: she comes back from where she was.
    let mut ada = gateway.user("ada").await;
    ada.joins_with("r", json!({"since": joined["pos"]})).await;
    shows(&ada.ask(send).await, json!({"type": "sent", "seq": 1, "duplicate": true}));
    shows(&ada.expect("message").await, json!({"seq": 1, "key": "k"}));
    ada.hears_nothing().await;
}

#[tokio::test]
async fn a_send_behind_a_join_in_one_burst_comes_once() {
    let gateway = Gateway::start().await;
    let mut bob = gateway.user("bob").await;
    for round in 0..20_u64 {
        let mut ada = gateway.user("ada").await;
        bob.burst((0..10).map(|n| json!({"type": "send", "room": "r", "data": n}))).await;
        ada.burst([json!({"type": "join", "id": 1, "room": "r"}), quiet(2, "r"), quiet(3, "r")]).await;
        let joined = ada.expect("joined").await;
        let head = joined["seq"].as_u64().unwrap();
        let all = 12 * (round + 1);
        let stream = stream(&mut ada, all).await;
        assert_eq!(seqs(&stream), (head + 1..=all).collect::<Vec<_>>());
        assert_eq!(stream.iter().filter(|frame| frame["type"] == "sent").count(), 2, "{stream:?}");
        assert!(stream.iter().all(|frame| frame["from"]["user"] != "ada"), "{stream:?}");
        bob.pending().await;
    }
}
