//! Every refusal is JSON that says what to do, and no call is open to whom it is not for.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::calls::{API_KEY, gateway};
use crate::harness::{Gateway, token};

/// Every call, as the documents tell it.
const CALLS: [&str; 20] = [
    "DELETE /v1/rooms/{room}/messages/{pos}",
    "DELETE /v1/sessions",
    "DELETE /v1/sessions/{id}",
    "DELETE /v1/users/{user}/ban",
    "DELETE /v1/users/{user}/sessions",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "GET /v1/openapi.json",
    "GET /v1/replicas",
    "GET /v1/rooms/{room}/members",
    "GET /v1/rooms/{room}/messages",
    "GET /v1/sessions",
    "PATCH /v1/rooms/{room}/messages/{pos}",
    "POST /v1/broadcast",
    "POST /v1/rooms/{room}/messages",
    "POST /v1/rooms/{room}/moderation",
    "POST /v1/rooms/{room}/signals",
    "POST /v1/sessions",
    "PUT /v1/users/{user}/ban",
];

/// A documented call.
struct Call {
    method: String,
    path: String,
    /// The credentials of which one is needed; none for a call that anybody may make.
    credentials: BTreeSet<String>,
}

/// What `/v1/openapi.json` tells.
async fn documented(gateway: &Gateway) -> Vec<Call> {
    let document = gateway.get("/v1/openapi.json").send().await.succeeded();
    let mut calls = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let ways = operation["security"].as_array().map_or(&[][..], Vec::as_slice);
            let open = ways.is_empty() || ways.iter().any(|way| *way == json!({}));
            let names = ways.iter().flat_map(|way| way.as_object().unwrap().keys().cloned());
            let credentials = if open { BTreeSet::new() } else { names.collect() };
            let method = method.to_uppercase();
            calls.push(Call { method, path: path.clone(), credentials });
        }
    }
    calls
}

impl Call {
    fn filled(&self) -> String {
        let path = self.path.replace("{room}", "general").replace("{user}", "nobody-at-all");
        path.replace("{pos}", "epoch-1-tag").replace("{id}", "unknown")
    }
}

#[tokio::test]
async fn the_description_tells_every_call_and_every_call_that_it_tells_is_there() {
    let gateway = gateway().await;
    let calls = documented(&gateway).await;
    let told: BTreeSet<String> = calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    let expected = CALLS.map(str::to_owned).into_iter().collect();
    assert_eq!(told, expected);
    for call in calls {
        let response = gateway.call(&call.method, &call.filled()).send().await;
        let there = response.status != 405 && !response.body.contains("there is nothing at this path");
        assert!(there, "{} {}: {response:?}", call.method, call.path);
    }
}

#[tokio::test]
async fn the_description_is_a_whole_document() {
    let gateway = gateway().await;
    let document = gateway.get("/v1/openapi.json").send().await.succeeded();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    assert_eq!(document["info"]["title"], "Hubbub");
    // Whatever it refers to is in it.
    let mut waiting = vec![&document];
    let mut references = 0;
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    references += 1;
                }
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(references > 20);
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{operation}");
        }
    }
}

#[tokio::test]
async fn no_call_is_open_to_whom_it_is_not_for() {
    let gateway = gateway().await;
    let (user, guest) = (gateway.log_in("ada").await, gateway.guest().await);
    let mut closed = 0;
    for call in documented(&gateway).await {
        let make = || gateway.call(&call.method, &call.filled());
        if call.credentials.is_empty() {
            continue;
        }
        closed += 1;
        make().send().await.failed(401, "unauthenticated");
        make().bearer("wrong").send().await.failed(401, "unauthenticated");
        make().header("X-API-Key", "wrong").send().await.failed(401, "unauthenticated");
        make().header("X-API-Key", &user.secret).send().await.failed(401, "unauthenticated");
        // A token is exchanged for a session first.
        make().bearer(&token("ada")).send().await.failed(401, "unauthenticated");
        if !call.credentials.contains("session") {
            make().bearer(&user.secret).send().await.failed(403, "forbidden");
            make().bearer(&guest.secret).send().await.failed(403, "forbidden");
        }
        if !call.credentials.contains("api_key") {
            make().bearer(API_KEY).send().await.failed(403, "forbidden");
        }
    }
    assert_eq!(closed, 15);
}

#[tokio::test]
async fn what_cannot_be_understood_is_answered_with_what_is_wrong() {
    let gateway = gateway().await;
    gateway.get("/v1/nothing").send().await.failed(404, "not_found");
    gateway.get("/v1/rooms//messages").bearer(API_KEY).send().await.failed(400, "room_invalid");
    gateway.post("/").send().await.failed(404, "not_found");
    let wrong_method = gateway.put("/v1/broadcast").send().await;
    assert_eq!(wrong_method.header("allow"), Some("POST"));
    wrong_method.failed(405, "method_not_allowed");

    let wrong_method = gateway.post("/v1/ws").send().await;
    wrong_method.failed(405, "method_not_allowed");

    let post = || gateway.post("/v1/rooms/general/messages").bearer(API_KEY);
    let json = || post().header("Content-Type", "application/json");
    let error = post().send().await.failed(400, "bad_request");
    assert!(error["message"].as_str().unwrap().contains("body"), "{error}");
    for (body, says) in [
        ("{", "EOF"),
        ("[]", "one JSON object"),
        ("{}", "`data`"),
        (r#"{"data":1,"data":2}"#, "duplicate field `data`"),
        (r#"{"data":1,"from":{"user":"a b"}}"#, "`from.user`"),
        (r#"{"data":1,"from":{"user":7}}"#, "`from.user`"),
        (r#"{"data":1,"from":["ada"]}"#, "`from`"),
        (r#"{"data":1,"key":""}"#, "`key`"),
    ] {
        let error = json().body(body).send().await.failed(400, "bad_request");
        assert!(error["message"].as_str().unwrap().contains(says), "{body}: {error}");
    }
    let error = json().body(vec![b'{', 0xff]).send().await.failed(400, "bad_request");
    assert!(error["message"].as_str().unwrap().contains("UTF-8"), "{error}");
    post()
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("data=1")
        .send()
        .await
        .failed(415, "unsupported_media_type");
    // A body without a type is taken at its word.
    post().body(r#"{"data":1}"#).send().await.succeeded();
}

#[tokio::test]
async fn no_answer_is_kept_or_taken_for_something_else() {
    let gateway = gateway().await;
    for path in ["/healthz", "/v1/sessions", "/v1/openapi.json", "/nothing", "/metrics"] {
        let response = gateway.get(path).send().await;
        let header = |name: &str| response.header(name).unwrap();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
}
