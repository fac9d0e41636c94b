//! `/v1/sessions`: logins are made, shown and ended.

use hubbub::limits::Quota;
use serde_json::json;

use crate::calls::{Login, gateway, gateway_with, named_token, token_issued, trust_this_machine};
use crate::harness::{now_ms, token};

#[tokio::test]
async fn a_token_becomes_a_login_that_opens_sockets_and_calls() {
    let gateway = gateway().await;
    let in_body = gateway.post("/v1/sessions").json(&json!({"token": named_token("ada")})).send().await;
    let answer = in_body.succeeded();
    assert_eq!(answer["user"], json!({"id": "ada", "name": "A Name"}));
    let login = Login::of(&answer);
    let in_header = gateway.post("/v1/sessions").bearer(&token("ada")).send().await;
    assert_eq!(in_header.succeeded()["user"]["id"], "ada");

    let (_socket, welcome) = gateway.hello(login.credential()).await;
    assert_eq!((&welcome["type"], &welcome["session"]), (&json!("welcome"), &json!({"id": login.id})));
    for call in [
        gateway.get("/v1/sessions").bearer(&login.secret),
        gateway.get("/v1/sessions").header("X-Session", &login.secret),
        gateway.get("/v1/sessions").header("Cookie", format!("theme=dark; {}", login.cookie())),
    ] {
        assert_eq!(call.send().await.succeeded()["sessions"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_login_ends_with_the_token_that_it_was_made_from() {
    let gateway = gateway().await;
    let issued_ms = now_ms();
    let token = token_issued("ada", issued_ms);
    let answer = gateway.post("/v1/sessions").bearer(&token).send().await.succeeded();
    assert_eq!(answer["expires_at"].as_u64().unwrap() / 1_000, issued_ms / 1_000 + 3_600);
}

#[tokio::test]
async fn scripts_cannot_read_the_cookie_and_it_travels_encrypted_where_the_client_came_so() {
    let gateway = gateway_with(trust_this_machine).await;
    for (proto, secure) in [("https", true), ("http", false)] {
        let call = gateway.post("/v1/sessions").header("X-Forwarded-Proto", proto).bearer(&token("ada"));
        let response = call.send().await;
        let cookie = response.header("set-cookie").unwrap().to_owned();
        let login = Login::of(&response.succeeded());
        let parts: Vec<&str> = cookie.split("; ").collect();
        assert_eq!(parts[0], login.cookie());
        assert!(
            parts.contains(&"HttpOnly") && parts.contains(&"SameSite=Lax") && parts.contains(&"Path=/"),
            "{cookie}"
        );
        let max_age_s: u64 = parts[1].strip_prefix("Max-Age=").unwrap().parse().unwrap();
        assert!((3_590..=3_600).contains(&max_age_s), "{cookie}");
        assert_eq!(parts.contains(&"Secure"), secure, "{cookie}");
    }
}

#[tokio::test]
async fn guests_log_in_where_they_are_let_in() {
    let gateway = gateway().await;
    let call = gateway.post("/v1/sessions").json(&json!({"guest": {"name": "Ada"}}));
    let answer = call.send().await.succeeded();
    assert!(answer["user"]["id"].as_str().unwrap().starts_with("guest:"));
    assert_eq!(answer["user"]["name"], "Ada");

    let long = json!({"guest": {"name": "x".repeat(129)}});
    gateway.post("/v1/sessions").json(&long).send().await.failed(413, "too_large");

    let closed = gateway_with(|config| config.auth.guests = hubbub::config::Guests::Never).await;
    let call = closed.post("/v1/sessions").json(&json!({"guest": {}}));
    call.send().await.failed(401, "unauthenticated");
}

#[tokio::test]
async fn what_is_no_login_is_refused_with_a_reason() {
    let gateway = gateway().await;
    let expired = token_issued("ada", now_ms() - 2 * 3_600_000);
    for (body, status, code) in [
        (json!({}), 401, "unauthenticated"),
        (json!({"token": "x.y.z"}), 401, "unauthenticated"),
        (json!({"token": expired}), 401, "token_expired"),
        (json!({"token": token("ada"), "guest": {}}), 400, "bad_request"),
        (json!({"token": 7}), 400, "bad_request"),
        (json!({"guest": ["Ada"]}), 400, "bad_request"),
    ] {
        gateway.post("/v1/sessions").json(&body).send().await.failed(status, code);
    }
    gateway.post("/v1/sessions").send().await.failed(401, "unauthenticated");
}

#[tokio::test]
async fn logins_are_shown_with_device_and_address_and_never_with_their_secrets() {
    let gateway = gateway().await;
    let (older, newer) = (gateway.log_in("ada").await, gateway.log_in("ada").await);
    gateway.log_in("bob").await;
    let list = gateway.get("/v1/sessions").bearer(&older.secret).send().await;
    let list = list.succeeded();
    let text = list.to_string();
    assert!(!text.contains(&older.secret) && !text.contains(&newer.secret));
    let sessions = list["sessions"].as_array().unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&newer.id, &older.id]);
    for session in sessions {
        assert_eq!((&session["device"], &session["address"]), (&json!("a test"), &json!("127.0.0.1")));
        assert!(session["last_seen"].as_u64() >= session["created_at"].as_u64());
        assert_eq!(session["current"], session["id"] == older.id.as_str());
    }
}

#[tokio::test]
async fn the_address_of_a_login_is_the_clients_own_behind_a_trusted_proxy() {
    let gateway = gateway_with(trust_this_machine).await;
    let login = gateway.log_in("ada").await;
    let call = gateway.get("/v1/sessions").bearer(&login.secret).header("X-Forwarded-For", "6.6.6.6, 192.0.2.7");
    assert_eq!(call.send().await.succeeded()["sessions"][0]["address"], "192.0.2.7");
}

#[tokio::test]
async fn a_login_that_is_ended_closes_its_sockets_and_opens_nothing_any_more() {
    let gateway = gateway().await;
    let (mine, other) = (gateway.log_in("ada").await, gateway.log_in("ada").await);
    let mut my_socket = gateway.connect(mine.credential()).await;
    let mut other_socket = gateway.connect(other.credential()).await;

    let call = gateway.delete(&format!("/v1/sessions/{}", other.id)).bearer(&mine.secret);
    assert_eq!(call.send().await.succeeded(), json!({"ended": [other.id]}));
    assert_eq!(other_socket.ending().await.code, 4504);
    let (mut refused, reply) = gateway.hello(other.credential()).await;
    assert_eq!((&reply["code"], refused.ending().await.code), (&json!("unauthenticated"), 4003));
    let call = gateway.get("/v1/sessions").bearer(&other.secret);
    call.send().await.failed(401, "unauthenticated");
    my_socket.stays().await;

    // Whoever got no answer asks again, and is told that there is nothing left to end.
    let call = gateway.delete(&format!("/v1/sessions/{}", other.id)).bearer(&mine.secret);
    call.send().await.failed(404, "not_found");
}

#[tokio::test]
async fn logging_out_forgets_the_cookie() {
    let gateway = gateway().await;
    let login = gateway.log_in("ada").await;
    let mut socket = gateway.connect(login.credential()).await;
    let call =
        gateway.delete("/v1/sessions/current").header("Cookie", login.cookie()).header("Origin", gateway.origin());
    let response = call.send().await;
    assert!(response.header("set-cookie").unwrap().starts_with("hubbub_session=; Max-Age=0;"));
    assert_eq!(response.succeeded(), json!({"ended": [login.id]}));
    assert_eq!(socket.ending().await.code, 4504);
}

#[tokio::test]
async fn all_logins_but_this_one_can_be_ended() {
    let gateway = gateway().await;
    let (mine, other, third) = (gateway.log_in("ada").await, gateway.log_in("ada").await, gateway.log_in("ada").await);
    let stranger = gateway.log_in("bob").await;
    let mut my_socket = gateway.connect(mine.credential()).await;
    let mut other_socket = gateway.connect(other.credential()).await;
    let mut third_socket = gateway.connect(third.credential()).await;
    let mut strangers_socket = gateway.connect(stranger.credential()).await;
    let mut token_socket = gateway.connect(json!({"token": token("ada")})).await;

    let call = gateway.delete("/v1/sessions").bearer(&mine.secret);
    let answer = call.send().await.succeeded();
    let mut ended: Vec<_> = answer["ended"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let mut expected = [other.id.as_str(), third.id.as_str()];
    ended.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ended, expected);
    assert_eq!((other_socket.ending().await.code, third_socket.ending().await.code), (4504, 4504));
    for socket in [&mut my_socket, &mut strangers_socket, &mut token_socket] {
        socket.stays().await;
    }
}

#[tokio::test]
async fn nobody_ends_somebody_elses_login() {
    let gateway = gateway().await;
    let (ada, eve) = (gateway.log_in("ada").await, gateway.log_in("eve").await);
    for id in [ada.id.as_str(), "unknown", "%2E%2E%2Fx", &"x".repeat(100)] {
        let call = gateway.delete(&format!("/v1/sessions/{id}")).bearer(&eve.secret);
        call.send().await.failed(404, "not_found");
    }
    let mut socket = gateway.connect(ada.credential()).await;
    socket.stays().await;
}

#[tokio::test]
async fn logging_in_is_limited_by_address() {
    let gateway = gateway_with(|config| {
        trust_this_machine(config);
        config.limits.address_hello = Some(Quota { per_s: 0.1, burst: 2 });
    })
    .await;
    let call = |address: &'static str| {
        gateway.post("/v1/sessions").header("X-Forwarded-For", address).json(&json!({"guest": {}})).send()
    };
    call("192.0.2.7").await.succeeded();
    call("192.0.2.7").await.succeeded();
    let error = call("192.0.2.7").await.failed(429, "rate_limited");
    assert!((1..=10_000).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
    call("192.0.2.8").await.succeeded();
    // Whoever has one address of IPv6 has a whole network of them.
    call("2001:db8:1:2::1").await.succeeded();
    call("2001:db8:1:2::2").await.succeeded();
    call("2001:db8:1:2:ffff::3").await.failed(429, "rate_limited");
    call("2001:db8:1:3::1").await.succeeded();
}

#[tokio::test]
async fn guessing_credentials_is_limited_by_address() {
    let gateway = gateway_with(|config| {
        trust_this_machine(config);
        config.limits.address_request = Some(Quota { per_s: 0.1, burst: 2 });
    })
    .await;
    let guess = || gateway.get("/v1/sessions").header("X-Forwarded-For", "192.0.2.7").bearer("guess").send();
    guess().await.failed(401, "unauthenticated");
    guess().await.failed(401, "unauthenticated");
    guess().await.failed(429, "rate_limited");
}
