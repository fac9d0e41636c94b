//! `/v1/users`: the application logs people out everywhere, or keeps them out.

use serde_json::json;

use crate::calls::{API_KEY, eventually, gateway, token_issued};
use crate::harness::{now_ms, token};

#[tokio::test]
async fn who_is_logged_out_everywhere_needs_a_newer_token() {
    let gateway = gateway().await;
    let old_token = token("eve");
    let login = gateway.log_in("eve").await;
    let mut by_token = gateway.connect(json!({"token": old_token})).await;
    let mut by_session = gateway.connect(login.credential()).await;
    let mut bystander = gateway.connect(json!({"token": token("ada")})).await;

    let call = gateway.delete("/v1/users/eve/sessions").bearer(API_KEY);
    let answer = call.send().await.succeeded();
    let revoked_before = answer["revoked_before"].as_u64().unwrap();
    assert!(revoked_before.abs_diff(now_ms()) <= 20_000, "{answer}");
    assert_eq!((by_token.ending().await.code, by_session.ending().await.code), (4504, 4504));
    bystander.stays().await;

    for credential in [json!({"token": old_token}), login.credential()] {
        let (mut refused, reply) = gateway.hello(credential).await;
        assert_eq!((&reply["code"], refused.ending().await.code), (&json!("unauthenticated"), 4003));
    }
    let call = gateway.post("/v1/sessions").bearer(&old_token);
    call.send().await.failed(401, "unauthenticated");
    let call = gateway.get("/v1/sessions").bearer(&login.secret);
    call.send().await.failed(401, "unauthenticated");

    let new_token = token_issued("eve", revoked_before);
    gateway.connect(json!({"token": new_token})).await;
    gateway.log_in_with(&new_token).await;
}

#[tokio::test]
async fn who_is_banned_from_the_service_comes_in_by_no_way() {
    let gateway = gateway().await;
    let login = gateway.log_in("eve").await;
    let mut by_token = gateway.connect(json!({"token": token("eve")})).await;
    let mut by_session = gateway.connect(login.credential()).await;

    let ban = || gateway.put("/v1/users/eve/ban").bearer(API_KEY);
    assert_eq!(ban().send().await.succeeded(), json!({"user": "eve", "banned": true}));
    assert_eq!((by_token.ending().await.code, by_session.ending().await.code), (4505, 4505));
    for credential in [json!({"token": token("eve")}), login.credential()] {
        let (mut refused, reply) = gateway.hello(credential).await;
        assert_eq!((&reply["code"], refused.ending().await.code), (&json!("forbidden"), 4505));
    }
    gateway.post("/v1/sessions").bearer(&token("eve")).send().await.failed(403, "forbidden");
    gateway.get("/v1/sessions").bearer(&login.secret).send().await.failed(403, "forbidden");
    // Others are not concerned, and what was said in the user's name stays.
    gateway.connect(json!({"token": token("ada")})).await;

    let call = gateway.delete("/v1/users/eve/ban").bearer(API_KEY);
    assert_eq!(call.send().await.succeeded(), json!({"user": "eve", "banned": false}));
    gateway.connect(login.credential()).await;
}

#[tokio::test]
async fn a_ban_from_the_service_ends_when_it_was_said_to() {
    let gateway = gateway().await;
    let before_ms = now_ms();
    let call = gateway.put("/v1/users/eve/ban").bearer(API_KEY).json(&json!({"for_ms": 600}));
    let answer = call.send().await.succeeded();
    let until = answer["until"].as_u64().unwrap();
    assert!((before_ms + 600..=now_ms() + 600).contains(&until), "{answer}");
    eventually("the ban ends", async || {
        let response = gateway.post("/v1/sessions").bearer(&token("eve")).send().await;
        (response.status == 200).then_some(())
    })
    .await;
    assert!(now_ms() >= until);
}

#[tokio::test]
async fn users_are_named_by_what_can_be_a_user_id() {
    let gateway = gateway().await;
    gateway.delete("/v1/users/a%20b/sessions").bearer(API_KEY).send().await.failed(400, "bad_request");
    gateway.put("/v1/users/%21control/ban").bearer(API_KEY).send().await.failed(400, "bad_request");
    let call = gateway.delete("/v1/users/a%2Fb%23c/sessions").bearer(API_KEY);
    assert_eq!(call.send().await.succeeded()["user"], "a/b#c");
}
