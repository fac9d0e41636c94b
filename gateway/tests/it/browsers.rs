//! What pages may do with the cookie that a browser sends along: the gateway's own pages and configured ones all,
//! other sites nothing.

use serde_json::json;

use crate::calls::{gateway, gateway_with};
use crate::harness::{Gateway, token};

const CHAT: &str = "https://chat.example.org";
const EVIL: &str = "https://evil.example";

async fn beside_a_chat() -> Gateway {
    gateway_with(|config| config.server.origins = vec![CHAT.to_owned()]).await
}

#[tokio::test]
async fn the_cookie_changes_something_only_from_a_page_that_may_use_it() {
    let gateway = beside_a_chat().await;
    let login = gateway.log_in("ada").await;
    let end_others = || gateway.delete("/v1/sessions").header("Cookie", login.cookie());
    for origin in [EVIL, "null", "http://localhost"] {
        end_others().header("Origin", origin).send().await.failed(403, "forbidden");
    }
    end_others().send().await.failed(403, "forbidden");
    for origin in [CHAT, &gateway.origin()] {
        end_others().header("Origin", origin).send().await.succeeded();
    }
}

#[tokio::test]
async fn the_cookie_reads_for_everybody_but_pages_of_other_sites() {
    let gateway = beside_a_chat().await;
    let login = gateway.log_in("ada").await;
    let list = || gateway.get("/v1/sessions").header("Cookie", login.cookie());
    list().send().await.succeeded();
    list().header("Origin", CHAT).send().await.succeeded();
    list().header("Origin", EVIL).send().await.failed(403, "forbidden");
}

#[tokio::test]
async fn a_secret_that_no_browser_sends_by_itself_needs_no_origin() {
    let gateway = beside_a_chat().await;
    let login = gateway.log_in("ada").await;
    gateway.delete("/v1/sessions").bearer(&login.secret).send().await.succeeded();
    // The header counts, and the cookie beside it does not.
    let call = gateway.get("/v1/sessions").bearer("wrong").header("Cookie", login.cookie());
    call.send().await.failed(401, "unauthenticated");
    // What a proxy asks for by another scheme is its own business.
    let call = gateway
        .get("/v1/sessions")
        .header("Authorization", "Basic cHJveHk6cGFzc3dvcmQ=")
        .header("Cookie", login.cookie());
    call.send().await.succeeded();
}

#[tokio::test]
async fn a_page_of_another_site_logs_nobody_in() {
    let gateway = beside_a_chat().await;
    let call = gateway.post("/v1/sessions").header("Origin", EVIL).bearer(&token("eve"));
    let response = call.send().await;
    assert!(response.header("set-cookie").is_none());
    response.failed(403, "forbidden");
    // A form of another site can send text, and text is not taken for JSON.
    let call = gateway.post("/v1/sessions").header("Content-Type", "text/plain");
    let call = call.body(json!({"token": token("eve")}).to_string());
    call.send().await.failed(415, "unsupported_media_type");
}

#[tokio::test]
async fn pages_of_configured_origins_may_read_answers_and_other_sites_may_not() {
    let gateway = beside_a_chat().await;
    for (origin, allowed) in [(CHAT, true), (EVIL, false)] {
        let preflight = gateway
            .call("OPTIONS", "/v1/sessions")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "DELETE")
            .header("Access-Control-Request-Headers", "content-type,x-session");
        let answer = gateway.get("/v1/sessions").header("Origin", origin);
        for response in [preflight.send().await, answer.send().await] {
            let shared_with = response.header("access-control-allow-origin");
            assert_eq!(shared_with.is_some_and(|shared_with| shared_with == origin), allowed, "{origin}");
        }
    }
}

#[tokio::test]
async fn without_configured_origins_answers_are_shared_with_nobody() {
    let gateway = gateway().await;
    let response = gateway.get("/v1/sessions").header("Origin", CHAT).send().await;
    assert!(response.header("access-control-allow-origin").is_none());
    let preflight = gateway.call("OPTIONS", "/v1/sessions").header("Origin", CHAT);
    preflight.send().await.failed(405, "method_not_allowed");
}
