//! What no client should send: each has its documented answer, and the gateway serves on.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;
use crate::frames::shows;
use crate::harness::{Gateway, token};
use crate::raw::{BINARY, CLOSE, CONTINUATION, PING, TEXT, frame, head, unmasked};

/// A connection made for one bad frame, as the first or behind a hello.
async fn victim(gateway: &Gateway, welcome: bool) -> Client {
    if welcome { gateway.user("eve").await } else { gateway.socket().await }
}

/// Somebody else is served as if nothing had been.
async fn serves_on(gateway: &Gateway) {
    let (mut ada, joined) = gateway.member("ada", "calm").await;
    let sent = ada.says("calm", 1).await;
    assert_eq!(sent["seq"], json!(joined["seq"].as_u64().unwrap() + 1));
    shows(&ada.expect("message").await, json!({"seq": sent["seq"]}));
}

#[tokio::test]
async fn what_is_no_object_with_a_type_is_4501() {
    let gateway = Gateway::start().await;
    for text in [
        "",
        " ",
        "hello",
        "{",
        "}",
        "{]",
        r#"{"type":"ping""#,
        r#"{"type":"ping"}}"#,
        r#"{"type":"ping"}{"type":"ping"}"#,
        r#"{"type":"ping",}"#,
        r#"{type:"ping"}"#,
        "{'type':'ping'}",
        "[]",
        r#"[{"type":"ping"}]"#,
        "7",
        "null",
        r#""ping""#,
        "NaN",
        "{}",
        r#"{"id":1}"#,
        r#"{"Type":"ping","id":1}"#,
        "\u{feff}{\"type\":\"ping\"}",
        "{\"type\":\"ping\",\"x\":\"\u{1}\"}",
        r#"{"type":"ping","x":01}"#,
        r#"{"type":"ping","x":.5}"#,
        r#"{"type":"ping","x":+1}"#,
        r#"{"type":"ping","x":1e}"#,
        r#"{"type":"ping","x":Infinity}"#,
    ] {
        for welcome in [false, true] {
            let mut eve = victim(&gateway, welcome).await;
            eve.text(text).await;
            let ending = eve.ending().await;
            assert_eq!(ending.code, 4501, "{text:?} (welcome: {welcome}): {ending:?}");
            let [error] = &ending.frames[..] else { panic!("{text:?}: {ending:?}") };
            shows(error, json!({"type": "error", "code": "bad_request"}));
        }
    }
    serves_on(&gateway).await;
}

#[tokio::test]
async fn deep_nesting_is_refused_whatever_its_shape() {
    let gateway = Gateway::start().await;
    let mut eve = gateway.user("eve").await;
    for deep in [
        format!("{}{}", r#"{"a":"#.repeat(80), "1".to_owned() + &"}".repeat(80)),
        format!("{}{}", "[".repeat(30_000), "]".repeat(30_000)),
        format!("{}1{}", r#"[{"a":"#.repeat(40), "}]".repeat(40)),
    ] {
        eve.text(format!(r#"{{"type":"send","id":1,"room":"r","data":{deep}}}"#)).await;
        shows(&eve.next().await, json!({"type": "error", "code": "bad_request", "id": 1}));
    }
    // Nothing closes these brackets, so it is no JSON either; both are documented.
    eve.text("[".repeat(60_000)).await;
    eve.closed(4501, "bad_request").await;
    serves_on(&gateway).await;
}

#[tokio::test]
async fn binary_frames_are_4501() {
    let gateway = Gateway::start().await;
    for welcome in [false, true] {
        for bytes in [&b""[..], br#"{"type":"ping","id":1}"#] {
            let mut eve = victim(&gateway, welcome).await;
            eve.message(Message::binary(bytes.to_vec())).await;
            eve.closed(4501, "bad_request").await;
        }
    }
    serves_on(&gateway).await;
}

#[tokio::test]
async fn a_frame_over_frame_bytes_is_4501_or_1009_and_one_at_the_limit_is_read() {
    let gateway = Gateway::start().await;
    let padded = |bytes: usize| {
        let empty = r#"{"type":"ping","id":1,"x":""}"#.len();
        format!(r#"{{"type":"ping","id":1,"x":"{}"}}"#, "x".repeat(bytes - empty))
    };
    let mut ada = gateway.user("ada").await;
    ada.text(padded(65_536)).await;
    shows(&ada.next().await, json!({"type": "pong", "id": 1}));
    for welcome in [false, true] {
        for bytes in [65_537, 70_000, 1_000_000] {
            let mut eve = victim(&gateway, welcome).await;
            eve.text(padded(bytes)).await;
            let ending = eve.ending().await;
            // What was still on its way when the gateway closed may reset the socket before the code is read.
            assert!([4501, 1009, 1006].contains(&ending.code), "{bytes}: {ending:?}");
            assert!(ending.code != 1006 || bytes > 65_537, "{bytes}: {ending:?}");
        }
    }
    // A frame that only claims to be large is refused before it is there.
    let mut eve = gateway.user("eve").await;
    eve.bytes(&[head(TEXT, true, u64::MAX >> 1, true), vec![0; 4]].concat()).await;
    let ending = eve.ending().await;
    assert!([4501, 1009, 1002, 1006].contains(&ending.code), "{ending:?}");
    // So is one in pieces.
    let mut eve = gateway.user("eve").await;
    for piece in 0..3 {
        eve.bytes(&frame(if piece == 0 { TEXT } else { CONTINUATION }, false, &vec![b' '; 30_000])).await;
    }
    let ending = eve.ending().await;
    assert!([4501, 1009, 1006].contains(&ending.code), "{ending:?}");
    serves_on(&gateway).await;
}

#[tokio::test]
async fn text_in_pieces_is_one_frame_and_control_frames_may_stand_between() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let text = r#"{"type":"send","id":5,"room":"r","data":"grün 👍"}"#.as_bytes();
    // Byte by byte, through the middle of characters too.
    for (at, byte) in text.iter().enumerate() {
        let opcode = if at == 0 { TEXT } else { CONTINUATION };
        ada.bytes(&frame(opcode, at + 1 == text.len(), &[*byte])).await;
        if at % 10 == 0 {
            ada.bytes(&frame(PING, true, b"still there?")).await;
        }
    }
    shows(&ada.next().await, json!({"type": "sent", "id": 5, "seq": 1}));
    // Empty pieces are pieces.
    ada.bytes(&frame(TEXT, false, b"")).await;
    ada.bytes(&frame(CONTINUATION, false, br#"{"type":"ping","id":6}"#)).await;
    ada.bytes(&frame(CONTINUATION, true, b"")).await;
    shows(&ada.next().await, json!({"type": "pong", "id": 6}));
}

#[tokio::test]
async fn text_that_is_no_utf8_closes_with_1007() {
    let gateway = Gateway::start().await;
    for welcome in [false, true] {
        for bytes in [&b"{\"type\":\"ping\",\"x\":\"\xff\"}"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x91"] {
            let mut eve = victim(&gateway, welcome).await;
            eve.bytes(&frame(TEXT, true, bytes)).await;
            let ending = eve.ending().await;
            assert_eq!(ending.code, 1007, "{bytes:?}: {ending:?}");
        }
    }
    serves_on(&gateway).await;
}

#[tokio::test]
async fn what_breaks_websocket_itself_ends_the_connection_as_a_fault_of_the_client() {
    let gateway = Gateway::start().await;
    let ping = br#"{"type":"ping","id":1}"#;
    let mut reserved_bit = frame(TEXT, true, ping);
    reserved_bit[0] |= 0x40;
    for (what, bytes) in [
        ("no mask", unmasked(ping)),
        ("an unknown opcode", frame(3, true, ping)),
        ("an unknown control opcode", frame(11, true, b"")),
        ("a reserved bit", reserved_bit),
        ("a continuation of nothing", frame(CONTINUATION, true, ping)),
        ("a second text in the middle of one", [frame(TEXT, false, b"{"), frame(TEXT, true, ping)].concat()),
        ("a ping in pieces", frame(PING, false, b"")),
        ("a ping of 126 bytes", frame(PING, true, &[b'x'; 126])),
        ("a close of one byte", frame(CLOSE, true, b"x")),
        ("a binary beginning", frame(BINARY, false, b"x")),
    ] {
        for welcome in [false, true] {
            let mut eve = victim(&gateway, welcome).await;
            eve.bytes(&bytes).await;
            if what == "a binary beginning" {
                eve.bytes(&frame(CONTINUATION, true, b"x")).await;
            }
            let ending = eve.ending().await;
            assert!([1002, 4501].contains(&ending.code), "{what} (welcome: {welcome}): {ending:?}");
        }
    }
    serves_on(&gateway).await;
}

#[tokio::test]
async fn clients_that_vanish_in_the_middle_of_anything_leave_nothing_behind() {
    let gateway = Gateway::with(|config| config.hub.presence_grace_ms = 100).await;
    let (mut bob, _) = gateway.member("bob", "r").await;
    let send = frame(TEXT, true, br#"{"type":"send","room":"r","data":"whole"}"#);
    for cut in [0, 1, 2, 5, 10, send.len() - 1] {
        let (mut eve, _) = gateway.member("eve", "r").await;
        eve.bytes(&send[..cut]).await;
        drop(eve);
        let mut eve = gateway.socket().await;
        eve.bytes(&send[..cut]).await;
        drop(eve);
    }
    // What was cut off was not carried out, and its users are members no longer.
    bob.says("r", "next").await;
    shows(&bob.expect("message").await, json!({"seq": 1}));
    let gone = async { while bob.ask(json!({"type": "members", "room": "r"})).await["count"] != 1 {} };
    tokio::time::timeout(crate::client::DEADLINE, gone).await.unwrap();
    crate::calls::eventually("Bob's is the only connection", async || {
        (crate::operation::metric(&gateway, "hubbub_connections").await == Some(1.0)).then_some(())
    })
    .await;
    serves_on(&gateway).await;
}

#[tokio::test]
async fn a_close_of_the_client_is_answered() {
    let gateway = Gateway::start().await;
    for welcome in [false, true] {
        let mut client = victim(&gateway, welcome).await;
        client.bytes(&frame(CLOSE, true, &1000_u16.to_be_bytes())).await;
        let ending = client.ending().await;
        assert!(ending.frames.is_empty() && [1000, 1005].contains(&ending.code), "{ending:?}");
    }
    serves_on(&gateway).await;
}

#[tokio::test]
async fn requests_that_are_no_websocket_or_no_http_are_refused() {
    let gateway = Gateway::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /v1/ws HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"GET /v1/ws HTTP/9.9\r\nhost: x\r\n\r\n",
        &b"A".repeat(100_000),
    ] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(crate::client::DEADLINE, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("neither answered nor closed");
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    serves_on(&gateway).await;
}

/// Every request with the fields that it must or may have, and values that none of them can take.
fn requests(pos: &Value) -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({"type": "join", "room": "r", "since": pos, "limit": 1, "presence": true, "receipts": true}), &["room"]),
        (json!({"type": "leave", "room": "r"}), &["room"]),
        (json!({"type": "send", "room": "r", "data": 1, "key": "k", "echo": true}), &["room", "data"]),
        (json!({"type": "edit", "room": "r", "target": pos, "data": 1, "key": "k"}), &["room", "target", "data"]),
        (json!({"type": "delete", "room": "r", "target": pos, "key": "k"}), &["room", "target"]),
        (
            json!({"type": "react", "room": "r", "target": pos, "emoji": "👍", "op": "add", "key": "k"}),
            &["room", "target", "emoji", "op"],
        ),
        (json!({"type": "signal", "room": "r", "data": 1}), &["room", "data"]),
        (json!({"type": "members", "room": "r", "limit": 1, "after": "x"}), &["room"]),
        (json!({"type": "read", "room": "r", "pos": pos}), &["room", "pos"]),
        (json!({"type": "unread", "rooms": ["r"]}), &["rooms"]),
        (json!({"type": "history", "room": "r", "before": pos, "limit": 1}), &["room"]),
        (json!({"type": "history", "room": "r", "after": pos, "limit": 1}), &["room"]),
        (
            json!({"type": "moderate", "room": "r", "user": "bob", "action": "mute", "for_ms": 1, "reason": "x"}),
            &["room", "user", "action"],
        ),
        (json!({"type": "refresh", "token": token("eve")}), &["token"]),
    ]
}

#[tokio::test]
async fn every_field_of_the_wrong_type_is_a_bad_request() {
    let gateway = Gateway::start().await;
    let mut eve = gateway.holder(&crate::harness::token_with("eve", &[("*", "join send moderate")])).await;
    let pos = eve.says("r", 1).await["pos"].take();
    for (request, required) in requests(&pos) {
        for (field, right) in request.as_object().unwrap() {
            for wrong in [
                json!(-1),
                json!(1.5),
                json!(7),
                json!(1e300),
                json!(true),
                json!(""),
                json!({"a": 1}),
                json!([7]),
                json!([]),
                json!(null),
            ] {
                // Data may be anything; what has the right shape is right.
                let same_shape = match (&wrong, right) {
                    (Value::Bool(_), Value::Bool(_)) => true,
                    (Value::Array(rooms), Value::Array(_)) => rooms.is_empty(),
                    (Value::Number(number), Value::Number(_)) => number.is_u64(),
                    (Value::Null, _) => !required.contains(&field.as_str()),
                    _ => false,
                };
                // An empty text is a key, a reason or the name of no room; none of it is a wrong type.
                let is_text = matches!((&wrong, right), (Value::String(_), Value::String(_)));
                if field == "data" || same_shape || (is_text && !["type", "op", "action"].contains(&field.as_str())) {
                    continue;
                }
                let mut request = request.clone();
                request[field] = wrong;
                eve.refused(request, "bad_request").await;
            }
        }
        for field in required {
            let mut request = request.clone();
            request.as_object_mut().unwrap().remove(*field);
            eve.refused(request, "bad_request").await;
        }
    }
    eve.hears_nothing().await;
    serves_on(&gateway).await;
}

#[tokio::test]
async fn huge_numbers_are_bad_requests_where_a_number_is_meant() {
    let gateway = Gateway::start().await;
    let mut eve = gateway.user("eve").await;
    for number in ["1e400", "-1", "0.5", "99999999999999999999999999999999", "1e-400"] {
        for request in [
            format!(r#"{{"type":"join","id":1,"room":"r","limit":{number}}}"#),
            format!(r#"{{"type":"history","id":1,"room":"r","limit":{number}}}"#),
            format!(r#"{{"type":"members","id":1,"room":"r","limit":{number}}}"#),
            format!(r#"{{"type":"moderate","id":1,"room":"r","user":"x","action":"mute","for_ms":{number}}}"#),
        ] {
            eve.text(&request).await;
            let reply = eve.reply(1).await;
            assert_eq!(reply["code"], "bad_request", "{request}: {reply}");
        }
    }
    serves_on(&gateway).await;
}

#[tokio::test]
async fn what_is_over_a_limit_is_too_large_and_nothing_is_stored() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    // The limit counts the data as it is passed on, without white space.
    let data = |bytes: usize| json!("x".repeat(bytes - 2));
    ada.says("r", data(32_768)).await;
    ada.refused(json!({"type": "send", "room": "r", "data": data(32_769)}), "too_large").await;
    let pos = ada.says("r", 1).await["pos"].take();
    ada.refused(json!({"type": "edit", "room": "r", "target": pos, "data": data(32_769)}), "too_large").await;
    let spaces = format!(r#"{{"type":"send","id":1,"room":"r","data":{}{}}}"#, " ".repeat(20_000), data(32_768));
    ada.text(spaces).await;
    shows(&ada.reply(1).await, json!({"type": "sent", "seq": 3}));
    let key = |bytes: usize| "k".repeat(bytes);
    for request in [
        json!({"type": "send", "room": "r", "data": 1}),
        json!({"type": "edit", "room": "r", "target": pos, "data": 1}),
        json!({"type": "delete", "room": "r", "target": pos}),
        json!({"type": "react", "room": "r", "target": pos, "emoji": "👍", "op": "add"}),
    ] {
        let mut request = request.clone();
        request["key"] = json!(key(65));
        ada.refused(request, "too_large").await;
    }
    let sent = ada.ask(json!({"type": "send", "room": "r", "data": 1, "key": key(64)})).await;
    shows(&sent, json!({"type": "sent", "seq": 4}));
    ada.joins("r").await;
    ada.refused(json!({"type": "signal", "room": "r", "data": data(32_769)}), "too_large").await;
}

#[tokio::test]
async fn ten_thousand_joins_are_answered_and_as_many_rooms_joined_as_are_allowed() {
    let gateway = Gateway::start().await;
    let mut eve = gateway.user("eve").await;
    let mut joined = 0;
    for batch in 0..10 {
        let ids = batch * 1_000..(batch + 1) * 1_000;
        eve.burst(ids.clone().map(|id| json!({"type": "join", "id": id, "room": format!("r{id}")}))).await;
        for _ in ids {
            let reply = eve.next().await;
            match reply["type"].as_str().unwrap() {
                "joined" => joined += 1,
                _ => shows(&reply, json!({"type": "error", "code": "limit_exceeded"})),
            }
        }
    }
    assert_eq!(joined, 128);
    serves_on(&gateway).await;
}

#[tokio::test]
async fn a_pipeline_of_ten_thousand_requests_is_answered_in_full() {
    let gateway = Gateway::with(|config| config.connection.pipeline = 8).await;
    let mut ada = gateway.user("ada").await;
    // Written whole before anything is read: the gateway stops reading, and goes on when it has caught up.
    let mut bytes = Vec::new();
    for id in 0..10_000 {
        let request = match id % 4 {
            0 => json!({"type": "ping", "id": id}),
            1 => json!({"type": "send", "id": id, "room": "r", "data": id}),
            2 => json!({"type": "history", "id": id, "room": "other"}),
            _ => json!({"type": "send", "id": id, "room": "no room", "data": id}),
        };
        bytes.extend(frame(TEXT, true, request.to_string().as_bytes()));
    }
    ada.bytes(&bytes).await;
    let mut answered = vec![false; 10_000];
    let mut sents = Vec::new();
    for _ in 0..10_000 {
        let reply = ada.next().await;
        let id = reply["id"].as_u64().unwrap();
        assert!(!std::mem::replace(&mut answered[id as usize], true), "{reply} came twice");
        if reply["type"] == "sent" {
            sents.push((id, reply["seq"].as_u64().unwrap()));
        }
    }
    // Accepted sends get rising seqs in the order sent, whatever the order of the replies.
    sents.sort_unstable();
    assert_eq!(sents.iter().map(|&(_, seq)| seq).collect::<Vec<_>>(), (1..=2_500).collect::<Vec<_>>());
    ada.hears_nothing().await;
}
