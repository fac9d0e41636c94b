//! Life and death of the process: what it says at start, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its program has failed")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hubbub_testbed::RedisServer;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A gateway in a process of its own, killed at the end of the test.
struct Gateway {
    child: Child,
    address: String,
    /// What it writes to standard error after the address.
    lines: std::sync::mpsc::Receiver<String>,
}

impl Gateway {
    fn start(environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.env_clear().envs(environment.iter().copied());
        Self::run(command)
    }

    /// As `start`, but it may open no more files than this.
    fn start_with_files(files: u32) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_hubbub")]);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        command.args(["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let address = loop {
            let line = lines.recv_timeout(Duration::from_secs(20)).unwrap();
            if let Some((_, address)) = line.split_once("listens on http://") {
                break address.trim_end_matches("\u{1b}[0m").to_owned();
            }
        };
        Self { child, address, lines }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The exit code, once the process ends within the time given.
    async fn exit_code(&mut self, within: Duration) -> i32 {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < deadline, "the gateway did not end within {within:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn wait_for_line(&self, part: &str) {
        while !self.lines.recv_timeout(Duration::from_secs(20)).unwrap().contains(part) {}
    }

    /// A client that has said hello.
    async fn connect(&self) -> WebSocketStream<TcpStream> {
        let socket = TcpStream::connect(&self.address).await.unwrap();
        let url = format!("ws://{}/v1/ws", self.address);
        let (mut client, _) = tokio_tungstenite::client_async(url, socket).await.unwrap();
        let hello = json!({"type": "hello", "id": 1, "guest": {}});
        client.send(Message::text(hello.to_string())).await.unwrap();
        client
    }

    async fn guest(&self) -> WebSocketStream<TcpStream> {
        let mut client = self.connect().await;
        assert_eq!(next(&mut client).await["type"], "welcome");
        client
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn next(client: &mut WebSocketStream<TcpStream>) -> Value {
    let message = tokio::time::timeout(Duration::from_secs(20), client.next()).await.unwrap().unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_signal_sends_everybody_away_and_ends_the_process_well() {
    let mut gateway = Gateway::start(&[("HUBBUB_SERVER__DRAIN_MS", "300")]);
    let mut client = gateway.guest().await;
    gateway.signal("-TERM");

    let draining = next(&mut client).await;
    assert_eq!(draining["type"], "draining");
    assert!(draining["reconnect_within_ms"].as_u64().unwrap() <= 300);
    let error = next(&mut client).await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("unavailable")));
    let close = tokio::time::timeout(Duration::from_secs(20), client.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(close)) = close else { panic!("expected the close, got {close:?}") };
    assert_eq!(u16::from(close.code), 4001);
    drop(client);
    assert_eq!(gateway.exit_code(Duration::from_secs(20)).await, 0);
}

#[tokio::test]
async fn whoever_comes_while_the_gateway_drains_is_sent_on_at_once() {
    let mut gateway = Gateway::start(&[("HUBBUB_SERVER__DRAIN_MS", "60000")]);
    let clients = [gateway.guest().await, gateway.guest().await];
    gateway.signal("-TERM");
    gateway.wait_for_line("draining");

    let mut late = gateway.connect().await;
    let error = next(&mut late).await;
    assert_eq!((&error["code"], &error["id"]), (&json!("unavailable"), &json!(1)));
    assert!(error["retry_after_ms"].as_u64().is_some());
    let Some(Ok(Message::Close(Some(close)))) = late.next().await else { panic!("expected the close") };
    assert_eq!(u16::from(close.code), 4001);
    gateway.signal("-TERM");
    gateway.exit_code(Duration::from_secs(5)).await;
    drop(clients);
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    let mut gateway = Gateway::start(&[("HUBBUB_SERVER__DRAIN_MS", "60000")]);
    let clients = [gateway.guest().await, gateway.guest().await, gateway.guest().await];
    gateway.signal("-TERM");
    gateway.wait_for_line("draining");
    gateway.signal("-TERM");
    assert_eq!(gateway.exit_code(Duration::from_secs(5)).await, 1);
    drop(clients);
}

#[tokio::test]
async fn when_all_files_are_open_it_says_so_once_and_goes_on_when_some_are_closed() {
    let gateway = Gateway::start_with_files(64);
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(TcpStream::connect(&gateway.address).await.unwrap());
    }
    gateway.wait_for_line("connections cannot be accepted");
    drop(sockets);
    gateway.guest().await;
    let again = gateway.lines.try_iter().find(|line| line.contains("cannot be accepted"));
    assert_eq!(again, None);
}

#[test]
fn a_port_in_use_is_one_clear_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_hubbub")).args(["--listen", &address]).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<_> = stderr.lines().filter(|line| line.contains("Error")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    assert!(errors[0].contains(&format!("cannot listen on {address}")) && errors[0].contains("--listen"), "{stderr}");
}

#[test]
fn what_everybody_could_use_is_warned_of_loudly() {
    let output = Command::new(env!("CARGO_BIN_EXE_hubbub"))
        .args(["config", "check"])
        .env_clear()
        .env("HUBBUB_SERVER__LISTEN", "0.0.0.0:8080")
        .env("HUBBUB_AUTH__GUESTS", "always")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("development secret") && said.contains("guests"), "{said}");
}

#[tokio::test]
async fn every_join_is_answered_once_whenever_redis_falls_silent() {
    let redis = RedisServer::start();
    let url = redis.url();
    let gateway = Gateway::start(&[("HUBBUB_REDIS__URL", url.as_str()), ("HUBBUB_BROKER__DEADLINE_MS", "300")]);
    // Where in a join the silence begins is chance, so it falls into several hundred.
    for round in 0..8 {
        let mut client = gateway.connect().await;
        while next(&mut client).await["type"] != "welcome" {
            client = gateway.connect().await;
        }
        let join = |id: u64| json!({"type": "join", "id": id, "room": format!("room-{round}-{id}")});
        let leave = |id: u64| json!({"type": "leave", "id": 100 + id, "room": format!("room-{round}-{id}")});
        for id in 2..=61 {
            client.feed(Message::text(join(id).to_string())).await.unwrap();
        }
        client.flush().await.unwrap();
        let mut answers = BTreeMap::new();
        while answers.len() < 60 {
            let frame = next(&mut client).await;
            if frame["type"] == "joined" && answers.is_empty() {
                redis.pause();
            }
            if let Some(id) = frame["id"].as_u64() {
                *answers.entry(id).or_insert(0) += 1;
            }
        }
        // A room's requests take effect one after the other, so that who has left is done with joining.
        for id in 2..=61 {
            client.feed(Message::text(leave(id).to_string())).await.unwrap();
        }
        client.flush().await.unwrap();
        while answers.len() < 120 {
            if let Some(id) = next(&mut client).await["id"].as_u64() {
                *answers.entry(id).or_insert(0) += 1;
            }
        }
        redis.resume();
        let twice: Vec<_> = answers.into_iter().filter(|(_, count)| *count > 1).collect();
        assert!(twice.is_empty(), "round {round}: requests and how often each was answered: {twice:?}");
    }
}
