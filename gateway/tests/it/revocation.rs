//! Protocol §2 and §7: credentials that were taken back, and sessions that end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::calls::{API_KEY, Login, eventually, gateway, gateway_with, token_issued};
use crate::frames::shows;
use crate::harness::{Gateway, now_ms, token, token_of};

/// Revokes everything of a user; gives the second of the revocation.
async fn revoked(gateway: &Gateway, user: &str) -> u64 {
    let call = gateway.delete(&format!("/v1/users/{user}/sessions")).bearer(API_KEY);
    call.send().await.succeeded();
    now_ms() / 1_000
}

/// A hello with this credential is answered by this error, and the connection ends with this code.
async fn refuses(gateway: &Gateway, credential: Value, error: &str, code: u16) {
    let (mut client, refusal) = gateway.hello(credential).await;
    shows(&refusal, json!({"type": "error", "code": error}));
    let ending = client.ending().await;
    assert!(ending.code == code && ending.frames.is_empty(), "{refusal}, then {ending:?}");
}

#[tokio::test]
async fn revoking_a_user_ends_all_their_live_sockets_with_4504() {
    let gateway = gateway().await;
    let session = gateway.log_in("eve").await;
    let mut clients = vec![gateway.user("eve").await, gateway.connect(session.credential()).await];
    let (mut joined, _) = gateway.member("eve", "r").await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    revoked(&gateway, "eve").await;
    // She hears nothing of the room any more.
    bob.says("r", 1).await;
    shows(&joined.closed(4504, "unauthenticated").await, json!({"id": null}));
    for client in &mut clients {
        client.closed(4504, "unauthenticated").await;
    }
    bob.stays().await;
}

#[tokio::test]
async fn a_token_not_issued_after_the_second_of_the_revocation_is_4003() {
    let gateway = gateway().await;
    let before = token("eve");
    revoked(&gateway, "eve").await;
    // No `iat` counts as 0.
    let without = token_of(&json!({"sub": "eve", "exp": now_ms() / 1_000 + 100}));
    for token in [before, token_issued("eve", now_ms() - 60_000), without] {
        refuses(&gateway, json!({"token": token}), "unauthenticated", 4003).await;
    }
    // As soon as a token can be issued in a later second, it works; another user's always does.
    eventually("a newer token", async || {
        let (_, reply) = gateway.hello(json!({"token": token("eve")})).await;
        (reply["type"] == "welcome").then_some(())
    })
    .await;
    gateway.user("bob").await;
}

#[tokio::test]
async fn a_revoked_token_does_not_refresh_and_no_iat_is_as_good_as_any_before_a_revocation() {
    let gateway = gateway().await;
    let without = token_of(&json!({"sub": "eve", "exp": now_ms() / 1_000 + 100}));
    let mut eve = gateway.holder(&without).await;
    eve.stays().await;
    let old = token("eve");
    revoked(&gateway, "eve").await;
    eve.closed(4504, "unauthenticated").await;
    let mut eve = eventually("a newer token", async || {
        let (client, reply) = gateway.hello(json!({"token": token("eve")})).await;
        (reply["type"] == "welcome").then_some(client)
    })
    .await;
    for revoked in [old, without] {
        eve.refused(json!({"type": "refresh", "token": revoked}), "unauthenticated").await;
    }
    eve.stays().await;
}

#[tokio::test]
async fn a_session_that_was_ended_closes_its_sockets_and_its_secret_is_4003() {
    let gateway = gateway().await;
    let (one, two) = (gateway.log_in("eve").await, gateway.log_in("eve").await);
    let (mut first, mut second) = (gateway.connect(one.credential()).await, gateway.connect(two.credential()).await);
    let call = gateway.delete(&format!("/v1/sessions/{}", one.id)).bearer(&two.secret);
    call.send().await.succeeded();
    first.closed(4504, "unauthenticated").await;
    second.stays().await;
    refuses(&gateway, one.credential(), "unauthenticated", 4003).await;
}

#[tokio::test]
async fn who_is_banned_from_the_service_is_4505_live_and_at_hello() {
    let gateway = gateway().await;
    let mut eve = gateway.user("eve").await;
    gateway.put("/v1/users/eve/ban").bearer(API_KEY).send().await.succeeded();
    shows(&eve.closed(4505, "forbidden").await, json!({"id": null}));
    refuses(&gateway, json!({"token": token("eve")}), "forbidden", 4505).await;
}

#[tokio::test]
async fn a_session_never_outlives_the_token_it_was_made_from() {
    let gateway = gateway_with(|config| config.auth.leeway_s = 0).await;
    let expires_s = now_ms() / 1_000 + 2;
    let short = token_of(&json!({"sub": "ada", "iat": now_ms() / 1_000, "exp": expires_s}));
    let session = gateway.log_in_with(&short).await;
    let (mut ada, welcome) = gateway.hello(session.credential()).await;
    shows(&welcome, json!({"type": "welcome", "expires_at": expires_s * 1_000}));
    let error = ada.closed(4003, "token_expired").await;
    assert!(now_ms() >= expires_s * 1_000, "{error}");
    let (mut late, refusal) = gateway.hello(session.credential()).await;
    let code = refusal["code"].as_str().unwrap();
    assert!(["token_expired", "unauthenticated"].contains(&code), "{refusal}");
    assert_eq!(late.ending().await.code, 4003);
}

#[tokio::test]
async fn a_session_slides_while_it_is_in_use_and_ends_when_it_is_not() {
    let gateway = gateway_with(|config| config.auth.session_sliding_s = 2).await;
    let used = Login::of(&gateway.post("/v1/sessions").json(&json!({"guest": {}})).send().await.succeeded());
    let unused = gateway.guest().await;
    let mut client = gateway.connect(used.credential()).await;
    eventually("the unused session ends", async || {
        tokio::time::sleep(Duration::from_millis(2_300)).await;
        let (mut late, reply) = gateway.hello(unused.credential()).await;
        (reply["code"] == "unauthenticated" && late.ending().await.code == 4003).then_some(())
    })
    .await;
    client.stays().await;
    gateway.connect(used.credential()).await;
}

#[tokio::test]
async fn a_session_carries_the_grants_of_its_token() {
    let gateway = gateway().await;
    let token = crate::harness::token_with("ada", &[("r", "join"), ("own", "join send")]);
    let session = gateway.log_in_with(&token).await;
    let (mut ada, welcome) = gateway.hello(session.credential()).await;
    shows(&welcome, json!({"user": {"id": "ada"}, "session": {"id": session.id}}));
    ada.joins("r").await;
    ada.refused(json!({"type": "send", "room": "r", "data": 1}), "forbidden").await;
    ada.says("own", 1).await;
}

#[tokio::test]
async fn a_session_that_is_refreshed_by_a_token_has_its_rights_from_then_on() {
    let gateway = gateway().await;
    let session = gateway.log_in_with(&crate::harness::token_with("ada", &[("r", "join")])).await;
    let mut ada = gateway.connect(session.credential()).await;
    ada.joins("r").await;
    let more = crate::harness::token_with("ada", &[("r", "join send")]);
    shows(&ada.ask(json!({"type": "refresh", "token": more})).await, json!({"type": "refreshed"}));
    ada.says("r", 1).await;
}

#[tokio::test]
async fn a_revocation_while_the_hello_is_under_way_is_not_missed() {
    let gateway = gateway().await;
    for _ in 0..10 {
        let old = token("eve");
        let mut clients = Vec::new();
        for _ in 0..10 {
            let mut client = gateway.socket().await;
            client.send(json!({"type": "hello", "id": 1, "token": old})).await;
            clients.push(client);
        }
        revoked(&gateway, "eve").await;
        for client in &mut clients {
            // Refused, or welcome and closed at once: in no case does it live on.
            let ending = client.ending().await;
            assert!([4003, 4504].contains(&ending.code), "{ending:?}");
        }
    }
}
