use std::net::Ipv4Addr;

use axum::routing::get;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
/// Longer than anything here takes, so that a promise that is broken ends the test.
const DEADLINE: Duration = Duration::from_hours(1);

/// The client's end of a connection that is served, and the serving of it.
fn connected(stop: &CancellationToken) -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(1 << 20);
    let router = Router::new().route("/", get(|| async { "here" }));
    let (tasks, stop) = (TaskTracker::new(), stop.clone());
    let counted = tasks.token();
    let serving = Arc::new(Serving { http: http(), router, sockets: None, tasks, stop });
    let conversing = async move {
        speak_http(serving, server, NOWHERE).await;
        drop(counted);
    };
    (client, tokio::spawn(conversing))
}

/// Reads one answer with the body `here`.
async fn answer(client: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"here") {
        assert_ne!(client.read_buf(&mut text).await.unwrap(), 0, "{text:?}");
    }
    String::from_utf8(text).unwrap()
}

/// What still comes until the connection is closed, and after how long it is.
async fn closed(client: &mut DuplexStream) -> (String, Duration) {
    let (began, mut rest) = (Instant::now(), String::new());
    timeout(DEADLINE, client.read_to_string(&mut rest)).await.expect("the connection was not closed").unwrap();
    (rest, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn who_sends_nothing_or_half_a_request_is_closed_after_ten_seconds() {
    let stop = CancellationToken::new();
    for half in [&b""[..], b"GET", b"GET / HTTP/1.1\r\nhost: a\r\n"] {
        let (mut client, _serving) = connected(&stop);
        client.write_all(half).await.unwrap();
        assert_eq!(closed(&mut client).await.1.as_secs(), FIRST_REQUEST.as_secs());
    }
}

#[tokio::test(start_paused = true)]
async fn who_dribbles_a_request_gains_no_time_by_it() {
    let stop = CancellationToken::new();
    let (mut client, serving) = connected(&stop);
    let began = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    while !serving.is_finished() {
        // It fails once the other end is gone.
        let _ = client.write_all(b"a: b\r\n").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(began.elapsed() < DEADLINE);
    }
    assert!(began.elapsed() <= FIRST_REQUEST + Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_rests_for_a_minute_between_two_requests_and_not_for_ever() {
    let stop = CancellationToken::new();
    let (mut client, _serving) = connected(&stop);
    for _ in 0..3 {
        client.write_all(WHOLE).await.unwrap();
        assert!(answer(&mut client).await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    client.write_all(&WHOLE[..20]).await.unwrap();
    let (_, after) = closed(&mut client).await;
    assert!(after <= NEXT_REQUEST, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_or_has_too_many_lines_is_refused_with_431() {
    let stop = CancellationToken::new();
    let large = format!("cookie: {}\r\n", "x".repeat(HEAD_BYTES_MAX));
    for lines in [large, "a: b\r\n".repeat(101)] {
        let (mut client, _serving) = connected(&stop);
        client.write_all(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
        let (refusal, _) = closed(&mut client).await;
        assert!(refusal.starts_with("HTTP/1.1 431"), "{refusal}");
    }
    let (mut client, _serving) = connected(&stop);
    let fits = "x".repeat(HEAD_BYTES_MAX - 200);
    client.write_all(format!("GET / HTTP/1.1\r\ncookie: {fits}\r\n\r\n").as_bytes()).await.unwrap();
    assert!(answer(&mut client).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_a_connection_that_rests_is_closed_at_once() {
    let stop = CancellationToken::new();
    let (mut client, serving) = connected(&stop);
    client.write_all(WHOLE).await.unwrap();
    answer(&mut client).await;
    stop.cancel();
    assert_eq!(closed(&mut client).await, (String::new(), Duration::ZERO));
    serving.await.unwrap();
}

#[tokio::test]
async fn a_thousand_connect_at_once_though_nobody_has_accepted_one_yet() {
    let listener = listen(NOWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    // One for whom there is no place would try for ever.
    let connects = join_all((0..1_000).map(|_| TcpStream::connect(address)));
    let connected = timeout(Duration::from_secs(20), connects).await.expect("some found no place");
    assert!(connected.iter().all(Result::is_ok));
}
