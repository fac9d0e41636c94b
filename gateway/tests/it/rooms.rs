//! `/v1/rooms`: the application's back end and people without a socket.

use hubbub::limits::Quota;
use serde_json::{Value, json};

use crate::calls::{API_KEY, gateway, gateway_with, named_token};
use crate::harness::{token, token_with};

#[tokio::test]
async fn what_is_published_reaches_sockets_and_history() {
    let gateway = gateway().await;
    let mut socket = gateway.connect(json!({"token": token("ada")})).await;
    socket.joins("general").await;
    let data = json!({"text": "hello", "n": 1});
    let from = json!({"user": "shop", "name": "The Shop"});
    let sent = gateway.publish("general", json!({"data": data, "from": from})).await;
    assert_eq!((sent["seq"].as_u64(), sent.get("duplicate")), (Some(1), None));

    let live = socket.next_of("message").await;
    assert_eq!((&live["pos"], &live["data"], &live["from"]), (&sent["pos"], &data, &from));
    assert_eq!(live["time"], sent["time"]);
    assert_eq!(gateway.history("general").await["entries"], json!([live]));

    // In nobody's name there is no `from`.
    gateway.publish("general", json!({"data": null})).await;
    let live = socket.next_of("message").await;
    assert_eq!((live.get("from"), &live["data"]), (None, &Value::Null));
}

#[tokio::test]
async fn a_key_publishes_once_within_its_api_key() {
    let gateway = gateway().await;
    let first = gateway.publish("general", json!({"data": 1, "key": "order-7"})).await;
    let again = gateway.publish("general", json!({"data": 2, "key": "order-7"})).await;
    assert_eq!(again["duplicate"], true);
    assert_eq!((&again["seq"], &again["pos"], &again["time"]), (&first["seq"], &first["pos"], &first["time"]));
    // A user's key of the same name is another one.
    let mut socket = gateway.connect(json!({"token": token("ada")})).await;
    let sent = socket.ask(json!({"type": "send", "id": 3, "room": "general", "key": "order-7", "data": 3})).await;
    assert_eq!((&sent["seq"], sent.get("duplicate")), (&json!(2), None));
}

#[tokio::test]
async fn a_message_can_be_edited_and_taken_back() {
    let gateway = gateway().await;
    let mut socket = gateway.connect(json!({"token": token("ada")})).await;
    socket.joins("general").await;
    let message = gateway.publish("general", json!({"data": "secret"})).await;
    let path = format!("/v1/rooms/general/messages/{}", message["pos"].as_str().unwrap());

    let call = gateway.patch(&path).bearer(API_KEY).json(&json!({"data": "other", "key": "e"}));
    let edited = call.send().await.succeeded();
    assert_eq!(edited["seq"], 2);
    let live = socket.next_of("edit").await;
    assert_eq!((&live["target"], &live["data"]), (&message["pos"], &json!("other")));

    let call = || gateway.delete(&path).bearer(API_KEY).json(&json!({"key": "d", "from": {"user": "ops"}}));
    let deleted = call().send().await.succeeded();
    assert_eq!(deleted["seq"], 3);
    let live = socket.next_of("delete").await;
    assert_eq!((&live["target"], &live["from"]["user"]), (&message["pos"], &json!("ops")));
    assert_eq!(call().send().await.succeeded()["duplicate"], true);
    // Without its key there is nothing left to delete.
    gateway.delete(&path).bearer(API_KEY).send().await.failed(404, "gone");

    let history = gateway.history("general").await;
    let entries = history["entries"].as_array().unwrap();
    assert!(entries[..2].iter().all(|entry| entry["deleted"] == true && entry.get("data").is_none()), "{history}");
    let nothing = "/v1/rooms/general/messages/nonsense";
    gateway.delete(nothing).bearer(API_KEY).send().await.failed(400, "bad_request");
}

#[tokio::test]
async fn every_name_of_a_room_can_stand_in_a_path() {
    let gateway = gateway().await;
    for room in ["@ada", "a/b", "a#b", "a+b", "a:b;c,d", "$=_-.x", "messages", &"r".repeat(200)] {
        gateway.publish(room, json!({"data": room})).await;
        let history = gateway.history(room).await;
        assert_eq!((&history["room"], &history["entries"][0]["data"]), (&json!(room), &json!(room)));
    }
    for room in ["a%20b", "a%2Ab", "%C3%A9", &"r".repeat(201)] {
        let call = gateway.get(&format!("/v1/rooms/{room}/messages")).bearer(API_KEY);
        call.send().await.failed(400, "room_invalid");
    }
    let call = gateway.get("/v1/rooms/%FF/messages").bearer(API_KEY);
    call.send().await.failed(400, "bad_request");
}

#[tokio::test]
async fn a_signal_reaches_sockets_and_is_not_stored() {
    let gateway = gateway().await;
    let mut socket = gateway.connect(json!({"token": token("ada")})).await;
    socket.joins("general").await;
    let call = gateway.post("/v1/rooms/general/signals").bearer(API_KEY);
    let call = call.json(&json!({"data": {"typing": true}, "from": {"user": "bot"}}));
    assert_eq!(call.send().await.succeeded(), json!({}));
    let signal = socket.next_of("signal").await;
    assert_eq!((&signal["data"], &signal["from"]["user"]), (&json!({"typing": true}), &json!("bot")));
    assert_eq!(gateway.history("general").await["entries"], json!([]));
}

#[tokio::test]
async fn history_is_that_of_the_socket_page_by_page() {
    let gateway = gateway().await;
    for number in 1..=5 {
        gateway.publish("general", json!({"data": number})).await;
    }
    let login = gateway.log_in("ada").await;
    let page = async |query: &str| {
        let call = gateway.get(&format!("/v1/rooms/general/messages{query}")).bearer(&login.secret);
        call.send().await.succeeded()
    };
    let numbers = |page: &Value| -> Vec<u64> {
        page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect()
    };
    let newest = page("?limit=2").await;
    assert_eq!((numbers(&newest), &newest["more"], &newest["trimmed"]), (vec![4, 5], &json!(true), &json!(false)));
    let mut socket = gateway.connect(login.credential()).await;
    let mut frame = socket.ask(json!({"type": "history", "id": 2, "room": "general", "limit": 2})).await;
    frame.as_object_mut().unwrap().retain(|field, _| !matches!(field.as_str(), "type" | "id"));
    assert_eq!(newest, frame);

    let fourth = newest["entries"][0]["pos"].as_str().unwrap();
    let before = page(&format!("?before={fourth}&limit=2")).await;
    assert_eq!(numbers(&before), [2, 3]);
    let second = before["entries"][0]["pos"].as_str().unwrap();
    let after = page(&format!("?after={second}")).await;
    assert_eq!((numbers(&after), &after["more"]), (vec![3, 4, 5], &json!(false)));

    for (query, status, code) in [
        (format!("?before={fourth}&after={second}"), 400, "bad_request"),
        ("?before=nonsense".to_owned(), 400, "bad_request"),
        ("?limit=many".to_owned(), 400, "bad_request"),
        ("?after=other-3-log".to_owned(), 404, "gone"),
    ] {
        let call = gateway.get(&format!("/v1/rooms/general/messages{query}")).bearer(&login.secret);
        call.send().await.failed(status, code);
    }
}

#[tokio::test]
async fn people_read_only_rooms_that_they_may_join() {
    let gateway = gateway().await;
    gateway.publish("@ada", json!({"data": "for ada alone"})).await;
    let path = "/v1/rooms/%40ada/messages";
    let (ada, eve) = (gateway.log_in("ada").await, gateway.log_in("eve").await);
    let history = gateway.get(path).bearer(&ada.secret).send().await.succeeded();
    assert_eq!(history["entries"][0]["data"], "for ada alone");
    gateway.get(path).bearer(&eve.secret).send().await.failed(403, "forbidden");
}

#[tokio::test]
async fn who_is_where_is_told_to_all_but_guests() {
    let gateway = gateway().await;
    let guest = gateway.guest().await;
    let mut sockets = Vec::new();
    for user in ["ada", "bob", "bob", "cyd"] {
        let mut socket = gateway.connect(json!({"token": named_token(user)})).await;
        socket.joins("general").await;
        sockets.push(socket);
    }
    let path = "/v1/rooms/general/members";
    let page = gateway.get(&format!("{path}?limit=2")).bearer(API_KEY).send().await.succeeded();
    let member = |user: &str, connections: u32| json!({"user": user, "name": "A Name", "connections": connections});
    let expected =
        json!({"room": "general", "count": 3, "members": [member("ada", 1), member("bob", 2)], "next": "bob"});
    assert_eq!(page, expected);
    let login = gateway.log_in("ada").await;
    let rest = gateway.get(&format!("{path}?after=bob")).bearer(&login.secret).send().await;
    assert_eq!(rest.succeeded(), json!({"room": "general", "count": 3, "members": [member("cyd", 1)]}));

    gateway.get(path).bearer(&guest.secret).send().await.failed(403, "forbidden");
    let history = gateway.get("/v1/rooms/general/messages").bearer(&guest.secret);
    history.send().await.succeeded();
}

#[tokio::test]
async fn moderators_and_the_back_end_keep_order_and_others_do_not() {
    let gateway = gateway().await;
    let mut eve = gateway.connect(json!({"token": token("eve")})).await;
    eve.joins("team-a").await;
    let path = "/v1/rooms/team-a/moderation";
    let order = |action: &str| json!({"user": "eve", "action": action, "for_ms": 600_000, "reason": "a test"});

    let other = gateway.log_in("bob").await;
    let call = gateway.post(path).bearer(&other.secret).json(&order("ban"));
    call.send().await.failed(403, "forbidden");
    let moderator = gateway.log_in_with(&token_with("mod", &[("team-*", "join send moderate")])).await;
    let call = gateway.post(path).bearer(&moderator.secret).json(&order("mute"));
    assert_eq!(call.send().await.succeeded(), json!({}));
    let send = json!({"type": "send", "id": 5, "room": "team-a", "data": 1});
    assert_eq!(eve.ask(send.clone()).await["code"], "forbidden");
    let call = gateway.post(path).bearer(&moderator.secret).json(&order("unmute"));
    call.send().await.succeeded();
    assert_eq!(eve.ask(send).await["type"], "sent");

    let call = gateway.post(path).bearer(API_KEY).json(&order("ban"));
    call.send().await.succeeded();
    assert_eq!(eve.next_of("removed").await["reason"], "banned");
    let again = eve.ask(json!({"type": "join", "id": 6, "room": "team-a"})).await;
    assert_eq!(again["code"], "forbidden");

    for body in [json!({"user": "eve", "action": "praise"}), json!({"user": "e e", "action": "kick"}), json!({})] {
        let call = gateway.post(path).bearer(API_KEY).json(&body);
        call.send().await.failed(400, "bad_request");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_nothing_is_stored() {
    let gateway = gateway_with(|config| config.connection.data_bytes = 1_000).await;
    let post = |body: Value| gateway.post("/v1/rooms/general/messages").bearer(API_KEY).json(&body).send();
    let name = json!({"user": "ada", "name": "x".repeat(129)});
    for body in [
        json!({"data": "x".repeat(1_000)}),
        json!({"data": 1, "key": "k".repeat(65)}),
        json!({"data": 1, "from": name}),
        // More than any frame may have.
        json!({"data": 1, "other": "x".repeat(80_000)}),
    ] {
        post(body).await.failed(413, "too_large");
    }
    let deep = format!(r#"{{"data":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let call = gateway.post("/v1/rooms/general/messages").bearer(API_KEY).body(deep);
    call.send().await.failed(400, "bad_request");
    assert_eq!(gateway.history("general").await["seq"], 0);
    post(json!({"data": "x".repeat(998)})).await.succeeded();
}

#[tokio::test]
async fn data_passes_through_as_it_came() {
    let gateway = gateway().await;
    let data = r#"{"big":123456789012345678901234567890,"e":1e999,"s":"a  b","u":"\u00e9"}"#;
    let call = gateway.post("/v1/rooms/general/messages").bearer(API_KEY);
    let call = call.header("Content-Type", "application/json").body(format!("{{ \"data\" : {data} }}"));
    call.send().await.succeeded();
    let history = gateway.get("/v1/rooms/general/messages").bearer(API_KEY).send().await;
    assert!(history.body.contains(data), "{history:?}");
}

#[tokio::test]
async fn calls_with_an_api_key_are_limited_by_key() {
    let gateway = gateway_with(|config| config.limits.api = Some(Quota { per_s: 0.1, burst: 3 })).await;
    gateway.publish("general", json!({"data": 1, "key": "k"})).await;
    let history = || gateway.get("/v1/rooms/general/messages").bearer(API_KEY).send();
    history().await.succeeded();
    history().await.succeeded();
    let error = history().await.failed(429, "rate_limited");
    assert!(error["retry_after_ms"].as_u64().unwrap() > 5_000);
    let post = |body: Value| gateway.post("/v1/rooms/general/messages").bearer(API_KEY).json(&body).send();
    post(json!({"data": 2})).await.failed(429, "rate_limited");
    // A duplicate is never refused by a limit.
    assert_eq!(post(json!({"data": 2, "key": "k"})).await.succeeded()["duplicate"], true);
}
