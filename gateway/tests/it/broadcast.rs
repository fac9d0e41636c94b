//! `/v1/broadcast`: one message to many rooms.

use serde_json::{Value, json};

use crate::calls::{API_KEY, gateway};
use crate::harness::token;

#[tokio::test]
async fn a_broadcast_reaches_every_room_and_has_a_result_for_each_in_their_order() {
    let gateway = gateway().await;
    let mut socket = gateway.connect(json!({"token": token("ada")})).await;
    socket.joins("beta").await;
    gateway.publish("beta", json!({"data": "earlier"})).await;
    socket.next_of("message").await;

    let body = json!({"rooms": ["zeta", "beta", "no room", "@ada", "beta"], "data": {"n": 1}, "from": {"user": "ops"}});
    let call = gateway.post("/v1/broadcast").bearer(API_KEY).json(&body);
    let text = call.send().await.body;
    let order = ["zeta", "beta", "no room", "@ada"].map(|room| text.find(&format!("{room:?}:")).unwrap());
    assert!(order.is_sorted(), "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let results = answer["results"].as_object().unwrap();
    assert_eq!(results.len(), 4, "{answer}");
    assert_eq!((&results["zeta"]["seq"], &results["beta"]["seq"]), (&json!(1), &json!(2)));
    assert_eq!(results["no room"]["error"]["code"], "room_invalid");

    let live = socket.next_of("message").await;
    assert_eq!((&live["pos"], &live["data"]), (&results["beta"]["pos"], &json!({"n": 1})));
    assert_eq!(live["from"]["user"], "ops");
    // A room that was named twice got it once.
    gateway.publish("beta", json!({"data": "later"})).await;
    assert_eq!(socket.next_of("message").await["data"], "later");
}

#[tokio::test]
async fn a_broadcast_that_is_repeated_with_its_key_publishes_nothing_twice() {
    let gateway = gateway().await;
    let rooms: Vec<String> = (0..300).map(|number| format!("room-{number}")).collect();
    let broadcast = async |rooms: &[String]| {
        let body = json!({"rooms": rooms, "data": 1, "key": "news-1"});
        let call = gateway.post("/v1/broadcast").bearer(API_KEY).json(&body);
        call.send().await.succeeded()
    };
    let first = broadcast(&rooms[..200]).await;
    assert!(first["results"].as_object().unwrap().values().all(|result| result["seq"] == 1), "{first}");
    let second = broadcast(&rooms).await;
    for (number, room) in rooms.iter().enumerate() {
        let result = &second["results"][room];
        assert_eq!((&result["seq"], result["duplicate"] == true), (&json!(1), number < 200), "{room}: {result}");
    }
}

#[tokio::test]
async fn the_rooms_of_one_broadcast_are_bounded() {
    let gateway = gateway().await;
    let broadcast = |rooms: Vec<String>| {
        gateway.post("/v1/broadcast").bearer(API_KEY).json(&json!({"rooms": rooms, "data": "x".repeat(30_000)})).send()
    };
    // As many of the longest names as are allowed, with as much data, fit into the body.
    let longest = |count: usize| (0..count).map(|number| format!("{number:r>200}")).collect::<Vec<_>>();
    let answer = broadcast(longest(1_000)).await.succeeded();
    assert!(answer["results"].as_object().unwrap().values().all(|result| result["seq"] == 1));
    broadcast(vec![]).await.failed(400, "bad_request");
    let short: Vec<_> = (0..1_001).map(|number| number.to_string()).collect();
    broadcast(short).await.failed(400, "bad_request");
    broadcast(longest(1_500)).await.failed(413, "too_large");
}
