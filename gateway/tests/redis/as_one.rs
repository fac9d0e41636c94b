//! What one replica does holds on the others.

use hubbub::config::Config;
use hubbub::limits::Quota;
use hubbub_testbed::RedisServer;
use serde_json::json;

use crate::calls::{API_KEY, key};
use crate::client::Client;
use crate::harness::{now_ms, token, token_with};
use crate::replicas::Replicas;

async fn two() -> (RedisServer, Replicas) {
    two_with(|_| {}).await
}

async fn two_with(change: impl Fn(&mut Config)) -> (RedisServer, Replicas) {
    let server = RedisServer::start();
    let with_a_key = |config: &mut Config| {
        config.auth.api_keys.push(key());
        change(config);
    };
    let replicas = Replicas::with(&server.url(), 2, with_a_key).await;
    (server, replicas)
}

#[tokio::test]
async fn entries_signals_presence_and_receipts_cross_over() {
    let (_server, replicas) = two().await;
    let mut ada = replicas.get(0).user("ada").await;
    ada.joins_with("general", json!({"presence": true, "receipts": true})).await;
    let (mut bob, joined) = replicas.get(1).member("bob", "general").await;
    assert_eq!(joined["members"], 2, "{joined}");
    let presence = ada.expect("presence").await;
    assert_eq!((&presence["joined"][0]["user"], &presence["count"]), (&json!("bob"), &json!(2)), "{presence}");

    let sent = ada.says("general", "hi").await;
    let message = bob.expect("message").await;
    assert_eq!(
        (&message["pos"], &message["data"], &message["from"]["user"]),
        (&sent["pos"], &json!("hi"), &json!("ada"))
    );
    ada.expect("message").await;
    bob.send(json!({"type": "signal", "room": "general", "data": {"typing": true}})).await;
    let signal = ada.expect("signal").await;
    assert_eq!((&signal["data"], &signal["from"]["user"]), (&json!({"typing": true}), &json!("bob")));
    bob.ask(json!({"type": "read", "room": "general", "pos": sent["pos"]})).await;
    let receipt = ada.expect("receipt").await;
    assert_eq!((&receipt["user"], &receipt["seq"]), (&json!("bob"), &json!(1)), "{receipt}");

    bob.ask(json!({"type": "leave", "room": "general"})).await;
    assert_eq!(ada.expect("presence").await["left"], json!(["bob"]));
}

#[tokio::test]
async fn two_tabs_on_two_replicas_join_once_and_leave_once() {
    let (_server, replicas) = two().await;
    let mut ada = replicas.get(0).user("ada").await;
    ada.joins_with("general", json!({"presence": true})).await;
    let (mut first, _) = replicas.get(0).member("bob", "general").await;
    let (mut second, joined) = replicas.get(1).member("bob", "general").await;
    assert_eq!(joined["members"], 2, "{joined}");
    let presence = ada.expect("presence").await;
    assert_eq!(presence["joined"], json!([{"user": "bob"}]), "{presence}");
    let members = ada.ask(json!({"type": "members", "room": "general"})).await;
    let bob = members["members"].as_array().unwrap().iter().find(|member| member["user"] == "bob").unwrap();
    assert_eq!(bob["connections"], 2, "{members}");
    first.ask(json!({"type": "leave", "room": "general"})).await;
    ada.hears_nothing().await;
    second.ask(json!({"type": "leave", "room": "general"})).await;
    assert_eq!(ada.expect("presence").await["left"], json!(["bob"]));
}

#[tokio::test]
async fn a_key_that_was_used_on_one_replica_appends_nothing_on_another() {
    let (_server, replicas) = two().await;
    let send = json!({"type": "send", "room": "general", "key": "k", "data": 1});
    let first = replicas.get(0).user("ada").await.ask(send.clone()).await;
    let second = replicas.get(1).user("ada").await.ask(send).await;
    assert_eq!((&second["pos"], &second["duplicate"]), (&first["pos"], &json!(true)), "{second}");
}

#[tokio::test]
async fn a_client_resumes_on_another_replica() {
    let (_server, replicas) = two().await;
    let mut ada = replicas.get(0).user("ada").await;
    let heard = ada.says("general", 1).await;
    let missed = [ada.says("general", 2).await, ada.says("general", 3).await];
    let mut bob = replicas.get(1).user("bob").await;
    let joined = bob.joins_with("general", json!({"since": heard["pos"]})).await;
    assert_eq!((&joined["recovered"], &joined["replayed"]), (&json!(true), &json!(2)), "{joined}");
    for missed in missed {
        assert_eq!(bob.expect("message").await["pos"], missed["pos"]);
    }
}

#[tokio::test]
async fn edits_and_deletes_of_one_replica_hold_on_another() {
    let (_server, replicas) = two().await;
    let mut ada = replicas.get(0).user("ada").await;
    let (mut bob, _) = replicas.get(1).member("bob", "general").await;
    let sent = ada.says("general", "secret").await;
    bob.expect("message").await;
    ada.ask(json!({"type": "edit", "room": "general", "target": sent["pos"], "data": "open"})).await;
    assert_eq!(bob.expect("edit").await["data"], "open");
    bob.refused(json!({"type": "delete", "room": "general", "target": sent["pos"]}), "forbidden").await;
    ada.ask(json!({"type": "delete", "room": "general", "target": sent["pos"]})).await;
    assert_eq!(bob.expect("delete").await["target"], sent["pos"]);
    let history = bob.ask(json!({"type": "history", "room": "general"})).await;
    let text = history.to_string();
    assert!(history["entries"][0]["deleted"] == true && !text.contains("secret") && !text.contains("open"), "{text}");
}

#[tokio::test]
async fn who_is_banned_on_one_replica_is_out_on_all() {
    let (_server, replicas) = two().await;
    let moderator = token_with("mod", &[("*", "join send moderate")]);
    let mut moderator = replicas.get(0).holder(&moderator).await;
    let (mut eve, _) = replicas.get(1).member("eve", "general").await;
    let ban = json!({"type": "moderate", "room": "general", "user": "eve", "action": "ban", "for_ms": 600_000});
    assert_eq!(moderator.ask(ban).await["type"], "ok");
    assert_eq!(eve.expect("removed").await["reason"], "banned");
    for number in 0..2 {
        let mut eve = replicas.get(number).user("eve").await;
        eve.refused(json!({"type": "join", "room": "general"}), "forbidden").await;
        eve.refused(json!({"type": "send", "room": "general", "data": 1}), "forbidden").await;
    }
}

#[tokio::test]
async fn who_is_revoked_on_one_replica_is_out_on_all() {
    let (_server, replicas) = two().await;
    let mut clients = Vec::<Client>::new();
    for number in 0..2 {
        clients.push(replicas.get(number).user("eve").await);
        let session = replicas.get(number).log_in("eve").await;
        clients.push(replicas.get(1 - number).connect(session.credential()).await);
    }
    let before = token("eve");
    let revoked = replicas.get(0).delete("/v1/users/eve/sessions").bearer(API_KEY).send().await;
    revoked.succeeded();
    for client in &mut clients {
        client.closed(4504, "unauthenticated").await;
    }
    for number in 0..2 {
        let (mut late, refusal) = replicas.get(number).hello(json!({"token": before})).await;
        assert_eq!((&refusal["code"], late.ending().await.code), (&json!("unauthenticated"), 4003), "{refusal}");
    }
}

#[tokio::test]
async fn a_session_that_is_ended_on_one_replica_ends_its_sockets_on_another() {
    let (_server, replicas) = two().await;
    let session = replicas.get(0).log_in("ada").await;
    let mut socket = replicas.get(1).connect(session.credential()).await;
    let path = format!("/v1/sessions/{}", session.id);
    let ended =
        replicas.get(0).delete(&path).header("authorization", format!("Bearer {}", session.secret)).send().await;
    assert!((200..300).contains(&ended.status), "{ended:?}");
    assert_eq!(socket.ending().await.code, 4504);
}

#[tokio::test]
async fn a_users_rate_limit_is_one_for_all_replicas() {
    let limit = |config: &mut Config| config.limits.user_send = Some(Quota { per_s: 0.01, burst: 6 });
    let (_server, replicas) = two_with(limit).await;
    let mut clients = [replicas.get(0).user("ada").await, replicas.get(1).user("ada").await];
    for _ in 0..3 {
        for client in &mut clients {
            client.says("general", now_ms()).await;
        }
    }
    for client in &mut clients {
        let refused = client.refused(json!({"type": "send", "room": "general", "data": 1}), "rate_limited").await;
        assert!(refused["retry_after_ms"].as_u64().unwrap() > 10_000, "{refused}");
    }
}

#[tokio::test]
async fn an_entry_of_the_server_api_reaches_all_replicas() {
    let (_server, replicas) = two().await;
    let (mut ada, _) = replicas.get(0).member("ada", "general").await;
    let (mut bob, _) = replicas.get(1).member("bob", "general").await;
    let published = replicas.get(0).publish("general", json!({"data": "news"})).await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.expect("message").await["pos"], published["pos"]);
    }
    let call = replicas.get(1).get("/v1/rooms/general/members").bearer(API_KEY);
    assert_eq!(call.send().await.succeeded()["count"], 2);
}

#[tokio::test]
async fn a_replica_that_leaves_takes_its_members_along_and_leaves_the_rest_alone() {
    let server = RedisServer::start();
    let staying = Replicas::on(&server.url(), 1).await;
    let leaving = Replicas::with(&server.url(), 1, |config| config.server.drain_ms = 100).await;
    let mut ada = staying.get(0).user("ada").await;
    ada.joins_with("general", json!({"presence": true})).await;
    let (mut bob, _) = leaving.get(0).member("bob", "general").await;
    ada.expect("presence").await;
    leaving.stop().await;
    assert_eq!(bob.ending().await.code, 4001);
    assert_eq!(ada.expect("presence").await["left"], json!(["bob"]));
    ada.says("general", 1).await;
}
