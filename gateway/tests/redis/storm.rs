//! Many who come back at once, in the small.

use futures_util::future::join_all;
use hubbub_testbed::RedisServer;
use serde_json::json;
use tokio::task::block_in_place;

use crate::harness::Gateway;
use crate::replicas::Replicas;

const CLIENTS: usize = 300;
const ROOMS: usize = 10;
const MISSED: usize = 30;
/// A line of the metrics without labels.
async fn metric(gateway: &Gateway, name: &str) -> usize {
    let text = gateway.get("/metrics").send().await.body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_in_a_crowd_misses_nothing_and_shares_reads_with_the_others() {
    let server = block_in_place(RedisServer::start);
    let replicas = Replicas::on(&server.url(), 2).await;
    let (here, there) = (replicas.get(0), replicas.get(1));
    let sessions = join_all((0..CLIENTS).map(async |number| here.log_in(&format!("user-{number}")).await)).await;
    let mut speaker = here.user("speaker").await;
    let mut known = Vec::new();
    for room in 0..ROOMS {
        let room = format!("room-{room}");
        known.push(speaker.says(&room, "known").await["pos"].clone());
        for number in 0..MISSED {
            speaker.says(&room, number).await;
        }
    }

    // The rooms are not open there, so nothing of them is in memory.
    let before = metric(there, "hubbub_log_reads_total").await;
    let back = sessions.iter().enumerate().map(async |(number, session)| {
        let mut client = there.connect(session.credential()).await;
        let room = number % ROOMS;
        let joined = client.joins_with(&format!("room-{room}"), json!({"since": known[room]})).await;
        assert_eq!((&joined["recovered"], &joined["replayed"]), (&json!(true), &json!(MISSED)), "{joined}");
        for number in 0..MISSED {
            assert_eq!(client.wait_for(|frame| frame["type"] == "message").await["data"], number);
        }
        client
    });
    let clients = join_all(back).await;
    assert_eq!(clients.len(), CLIENTS);
    let reads = metric(there, "hubbub_log_reads_total").await - before;
    assert!(reads <= ROOMS, "{reads} reads of {ROOMS} logs");
}
