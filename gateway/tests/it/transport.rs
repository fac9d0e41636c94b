//! Protocol §1: the upgrade, and what a frame is.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::DEADLINE;
use crate::frames::shows;
use crate::harness::{Gateway, now_ms, token, token_with};
use crate::plain_http;
use crate::raw::{TEXT, frame};

const PROTOCOL: &str = "sec-websocket-protocol";

/// JSON of this many arrays, one in another.
fn nested(arrays: usize) -> String {
    format!("{}{}", "[".repeat(arrays), "]".repeat(arrays))
}

#[tokio::test]
async fn an_offered_subprotocol_is_echoed() {
    let gateway = Gateway::start().await;
    for offer in ["hubbub.v1", "chat, hubbub.v1", "hubbub.v1, hubbub.v2"] {
        let mut client = gateway.socket_with(&[(PROTOCOL, offer)]).await;
        assert_eq!(client.upgrade.headers()[PROTOCOL], "hubbub.v1");
        let welcome = client.ask(json!({"type": "hello", "token": token("ada")})).await;
        shows(&welcome, json!({"type": "welcome"}));
    }
}

#[tokio::test]
async fn a_client_that_offers_no_subprotocol_speaks_the_same_language() {
    let gateway = Gateway::start().await;
    let mut client = gateway.socket().await;
    assert!(!client.upgrade.headers().contains_key(PROTOCOL));
    shows(&client.ask(json!({"type": "hello", "token": token("ada")})).await, json!({"type": "welcome"}));
}

#[tokio::test]
async fn a_client_that_offers_only_unknown_subprotocols_is_refused_with_400_and_json() {
    let gateway = Gateway::start().await;
    for offer in ["hubbub.v2", "graphql-ws, chat", "HUBBUB"] {
        let answer = plain_http::upgrade(gateway.address(), &[(PROTOCOL, offer)]).await;
        assert_eq!(answer.status, 400, "{offer}: {answer:?}");
        let error = &answer.json()["error"];
        assert!(error["code"].is_string() && error["message"].is_string(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_browsers_offer_of_compression_is_left_alone() {
    let gateway = Gateway::start().await;
    let offer = ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits");
    let answer = plain_http::upgrade(gateway.address(), &[offer, (PROTOCOL, "hubbub.v1")]).await;
    assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, None), "{answer:?}");
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

#[tokio::test]
async fn what_a_client_says_before_it_has_the_answer_to_the_upgrade_is_heard() {
    let gateway = Gateway::start().await;
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let upgrade = "GET /v1/ws HTTP/1.1\r\nhost: hubbub\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let hello = frame(TEXT, true, json!({"type": "hello", "token": token("ada")}).to_string().as_bytes());
    socket.write_all(&[upgrade.as_bytes(), &hello].concat()).await.unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("welcome") {
        assert_ne!(timeout(DEADLINE, socket.read_buf(&mut heard)).await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn a_plain_request_to_the_socket_is_refused_and_the_gateway_serves_on() {
    let gateway = Gateway::start().await;
    let answer = plain_http::get(gateway.address(), "/v1/ws", &[]).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(answer.json()["error"]["message"].is_string(), "{answer:?}");
    let without_key = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")];
    let answer = plain_http::get(gateway.address(), "/v1/ws", &without_key).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    gateway.user("ada").await.hears_nothing().await;
}

#[tokio::test]
async fn several_frames_may_share_a_write_and_never_several_objects_a_frame() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    ada.text(r#"{"type":"ping","id":1}{"type":"ping","id":2}"#).await;
    ada.closed(4501, "bad_request").await;
    let mut bob = gateway.user("bob").await;
    bob.burst((1..=20).map(|id| json!({"type": "ping", "id": id}))).await;
    for id in 1..=20 {
        shows(&bob.reply(id).await, json!({"type": "pong"}));
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored_even_twice() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    ada.text(r#"{"colour":1,"type":"ping","id":7,"colour":[{}],"client":{"x":1}}"#).await;
    shows(&ada.next().await, json!({"type": "pong", "id": 7}));
}

#[tokio::test]
async fn an_unknown_type_is_a_bad_request_and_the_connection_lives() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    for kind in ["shout", "", "SEND", "welcome", "error", "joined"] {
        ada.refused(json!({"type": kind, "room": "general"}), "bad_request").await;
    }
    ada.hears_nothing().await;
}

#[tokio::test]
async fn json_may_be_64_deep_and_not_65() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let send = |id: u32, arrays| format!(r#"{{"type":"send","id":{id},"room":"r","data":{}}}"#, nested(arrays));
    ada.text(send(1, 63)).await;
    shows(&ada.next().await, json!({"type": "sent", "id": 1}));
    for (id, arrays) in [(2, 64), (3, 500), (4, 20_000)] {
        ada.text(send(id, arrays)).await;
        shows(&ada.next().await, json!({"type": "error", "code": "bad_request", "id": id}));
    }
    // Where nobody looks, depth counts too, and a bracket in a text is no depth.
    ada.text(format!(r#"{{"type":"ping","id":5,"x":{}}}"#, nested(64))).await;
    shows(&ada.next().await, json!({"type": "error", "code": "bad_request", "id": 5}));
    ada.text(format!(r#"{{"type":"send","id":6,"room":"r","data":"{}\""}}"#, "[".repeat(100))).await;
    shows(&ada.next().await, json!({"type": "sent", "id": 6}));
}

#[tokio::test]
async fn every_unsigned_32_bit_integer_is_an_id() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    for id in [0, 1, 2_147_483_648, u32::MAX] {
        ada.send(json!({"type": "ping", "id": id})).await;
        shows(&ada.next().await, json!({"type": "pong", "id": id}));
    }
}

#[tokio::test]
async fn what_is_no_unsigned_32_bit_integer_is_a_bad_request_without_an_id() {
    let gateway = Gateway::start().await;
    for id in ["-1", "1.5", "4294967296", "1e99", "99999999999999999999999", r#""7""#, "true", "[1]", "{}", "null"] {
        let mut ada = gateway.user("ada").await;
        ada.text(format!(r#"{{"type":"send","id":{id},"room":"general","data":1}}"#)).await;
        shows(&ada.next().await, json!({"type": "error", "code": "bad_request", "id": null}));
        let head = ada.joins("general").await;
        shows(&head, json!({"seq": 0}));
    }
}

#[tokio::test]
async fn a_known_field_given_twice_is_a_bad_request() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    for (id, twice) in [
        (1, r#"{"type":"ping","type":"ping","id":1}"#),
        (2, r#"{"type":"send","id":2,"room":"r","room":"r","data":1}"#),
        (3, r#"{"type":"send","id":3,"room":"r","data":1,"data":2}"#),
        (4, r#"{"type":"send","id":4,"room":"r","data":1,"key":"a","key":"a"}"#),
        (5, r#"{"id":5,"type":"send","room":"r","data":1,"echo":true,"\u0065cho":true}"#),
        (6, r#"{"type":"join","id":6,"room":"r","limit":1,"limit":1}"#),
        (7, r#"{"type":"history","id":7,"room":"r","limit":1,"limit":1}"#),
        (8, r#"{"type":"unread","id":8,"rooms":["r"],"rooms":["r"]}"#),
    ] {
        ada.text(twice).await;
        shows(&ada.next().await, json!({"type": "error", "code": "bad_request", "id": id}));
    }
    ada.text(r#"{"type":"ping","id":9,"id":9}"#).await;
    shows(&ada.next().await, json!({"type": "error", "code": "bad_request", "id": null}));
    // Inside of `data` nothing is known.
    ada.text(r#"{"type":"send","id":10,"room":"r","data":{"a":1,"a":2}}"#).await;
    shows(&ada.next().await, json!({"type": "sent", "id": 10, "seq": 1}));
}

#[tokio::test]
async fn data_passes_as_text_without_its_white_space() {
    let gateway = Gateway::start().await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let mut ada = gateway.user("ada").await;
    let same = [
        "0",
        "-0",
        "1.0",
        "1E5",
        "1e400",
        "-1e-400",
        "0.10000000000000000555",
        "123456789012345678901234567890123456789012345678901234567890",
        "null",
        "true",
        r#""a \u0041 \/ \ud83d\udc4d \n b""#,
        r#""👍 grün \\ \"""#,
        r#"{"b":1,"a":2,"b":3}"#,
        "[]",
    ];
    let spaced = [(" { \"a b\" : [ 1 ,\t2 ] \r\n, \"c\" : \" d  e \" } ", r#"{"a b":[1,2],"c":" d  e "}"#)];
    let same = same.iter().map(|&data| (data, data));
    let mut said = Vec::new();
    for (data, wanted) in same.chain(spaced) {
        ada.text(format!(r#"{{"type":"send","room":"r","data":{data}}}"#)).await;
        let text = bob.next_text().await;
        assert!(text.contains(&format!(r#""data":{wanted}"#)), "{data} came as {text}");
        said.push(wanted.to_owned());
    }
    bob.send(json!({"type": "history", "room": "r", "id": 1, "limit": 100})).await;
    let history = bob.next_text().await;
    let (mut cy, mut replay) = (gateway.user("cy").await, String::new());
    cy.send(json!({"type": "join", "room": "r", "limit": 100})).await;
    for _ in 0..=said.len() {
        replay.push_str(&cy.next_text().await);
    }
    for wanted in said {
        let wanted = format!(r#""data":{wanted}"#);
        assert!(history.contains(&wanted), "{wanted} is not in {history}");
        assert!(replay.contains(&wanted), "{wanted} is not in {replay}");
    }
}

#[tokio::test]
async fn a_request_without_id_gets_only_the_replies_that_are_news() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    ada.send(json!({"type": "join", "room": "r"})).await;
    shows(&ada.next().await, json!({"type": "joined", "room": "r", "id": null}));
    ada.send(json!({"type": "send", "room": "r", "data": 1, "echo": false})).await;
    shows(&ada.next().await, json!({"type": "sent", "room": "r", "seq": 1, "id": null}));
    for request in [
        json!({"type": "ping"}),
        json!({"type": "pong"}),
        json!({"type": "send", "room": "elsewhere", "data": 1}),
        json!({"type": "signal", "room": "r", "data": 1}),
        json!({"type": "members", "room": "r"}),
        json!({"type": "history", "room": "r"}),
        json!({"type": "unread", "rooms": ["r"]}),
    ] {
        ada.send(request).await;
    }
    ada.hears_nothing().await;
    ada.send(json!({"type": "leave", "room": "r"})).await;
    shows(&ada.next().await, json!({"type": "left", "room": "r", "id": null}));
    ada.hears_nothing().await;
}

#[tokio::test]
async fn failures_without_id_are_told_at_most_once_per_code_and_second() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let before = std::time::Instant::now();
    for _ in 0..30 {
        ada.send(json!({"type": "send", "room": "no room", "data": 1})).await;
        ada.send(json!({"type": "signal", "room": "r", "data": 1})).await;
    }
    // The rules of a signal are looked up, which takes longer than answering a ping.
    let mut errors = Vec::new();
    for code in ["room_invalid", "not_joined"] {
        errors.push(ada.wait_for(|frame| frame["code"] == code).await);
    }
    ada.refused(json!({"type": "signal", "room": "r", "data": 1}), "not_joined").await;
    errors.extend(ada.pending().await);
    let most = 1 + before.elapsed().as_secs() as usize;
    for code in ["room_invalid", "not_joined"] {
        let told = errors.extract_if(.., |error| error["code"] == code).inspect(|error| {
            shows(error, json!({"type": "error", "id": null}));
        });
        let told = told.count();
        assert!((1..=most).contains(&told), "{code} came {told} times");
    }
    assert!(errors.is_empty(), "{errors:?}");
    for _ in 0..3 {
        ada.refused(json!({"type": "signal", "room": "r", "data": 1}), "not_joined").await;
    }
}

#[tokio::test]
async fn times_are_unix_milliseconds() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.socket().await;
    let before = now_ms();
    let welcome = ada.ask(json!({"type": "hello", "token": token("ada")})).await;
    let sent = ada.says("r", 1).await;
    ada.joins_with("r", json!({"limit": 1})).await;
    let message = ada.expect("message").await;
    let after = now_ms();
    for time in [&welcome["time"], &sent["time"], &message["time"]] {
        assert!((before..=after).contains(&time.as_u64().unwrap()), "{time}");
    }
    assert_eq!(sent["time"], message["time"]);
    assert!((after + 3_590_000..after + 3_610_000).contains(&welcome["expires_at"].as_u64().unwrap()), "{welcome}");
}

#[tokio::test]
async fn a_room_is_called_by_1_to_200_bytes_of_its_alphabet() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-=,.;:/#$+@";
    for name in [alphabet, "r", "-", "/", "..", "a@b", &"r".repeat(200)] {
        ada.joins(name).await;
    }
    let pos = ada.says("r", 1).await["pos"].take();
    for name in ["", " ", "a b", "é", "a*", "a?", "%41", "a\\b", "a\"b", "a\u{0}b", "r\n", "👍", &"r".repeat(201)] {
        for request in [
            json!({"type": "join", "room": name}),
            json!({"type": "leave", "room": name}),
            json!({"type": "send", "room": name, "data": 1}),
            json!({"type": "edit", "room": name, "data": 1, "target": pos}),
            json!({"type": "delete", "room": name, "target": pos}),
            json!({"type": "react", "room": name, "target": pos, "emoji": "👍", "op": "add"}),
            json!({"type": "signal", "room": name, "data": 1}),
            json!({"type": "members", "room": name}),
            json!({"type": "read", "room": name, "pos": pos}),
            json!({"type": "unread", "rooms": [name]}),
            json!({"type": "history", "room": name}),
            json!({"type": "moderate", "room": name, "user": "eve", "action": "kick"}),
        ] {
            ada.refused(request, "room_invalid").await;
        }
    }
}

#[tokio::test]
async fn only_its_user_joins_a_personal_room_and_only_its_user_publishes_there() {
    let gateway = Gateway::start().await;
    let everything = [("*", "join send moderate")];
    let mut bob = gateway.holder(&token_with("bob", &everything)).await;
    let (mut ada, _) = gateway.member("ada", "@ada").await;
    let sent = ada.says("@ada", "to myself").await;
    shows(&ada.expect("message").await, json!({"room": "@ada", "seq": 1}));
    for request in [
        json!({"type": "join", "room": "@ada"}),
        json!({"type": "send", "room": "@ada", "data": 1}),
        json!({"type": "react", "room": "@ada", "target": sent["pos"], "emoji": "👍", "op": "add"}),
        json!({"type": "members", "room": "@ada"}),
        json!({"type": "history", "room": "@ada"}),
        json!({"type": "read", "room": "@ada", "pos": sent["pos"]}),
        json!({"type": "unread", "rooms": ["@ada"]}),
    ] {
        bob.refused(request, "forbidden").await;
    }
    ada.hears_nothing().await;
}

#[tokio::test]
async fn a_guests_id_is_made_by_the_gateway_and_is_never_the_chosen_name() {
    let gateway = Gateway::start().await;
    let mut ids = Vec::new();
    for name in ["ada", "ada", "guest:7"] {
        let mut guest = gateway.socket().await;
        let welcome = guest.ask(json!({"type": "hello", "guest": {"name": name}})).await;
        assert_eq!(welcome["user"]["name"], name, "{welcome}");
        let id = welcome["user"]["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with("guest:") && id != name, "{welcome}");
        assert!(!ids.contains(&id), "{id} was given twice");
        // Theirs is a personal room like everybody's.
        guest.joins(&format!("@{id}")).await;
        ids.push(id);
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn frames_hold_one_reply_for_each_id_whatever_the_mixture() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let request = |id: u32| match id % 5 {
        0 => json!({"type": "ping", "id": id}),
        1 => json!({"type": "send", "id": id, "room": "r", "data": id}),
        2 => json!({"type": "unknown", "id": id}),
        3 => json!({"type": "history", "id": id, "room": "r"}),
        _ => json!({"type": "send", "id": id, "room": "no room", "data": id}),
    };
    ada.burst((0..100).map(request)).await;
    let mut seen: Vec<Value> = Vec::new();
    for _ in 0..100 {
        seen.push(ada.next().await["id"].clone());
    }
    ada.hears_nothing().await;
    seen.sort_by_key(|id| id.as_u64());
    assert_eq!(json!(seen), json!((0..100).collect::<Vec<_>>()));
}
