//! Protocol §2: the hello, the credentials, and what refuses them.

use std::time::{Duration, Instant};

use hubbub::config::Guests;
use serde_json::{Value, json};

use crate::client::Client;
use crate::frames::{has_exactly, shows};
use crate::harness::{Gateway, now_ms, signed, token, token_of, token_with};

/// Says hello and gives the reply, whatever it is.
async fn hello(client: &mut Client, fields: Value) -> Value {
    let mut hello = json!({"type": "hello"});
    hello.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    client.ask(hello).await
}

/// A hello with this credential is answered by this error, and the connection ends with this code.
async fn refuses(gateway: &Gateway, credential: Value, error: &str, code: u16) {
    let mut client = gateway.socket().await;
    let refusal = hello(&mut client, credential.clone()).await;
    assert!(refusal["type"] == "error" && refusal["code"] == error, "{credential}: {refusal}, not {error}");
    let ending = client.ending().await;
    assert!(ending.frames.is_empty(), "{credential}: one error precedes the close, here {:?} came too", ending.frames);
    assert_eq!(ending.code, code, "{credential}");
    // Who is only to wait is told how long.
    assert_eq!(refusal["retry_after_ms"].is_u64(), [4008, 4009].contains(&code), "{credential}: {refusal}");
}

#[tokio::test]
async fn the_welcome_says_what_the_client_has_to_know() {
    let gateway = Gateway::with(|config| {
        config.server.replica = Some("north".to_owned());
        config.connection.heartbeat_ms = 12_345;
        config.connection.rooms = 7;
    })
    .await;
    let mut ada = gateway.socket().await;
    let expires_s = now_ms() / 1_000 + 100;
    let token = token_of(&json!({"sub": "ada", "name": "Ada", "exp": expires_s}));
    let client = json!({"name": "hubbub-js", "version": "1.0.0"});
    let welcome = hello(&mut ada, json!({"token": token, "client": client})).await;
    has_exactly(&welcome, "type id connection replica time expires_at user heartbeat_ms limits");
    shows(
        &welcome,
        json!({
            "type": "welcome",
            "replica": "north",
            "expires_at": expires_s * 1_000,
            "user": {"id": "ada", "name": "Ada"},
            "heartbeat_ms": 12_345,
            "limits": {"frame_bytes": 65_536, "data_bytes": 32_768, "key_bytes": 64, "reply_bytes": 262_144,
                       "rooms": 7, "history": 500, "pipeline": 64},
        }),
    );
    let other = hello(&mut gateway.socket().await, json!({"token": token})).await;
    assert!(welcome["connection"].is_string() && welcome["connection"] != other["connection"], "{other}");
}

#[tokio::test]
async fn a_guest_gets_a_session_whose_secret_is_told_once_and_opens_other_connections() {
    let gateway = Gateway::start().await;
    let made = hello(&mut gateway.socket().await, json!({"guest": {"name": "Ada"}})).await;
    has_exactly(&made["session"], "id secret");
    let secret = made["session"]["secret"].as_str().unwrap();
    let again = hello(&mut gateway.socket().await, json!({"session": secret})).await;
    shows(&again, json!({"user": made["user"], "session": {"id": made["session"]["id"]}}));
    let other = hello(&mut gateway.socket().await, json!({"guest": {"name": "Ada"}})).await;
    assert_ne!(other["user"]["id"], made["user"]["id"]);
    assert_ne!(other["session"]["id"], made["session"]["id"]);
}

#[tokio::test]
async fn without_a_credential_the_cookie_counts_where_the_page_is_of_this_origin_or_a_configured_one() {
    let gateway = Gateway::with(|config| config.server.origins = vec!["https://chat.example.org".to_owned()]).await;
    let made = hello(&mut gateway.socket().await, json!({"guest": {"name": "Ada"}})).await;
    let cookie = format!("theme=dark; hubbub_session={}", made["session"]["secret"].as_str().unwrap());
    let same_origin = format!("http://{}", gateway.address());
    for origin in [same_origin.as_str(), "https://chat.example.org"] {
        let mut client = gateway.socket_with(&[("cookie", &cookie), ("origin", origin)]).await;
        shows(&hello(&mut client, json!({})).await, json!({"type": "welcome", "user": made["user"]}));
    }
    // Nobody vouches for the page where there is no origin.
    let mut client = gateway.socket_with(&[("cookie", &cookie)]).await;
    shows(&hello(&mut client, json!({})).await, json!({"type": "error", "code": "unauthenticated"}));
}

#[tokio::test]
async fn a_cookie_from_a_foreign_origin_is_refused_with_403() {
    let gateway = Gateway::with(|config| config.server.origins = vec!["https://chat.example.org".to_owned()]).await;
    let made = hello(&mut gateway.socket().await, json!({"guest": {"name": "Ada"}})).await;
    let cookie = format!("hubbub_session={}", made["session"]["secret"].as_str().unwrap());
    let port = gateway.address().port();
    for origin in [
        "https://evil.example.org",
        "http://chat.example.org",
        "https://chat.example.org.evil.org",
        "https://chat.example.org:444",
        "null",
        &format!("http://localhost.evil.org:{port}"),
        &format!("http://127.0.0.1:{}", port.wrapping_add(1)),
    ] {
        let headers = [("cookie", cookie.as_str()), ("origin", origin)];
        let answer = crate::plain_http::upgrade(gateway.address(), &headers).await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], "forbidden", "{origin}: {answer:?}");
        // Without the cookie the page may log in with a token.
        let mut client = gateway.socket_with(&[("origin", origin)]).await;
        shows(&hello(&mut client, json!({"token": token("ada")})).await, json!({"type": "welcome"}));
    }
}

#[tokio::test]
async fn a_credential_that_can_never_work_is_4503() {
    let gateway = Gateway::with(|config| config.auth.guests = Guests::Never).await;
    let exp = now_ms() / 1_000 + 100;
    let long = "u".repeat(128);
    for credential in [
        json!({}),
        json!({"guest": {"name": "Ada"}}),
        json!({"token": "not.a.token"}),
        json!({"token": ""}),
        json!({"token": signed(&json!({"sub": "ada", "exp": exp}), "another secret of the required length")}),
        json!({"token": format!("{}x", token("ada"))}),
        json!({"token": token_of(&json!({"exp": exp}))}),
        json!({"token": token_of(&json!({"sub": "ada"}))}),
        json!({"token": token_of(&json!({"sub": 7, "exp": exp}))}),
        json!({"token": token_of(&json!({"sub": "", "exp": exp}))}),
        json!({"token": token_of(&json!({"sub": "a da", "exp": exp}))}),
        json!({"token": token_of(&json!({"sub": long, "exp": exp}))}),
        json!({"token": token_of(&json!({"sub": "guest:ada", "exp": exp}))}),
        json!({"token": token_of(&json!({"sub": "ada", "exp": "soon"}))}),
        json!({"token": token_of(&json!({"sub": "ada", "exp": exp, "rooms": 7}))}),
        // {"alg":"none"}: nobody signed this.
        json!({"token": format!("eyJhbGciOiJub25lIn0.{}.", token("ada").split('.').nth(1).unwrap())}),
    ] {
        refuses(&gateway, credential, "unauthenticated", 4503).await;
    }
    gateway.user(&"u".repeat(127)).await.hears_nothing().await;
}

#[tokio::test]
async fn issuer_and_audience_count_where_they_are_configured() {
    let gateway = Gateway::with(|config| {
        config.auth.issuer = Some("https://id.example.org".to_owned());
        config.auth.audience = Some("chat".to_owned());
    })
    .await;
    let exp = now_ms() / 1_000 + 100;
    let claims = json!({"sub": "ada", "exp": exp, "iss": "https://id.example.org", "aud": ["mail", "chat"]});
    gateway.holder(&token_of(&claims)).await;
    for (claim, value) in [("iss", json!("https://evil.org")), ("aud", json!("mail")), ("iss", json!(null))] {
        let mut claims = claims.clone();
        claims[claim] = value;
        refuses(&gateway, json!({"token": token_of(&claims)}), "unauthenticated", 4503).await;
    }
}

#[tokio::test]
async fn a_token_that_ran_out_or_a_session_nobody_knows_is_4003() {
    let gateway = Gateway::start().await;
    let past = token_of(&json!({"sub": "ada", "exp": now_ms() / 1_000 - 100}));
    refuses(&gateway, json!({"token": past}), "token_expired", 4003).await;
    for secret in ["nobody-knows-this", ""] {
        refuses(&gateway, json!({"session": secret}), "unauthenticated", 4003).await;
    }
}

#[tokio::test]
async fn a_token_of_tomorrow_is_refused() {
    let gateway = Gateway::start().await;
    let now_s = now_ms() / 1_000;
    let tomorrow = token_of(&json!({"sub": "ada", "nbf": now_s + 86_400, "exp": now_s + 90_000}));
    let mut client = gateway.socket().await;
    let refusal = hello(&mut client, json!({"token": tomorrow})).await;
    shows(&refusal, json!({"type": "error", "code": "unauthenticated"}));
    // A fresh credential helps, so the client must not stay away.
    assert_eq!(client.ending().await.code, 4003);
}

#[tokio::test]
async fn requests_may_come_right_behind_the_hello_and_the_welcome_is_answered_first() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.socket().await;
    ada.burst([
        json!({"type": "hello", "id": 1, "token": token("ada")}),
        json!({"type": "ping", "id": 2}),
        json!({"type": "join", "id": 3, "room": "r"}),
        json!({"type": "send", "id": 4, "room": "r", "data": 1}),
    ])
    .await;
    shows(&ada.next().await, json!({"type": "welcome", "id": 1}));
    for (id, kind) in [(2, "pong"), (3, "joined"), (4, "sent")] {
        shows(&ada.reply(id).await, json!({"type": kind}));
    }
    shows(&ada.expect("message").await, json!({"seq": 1}));
}

#[tokio::test]
async fn requests_behind_a_hello_that_fails_are_neither_executed_nor_answered() {
    let gateway = Gateway::start().await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    for credential in ["token", "session"] {
        let mut eve = gateway.socket().await;
        let mut burst = vec![json!({"type": "hello", "id": 1, credential: "wrong"})];
        burst.extend((2..20).map(|id| json!({"type": "send", "id": id, "room": "r", "data": "evil"})));
        eve.burst(burst).await;
        let ending = eve.ending().await;
        assert!(ending.frames.len() == 1 && ending.frames[0]["id"] == 1, "{ending:?}");
    }
    // Whatever was executed would stand before this.
    bob.says("r", 1).await;
    shows(&bob.expect("message").await, json!({"seq": 1}));
}

#[tokio::test]
async fn a_hello_without_id_is_answered_without_id() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.socket().await;
    ada.send(json!({"type": "hello", "token": token("ada")})).await;
    shows(&ada.next().await, json!({"type": "welcome", "id": null}));
    let mut eve = gateway.socket().await;
    eve.send(json!({"type": "hello", "token": "wrong"})).await;
    shows(&eve.closed(4503, "unauthenticated").await, json!({"id": null}));
}

#[tokio::test]
async fn the_first_frame_must_be_hello_and_only_the_first() {
    let gateway = Gateway::start().await;
    for first in [
        json!({"type": "ping", "id": 1}),
        json!({"type": "join", "id": 1, "room": "r"}),
        json!({"type": "nonsense", "id": 1}),
        json!({"type": "refresh", "id": 1, "token": token("ada")}),
    ] {
        let mut client = gateway.socket().await;
        client.burst([first, json!({"type": "hello", "id": 2, "token": token("ada")})]).await;
        client.closed(4502, "bad_request").await;
    }
    let mut ada = gateway.user("ada").await;
    ada.send(json!({"type": "hello", "id": 2, "token": token("ada")})).await;
    ada.closed(4502, "bad_request").await;
}

#[tokio::test]
async fn who_does_not_say_hello_in_time_is_4508() {
    let gateway = Gateway::with(|config| config.connection.hello_timeout_ms = 200).await;
    let since = Instant::now();
    let mut silent = gateway.socket().await;
    let mut welcome = gateway.user("ada").await;
    silent.closed(4508, "bad_request").await;
    assert!(since.elapsed() >= Duration::from_millis(200));
    // A WebSocket ping is no hello.
    let mut silent = gateway.socket().await;
    silent.message(tokio_tungstenite::tungstenite::Message::Ping("x".into())).await;
    silent.closed(4508, "bad_request").await;
    welcome.hears_nothing().await;
}

#[tokio::test]
async fn a_connection_that_is_replaced_is_not_counted_and_closes_once_the_new_one_is_welcome() {
    let gateway = Gateway::with(|config| config.connection.per_user_max = 1).await;
    let mut old = gateway.socket().await;
    let connection = hello(&mut old, json!({"token": token("ada")})).await["connection"].take();
    refuses(&gateway, json!({"token": token("ada")}), "limit_exceeded", 4008).await;
    old.hears_nothing().await;
    // A hello that fails replaces nothing.
    refuses(&gateway, json!({"token": "wrong", "replaces": connection}), "unauthenticated", 4503).await;
    old.hears_nothing().await;
    let mut new = gateway.socket().await;
    let welcome = hello(&mut new, json!({"token": token("ada"), "replaces": connection})).await;
    shows(&welcome, json!({"type": "welcome"}));
    old.closed(4001, "unavailable").await;
    new.hears_nothing().await;
}

#[tokio::test]
async fn another_users_connection_is_not_replaced() {
    let gateway = Gateway::with(|config| config.connection.per_user_max = 1).await;
    let mut ada = gateway.socket().await;
    let connection = hello(&mut ada, json!({"token": token("ada")})).await["connection"].take();
    let mut eve = gateway.socket().await;
    hello(&mut eve, json!({"token": token("eve"), "replaces": connection})).await;
    ada.hears_nothing().await;
    // Nor does it make room beside one of her own.
    refuses(&gateway, json!({"token": token("eve"), "replaces": connection}), "limit_exceeded", 4008).await;
    hello(&mut gateway.socket().await, json!({"token": token("bob"), "replaces": "no such connection"})).await;
    ada.hears_nothing().await;
}

#[tokio::test]
async fn a_full_replica_sends_on_to_another_with_4006() {
    let gateway = Gateway::with(|config| config.server.connections_max = 2).await;
    let (mut ada, bob) = (gateway.user("ada").await, gateway.user("bob").await);
    refuses(&gateway, json!({"token": token("cy")}), "unavailable", 4006).await;
    ada.hears_nothing().await;
    drop(bob);
    // The place is free as soon as the gateway has noticed.
    let freed = async {
        loop {
            if hello(&mut gateway.socket().await, json!({"token": token("cy")})).await["type"] == "welcome" {
                return;
            }
        }
    };
    tokio::time::timeout(crate::client::DEADLINE, freed).await.unwrap();
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let gateway = Gateway::with(|config| {
        config.connection.per_address_max = 2;
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    an_address_is_full(&gateway, ["203.0.113.7", "203.0.113.7", "203.0.113.8", "203.0.113.7"]).await;
    // A network of IPv6 is one customer.
    let network = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "2001:db8:1:3::1", "2001:db8:1:2::3"];
    an_address_is_full(&gateway, network).await;
}

/// The first three of these addresses are welcome, and for the last one there is no room.
async fn an_address_is_full(gateway: &Gateway, addresses: [&str; 4]) {
    let mut welcomes = Vec::new();
    for address in addresses {
        let mut client = gateway.socket_with(&[("x-forwarded-for", address)]).await;
        let answer = hello(&mut client, json!({"token": token("ada")})).await;
        if welcomes.len() == 3 {
            shows(&answer, json!({"type": "error", "code": "limit_exceeded"}));
            assert_eq!(client.ending().await.code, 4008);
            break;
        }
        shows(&answer, json!({"type": "welcome"}));
        welcomes.push(client);
    }
    for mut client in welcomes {
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_credential_that_runs_out_ends_the_connection_with_4003() {
    let gateway = Gateway::with(|config| config.auth.leeway_s = 0).await;
    let expires_s = now_ms() / 1_000 + 2;
    let mut ada = gateway.holder(&token_of(&json!({"sub": "ada", "exp": expires_s}))).await;
    let mut bob = gateway.user("bob").await;
    ada.closed(4003, "token_expired").await;
    assert!(now_ms() >= expires_s * 1_000);
    bob.hears_nothing().await;
}

#[tokio::test]
async fn a_refresh_moves_the_expiry_and_the_connection_outlives_the_first_token() {
    let gateway = Gateway::with(|config| config.auth.leeway_s = 0).await;
    let now_s = now_ms() / 1_000;
    let first = token_of(&json!({"sub": "ada", "exp": now_s + 2}));
    let (mut ada, mut bob) = (gateway.holder(&first).await, gateway.holder(&first.clone()).await);
    let fresh = token_of(&json!({"sub": "ada", "exp": now_s + 500}));
    let refreshed = ada.ask(json!({"type": "refresh", "token": fresh})).await;
    has_exactly(&refreshed, "type id expires_at");
    shows(&refreshed, json!({"type": "refreshed", "expires_at": (now_s + 500) * 1_000}));
    bob.closed(4003, "token_expired").await;
    ada.hears_nothing().await;
}

#[tokio::test]
async fn a_refresh_to_a_shorter_credential_ends_the_connection_sooner() {
    let gateway = Gateway::with(|config| config.auth.leeway_s = 0).await;
    let mut ada = gateway.user("ada").await;
    let short = token_of(&json!({"sub": "ada", "exp": now_ms() / 1_000 + 2}));
    shows(&ada.ask(json!({"type": "refresh", "token": short})).await, json!({"type": "refreshed"}));
    ada.closed(4003, "token_expired").await;
}

#[tokio::test]
async fn a_refresh_that_is_refused_changes_nothing() {
    let gateway = Gateway::start().await;
    let (mut ada, _) = gateway.member("ada", "r").await;
    let past = token_of(&json!({"sub": "ada", "exp": now_ms() / 1_000 - 100}));
    ada.refused(json!({"type": "refresh", "token": token("bob")}), "forbidden").await;
    ada.refused(json!({"type": "refresh", "token": "nonsense"}), "unauthenticated").await;
    ada.refused(json!({"type": "refresh", "token": past}), "token_expired").await;
    ada.refused(json!({"type": "refresh"}), "bad_request").await;
    ada.says("r", 1).await;
    shows(&ada.expect("message").await, json!({"from": {"user": "ada"}}));
}

#[tokio::test]
async fn after_a_refresh_the_new_grants_hold_and_rooms_they_no_longer_allow_are_removed_first() {
    let gateway = Gateway::start().await;
    let before = token_with("ada", &[("a", "join send"), ("b", "join send"), ("c", "join")]);
    let mut ada = gateway.holder(&before).await;
    for room in ["a", "b", "c"] {
        ada.joins(room).await;
    }
    ada.refused(json!({"type": "send", "room": "c", "data": 1}), "forbidden").await;
    let after = token_with("ada", &[("a", "join"), ("b", "send"), ("c", "join send")]);
    ada.send(json!({"type": "refresh", "id": 9, "token": after})).await;
    shows(&ada.next().await, json!({"type": "removed", "room": "b", "reason": "revoked"}));
    shows(&ada.next().await, json!({"type": "refreshed", "id": 9}));
    ada.refused(json!({"type": "send", "room": "a", "data": 1}), "forbidden").await;
    ada.refused(json!({"type": "join", "room": "b"}), "forbidden").await;
    ada.says("c", 1).await;
    ada.says("b", 1).await;
    let heard = ada.pending().await;
    assert!(heard.iter().all(|frame| frame["room"] == "c"), "{heard:?}");
}

#[tokio::test]
async fn a_session_cannot_be_refreshed_into_another_user() {
    let gateway = Gateway::start().await;
    let mut guest = gateway.socket().await;
    hello(&mut guest, json!({"guest": {"name": "Ada"}})).await;
    guest.refused(json!({"type": "refresh", "token": token("ada")}), "forbidden").await;
    guest.hears_nothing().await;
}

#[tokio::test]
async fn join_allows_reading_send_allows_writing_and_moderate_allows_ruling() {
    let gateway = Gateway::start().await;
    let mut cy = gateway.user("cy").await;
    let mut cys = Vec::new();
    for _ in 0..5 {
        cys.push(cy.says("r", "by cy").await["pos"].take());
    }
    let requests = |pos: &Value| {
        [
            ("join", json!({"type": "join", "room": "r"})),
            ("join", json!({"type": "history", "room": "r"})),
            ("join", json!({"type": "members", "room": "r"})),
            ("join", json!({"type": "read", "room": "r", "pos": pos})),
            ("join", json!({"type": "unread", "rooms": ["r"]})),
            ("send", json!({"type": "send", "room": "r", "data": 1})),
            ("send", json!({"type": "react", "room": "r", "target": pos, "emoji": "👍", "op": "add"})),
            ("send join", json!({"type": "signal", "room": "r", "data": 1})),
            ("moderate", json!({"type": "moderate", "room": "r", "user": "eve", "action": "kick"})),
            ("moderate", json!({"type": "edit", "room": "r", "target": pos, "data": 2})),
            ("moderate", json!({"type": "delete", "room": "r", "target": pos})),
        ]
    };
    for (rights, pos) in ["join", "send", "moderate", "join send", ""].into_iter().zip(&cys) {
        let user = format!("u-{}", rights.replace(' ', "-"));
        let mut client = gateway.holder(&token_with(&user, &[("r", rights)])).await;
        for (needs, request) in requests(pos) {
            let kind = request["type"].as_str().unwrap();
            let allowed = needs.split(' ').all(|right| rights.split(' ').any(|has| has == right));
            let reply = client.ask(request.clone()).await;
            let is_refused = reply["code"] == "forbidden";
            // Who may send but not join is never in the room, which may be said instead.
            let is_refused = is_refused || (kind == "signal" && reply["code"] == "not_joined");
            assert_eq!(is_refused, !allowed, "{kind} with {rights:?} got {reply}");
        }
    }
}

#[tokio::test]
async fn matching_patterns_count_together_and_replace_the_policy_of_the_kind() {
    let gateway = Gateway::with(|config| {
        crate::harness::kind(config, "closed-*", |kind| kind.join = hubbub::auth::policy::Who::Nobody);
        crate::harness::kind(config, "users-*", |kind| kind.join = hubbub::auth::policy::Who::Users);
    })
    .await;
    let grants = [("closed-*", "join"), ("*-a", "send"), ("open", "send")];
    let mut ada = gateway.holder(&token_with("ada", &grants)).await;
    ada.joins("closed-a").await;
    ada.says("closed-a", 1).await;
    ada.joins("closed-b").await;
    ada.refused(json!({"type": "send", "room": "closed-b", "data": 1}), "forbidden").await;
    ada.refused(json!({"type": "join", "room": "open"}), "forbidden").await;
    ada.joins("no-pattern-fits").await;
    ada.joins("users-x").await;
    let mut bob = gateway.user("bob").await;
    bob.refused(json!({"type": "join", "room": "closed-a"}), "forbidden").await;
    let mut guest = gateway.socket().await;
    hello(&mut guest, json!({"guest": {"name": "Gus"}})).await;
    guest.joins("lobby").await;
    guest.refused(json!({"type": "join", "room": "users-x"}), "forbidden").await;
}

#[tokio::test]
async fn a_hello_with_wrong_fields_is_a_bad_request_and_ends_the_connection() {
    let gateway = Gateway::start().await;
    for fields in [
        json!({"token": 7}),
        json!({"session": {}}),
        json!({"guest": "Ada"}),
        json!({"guest": {"name": 7}}),
        json!({"token": token("ada"), "replaces": 7}),
        json!({"token": token("ada"), "client": "hubbub-js"}),
    ] {
        let mut client = gateway.socket().await;
        let refusal = hello(&mut client, fields.clone()).await;
        assert_eq!(refusal["code"], "bad_request", "{fields}: {refusal}");
        let ending = client.ending().await;
        assert!(ending.frames.is_empty() && [4501, 4502].contains(&ending.code), "{fields}: {ending:?}");
    }
}

#[tokio::test]
async fn a_first_frame_that_is_no_hello_is_told_why() {
    let gateway = Gateway::start().await;
    for (first, why) in [
        (json!({"type": "hello", "id": -1, "token": token("ada")}), "`id`"),
        (json!({"type": "helo", "id": 1}), "helo"),
        (json!({"type": "join", "id": 1, "room": "r"}), "before anything else"),
    ] {
        let mut client = gateway.socket().await;
        client.send(first).await;
        let message = client.closed(4502, "bad_request").await["message"].take();
        assert!(message.as_str().unwrap().contains(why), "{message}");
    }
}
