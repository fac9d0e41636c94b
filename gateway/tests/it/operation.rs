//! Health, metrics and the page: what balancers, Prometheus and people see.

use std::net::SocketAddr;

use serde_json::json;

use crate::calls::{API_KEY, Call, Login, eventually, gateway, gateway_with};
use crate::frames::has_exactly;
use crate::harness::{Gateway, now_ms, token};

/// The value of one line of the metrics.
pub(crate) async fn metric(gateway: &Gateway, line: &str) -> Option<f64> {
    let text = gateway.get("/metrics").send().await.body;
    let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    value.map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn a_gateway_that_serves_is_alive_and_ready() {
    let gateway = gateway_with(|config| config.server.replica = Some("left".to_owned())).await;
    assert_eq!(gateway.get("/healthz").send().await.succeeded()["status"], "ok");
    for path in ["/readyz", "/readyz?strict"] {
        let ready = gateway.get(path).send().await.succeeded();
        assert_eq!((&ready["status"], &ready["replica"]), (&json!("ready"), &json!("left")));
    }
}

#[tokio::test]
async fn a_gateway_that_drains_is_alive_but_takes_nobody_in() {
    let gateway = gateway_with(|config| config.server.drain_ms = 60_000).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(gateway.connect(json!({"guest": {}})).await);
    }
    let address = gateway.address();
    tokio::spawn(gateway.stop());
    for socket in &mut sockets {
        socket.next_of("draining").await;
    }
    let response = Call::new(address, "GET", "/readyz").send().await;
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    assert_eq!(response.json()["status"], "draining");
    Call::new(address, "GET", "/healthz").send().await.succeeded();
}

#[tokio::test]
async fn gauges_tell_what_is_there_now() {
    let gateway = gateway().await;
    let mut first = gateway.connect(json!({"token": token("ada")})).await;
    let second = gateway.connect(json!({"token": token("ada")})).await;
    first.joins("general").await;
    assert_eq!(metric(&gateway, "hubbub_connections").await, Some(2.0));
    assert_eq!(metric(&gateway, "hubbub_users").await, Some(1.0));
    // The gateway's own control log is a room, too.
    let rooms = metric(&gateway, "hubbub_rooms").await.unwrap();
    assert!((1.0..=2.0).contains(&rooms), "{rooms}");
    drop(second);
    eventually("the connection that left is gone", async || {
        (metric(&gateway, "hubbub_connections").await == Some(1.0)).then_some(())
    })
    .await;
    assert_eq!(metric(&gateway, "hubbub_outbox_bytes").await, Some(0.0));
}

#[tokio::test]
async fn what_happens_is_counted() {
    let gateway = gateway().await;
    let mut ada = gateway.connect(json!({"token": token("ada")})).await;
    let mut bob = gateway.connect(json!({"token": token("bob")})).await;
    ada.joins("general").await;
    bob.joins("general").await;
    for number in 0..3 {
        gateway.publish("general", json!({"data": number})).await;
        ada.next_of("message").await;
        bob.next_of("message").await;
    }
    assert_eq!(ada.ask(json!({"type": "join", "id": 9, "room": "general"})).await["code"], "already_joined");
    let (mut refused, _) = gateway.hello(json!({"token": "nonsense"})).await;
    assert_eq!(refused.ending().await.code, 4503);

    for (line, value) in [
        ("hubbub_entries_heard_total", 3.0),
        ("hubbub_deliveries_total", 6.0),
        ("hubbub_fan_out_seconds_count", 3.0),
        ("hubbub_hellos_total{outcome=\"welcome\"}", 2.0),
        ("hubbub_hellos_total{outcome=\"unauthenticated\"}", 1.0),
        ("hubbub_errors_total{code=\"already_joined\"}", 1.0),
        ("hubbub_closes_total{code=\"4503\"}", 1.0),
        ("hubbub_request_seconds_count{request=\"join\"}", 3.0),
        ("hubbub_http_requests_total{method=\"POST\",route=\"/v1/rooms/{room}/messages\",status=\"200\"}", 3.0),
        ("hubbub_http_request_seconds_count{method=\"POST\",route=\"/v1/rooms/{room}/messages\"}", 3.0),
        ("hubbub_http_requests_total{method=\"GET\",route=\"/v1/ws\",status=\"101\"}", 3.0),
        ("hubbub_dropped_total{kind=\"entry\"}", 0.0),
    ] {
        assert_eq!(metric(&gateway, line).await, Some(value), "{line}");
    }
    // The writer counts behind the socket.
    eventually("two welcomes, two joineds, six messages, two errors", async || {
        (metric(&gateway, "hubbub_frames_written_total").await >= Some(11.0)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_a_slow_client_misses_is_counted_by_kind_and_its_entries_come_later() {
    let gateway = gateway_with(|config| {
        // What the client misses is read from the log again, so all of it is kept.
        config.rooms[0].keep_bytes = 256 << 20;
        config.broker.memory_total_bytes = 512 << 20;
    })
    .await;
    let mut slow = gateway.connect(json!({"token": token("ada")})).await;
    slow.joins("general").await;
    let signal = gateway.post("/v1/rooms/general/signals").bearer(API_KEY).json(&json!({"data": 1}));
    let dropped =
        async |kind: &str| metric(&gateway, &format!("hubbub_dropped_total{{kind=\"{kind}\"}}")).await.unwrap();

    // The kernel takes some megabytes before the outbox fills.
    let mut published = 0;
    while dropped("entry").await == 0.0 {
        assert!(published < 2_000, "nothing was dropped after {published} messages");
        for _ in 0..50 {
            gateway.publish("general", json!({"data": "x".repeat(30_000)})).await;
            published += 1;
        }
    }
    while dropped("signal").await == 0.0 {
        signal.clone().send().await.succeeded();
        gateway.publish("general", json!({"data": "x".repeat(30_000)})).await;
        published += 1;
        assert!(published < 3_000, "no signal was dropped");
    }
    for seq in 1..=published {
        assert_eq!(slow.next_of("message").await["seq"], seq);
    }
}

#[tokio::test]
async fn a_path_or_method_that_somebody_makes_up_is_no_label() {
    let gateway = gateway().await;
    gateway.get("/made-up").send().await.failed(404, "not_found");
    gateway.call("MADEUP", "/v1/sessions").send().await.failed(405, "method_not_allowed");
    let text = gateway.get("/metrics").send().await.body;
    assert!(!text.contains("made-up") && !text.contains("MADEUP"), "{text}");
    assert!(text.contains("method=\"other\",route=\"/v1/sessions\",status=\"405\""), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_can_have_a_listener_of_their_own() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let gateway = gateway_with(|config| config.server.metrics_listen = Some(any)).await;
    gateway.get("/metrics").send().await.failed(404, "not_found");
    gateway.get("/readyz").send().await.succeeded();
    let address = gateway.operator_address();
    let response = Call::new(address, "GET", "/metrics").send().await;
    assert_eq!(response.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(response.body.contains("hubbub_build_info{version="));
    Call::new(address, "GET", "/healthz").send().await.succeeded();
    let call = Call::new(address, "GET", "/v1/rooms/general/members").bearer(API_KEY);
    call.send().await.failed(404, "not_found");
}

#[tokio::test]
async fn a_replica_lists_itself_to_the_applications_back_end_alone() {
    let began_ms = now_ms();
    let gateway = gateway_with(|config| config.server.replica = Some("left".to_owned())).await;
    let mut ada = gateway.connect(json!({"token": token("ada")})).await;
    ada.joins("general").await;
    let replica = eventually("the replica has announced itself and its connection", async || {
        let mut answer = gateway.get("/v1/replicas").bearer(API_KEY).send().await.succeeded();
        let replicas = answer["replicas"].as_array_mut().unwrap();
        (replicas.len() == 1 && replicas[0]["connections"] == 1).then(|| replicas[0].take())
    })
    .await;
    has_exactly(&replica, "id address version connections rooms began_at age_ms");
    assert_eq!((&replica["id"], &replica["version"]), (&json!("left"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(replica["address"], gateway.address().to_string());
    assert!(replica["rooms"].as_u64().unwrap() >= 1 && replica["age_ms"].as_u64().unwrap() < 10_000, "{replica}");
    assert!((began_ms..=now_ms()).contains(&replica["began_at"].as_u64().unwrap()), "{replica}");

    let (login, guest) = (gateway.log_in("ada").await, gateway.post("/v1/sessions").json(&json!({"guest": {}})));
    let guest = Login::of(&guest.send().await.succeeded());
    for login in [login, guest] {
        gateway.get("/v1/replicas").bearer(&login.secret).send().await.failed(403, "forbidden");
    }
    gateway.get("/v1/replicas").send().await.failed(401, "unauthenticated");
}

#[tokio::test]
async fn the_page_is_there_and_runs_nothing_from_elsewhere() {
    let gateway = gateway().await;
    let response = gateway.get("/").send().await;
    assert_eq!(response.status, 200);
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                  manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    assert_eq!(response.header("content-security-policy"), Some(policy));
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    assert!(response.header("content-type").unwrap().starts_with("text/html"));
}
