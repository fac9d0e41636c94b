//! Protocol §6 and §7: what the gateway says by itself, and how connections end.

use std::time::{Duration, Instant};

use hubbub::limits::Quota;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::frames::{has_exactly, shows};
use crate::harness::{Gateway, token};

/// A gateway that is soon worried.
async fn nervous() -> Gateway {
    Gateway::with(|config| config.connection.heartbeat_ms = 200).await
}

#[tokio::test]
async fn a_clients_ping_gets_a_pong() {
    let gateway = Gateway::start().await;
    let mut ada = gateway.user("ada").await;
    let pong = ada.ask(json!({"type": "ping"})).await;
    has_exactly(&pong, "type id");
    shows(&pong, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_one_that_does_not_is_4004() {
    let gateway = nervous().await;
    let mut ada = gateway.user("ada").await;
    let since = Instant::now();
    let mut bob = gateway.user("bob").await;
    bob.ignore_pings();
    // Ada answers while she waits for the reply that never comes before Bob is gone.
    let watch = async {
        let ending = bob.ending().await;
        assert_eq!(ending.code, 4004, "{ending:?}");
        ending
    };
    let ending = tokio::select! {
        ending = watch => ending,
        frame = ada.next() => panic!("{frame}"),
    };
    assert!(since.elapsed() >= Duration::from_millis(400), "{:?}", since.elapsed());
    let (last, pings) = ending.frames.split_last().unwrap();
    shows(last, json!({"type": "error", "code": "bad_request"}));
    assert!(!pings.is_empty() && pings.iter().all(|frame| frame["type"] == "ping"), "{ending:?}");
    ada.hears_nothing().await;
}

#[tokio::test]
async fn any_frame_of_the_client_is_a_sign_of_life_websocket_pongs_too() {
    let gateway = nervous().await;
    let (mut ada, mut bob) = (gateway.user("ada").await, gateway.user("bob").await);
    ada.ignore_pings();
    bob.ignore_pings();
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1_200) {
        // Each answers the gateway's pings with something of its own.
        shows(&ada.next().await, json!({"type": "ping"}));
        ada.message(Message::Pong("".into())).await;
        shows(&bob.next().await, json!({"type": "ping"}));
        bob.send(json!({"type": "send", "room": "r", "data": 1})).await;
    }
    ada.send(json!({"type": "ping", "id": 1})).await;
    shows(&ada.reply(1).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_ping_comes_also_while_the_client_talks_and_nothing_is_sent_to_it() {
    let gateway = nervous().await;
    let mut ada = gateway.user("ada").await;
    ada.ignore_pings();
    let talk = async {
        loop {
            ada.send(json!({"type": "send", "room": "r", "data": 1})).await;
            if let Ok(frame) = tokio::time::timeout(Duration::from_millis(20), ada.next()).await {
                return frame;
            }
        }
    };
    shows(&tokio::time::timeout(crate::client::DEADLINE, talk).await.unwrap(), json!({"type": "ping"}));
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_and_sends_everybody_away_in_time() {
    let gateway = Gateway::with(|config| config.server.drain_ms = 600).await;
    let mut clients = Vec::new();
    for user in ["ada", "bob", "cy"] {
        clients.push(gateway.member(user, "r").await.0);
    }
    let since = Instant::now();
    let stopping = tokio::spawn(gateway.stop());
    for client in &mut clients {
        let draining = client.expect("draining").await;
        has_exactly(&draining, "type reconnect_within_ms");
        assert!((0..=600).contains(&draining["reconnect_within_ms"].as_u64().unwrap()), "{draining}");
    }
    // The connections live until they are closed.
    clients[0].says("r", 1).await;
    for client in &mut clients {
        shows(&client.expect("message").await, json!({"seq": 1}));
    }
    for client in &mut clients {
        client.closed(4001, "unavailable").await;
    }
    stopping.await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_gateway_whose_clients_have_all_gone_stops_at_once() {
    let gateway = Gateway::with(|config| config.server.drain_ms = 3_600_000).await;
    let mut ada = gateway.user("ada").await;
    let (since, stopping) = (Instant::now(), tokio::spawn(gateway.stop()));
    ada.expect("draining").await;
    drop(ada);
    stopping.await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn who_goes_on_through_the_rate_limits_is_4009_and_stays_away_for_a_while() {
    let gateway = Gateway::with(|config| {
        config.limits.user_send = Some(Quota { per_s: 0.1, burst: 2 });
        config.limits.penalty_strikes = 5;
        config.limits.penalty_ms = 700;
    })
    .await;
    let mut eve = gateway.user("eve").await;
    eve.burst((0..30).map(|id| json!({"type": "send", "id": id, "room": "r", "data": 1}))).await;
    let ending = eve.ending().await;
    assert_eq!(ending.code, 4009, "{ending:?}");
    let (last, replies) = ending.frames.split_last().unwrap();
    shows(last, json!({"type": "error", "code": "rate_limited", "id": null}));
    assert!(last["retry_after_ms"].as_u64().unwrap() <= 700, "{last}");
    assert_eq!(replies.iter().filter(|reply| reply["type"] == "sent").count(), 2, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply["type"] != "sent") {
        shows(reply, json!({"type": "error", "code": "rate_limited"}));
        assert!(reply["retry_after_ms"].as_u64().unwrap() > 0, "{reply}");
    }
    // Back too soon: the same close, with the time that is left.
    let mut again = gateway.socket().await;
    again.send(json!({"type": "hello", "id": 1, "token": token("eve")})).await;
    let error = again.closed(4009, "rate_limited").await;
    let left_ms = error["retry_after_ms"].as_u64().unwrap();
    assert!((1..=700).contains(&left_ms), "{error}");
    gateway.user("bob").await.hears_nothing().await;
    tokio::time::sleep(Duration::from_millis(left_ms)).await;
    gateway.user("eve").await.hears_nothing().await;
}

#[tokio::test]
async fn too_many_hellos_from_one_address_are_4009() {
    let gateway = Gateway::with(|config| {
        config.limits.address_hello = Some(Quota { per_s: 0.7, burst: 3 });
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from_there = [("x-forwarded-for", "203.0.113.7")];
    let hello = json!({"type": "hello", "id": 1, "token": token("ada")});
    for _ in 0..3 {
        let mut ada = gateway.socket_with(&from_there).await;
        ada.send(hello.clone()).await;
        ada.expect("welcome").await;
    }
    let mut ada = gateway.socket_with(&from_there).await;
    ada.send(hello.clone()).await;
    let error = ada.closed(4009, "rate_limited").await;
    shows(&error, json!({"id": 1}));
    gateway.user("somewhere-else").await;
    tokio::time::sleep(Duration::from_millis(error["retry_after_ms"].as_u64().unwrap())).await;
    let mut ada = gateway.socket_with(&from_there).await;
    ada.send(hello).await;
    ada.expect("welcome").await;
}
