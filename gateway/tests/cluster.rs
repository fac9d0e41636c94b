//! `make cluster`: several replicas behind a balancer, as processes of this machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot run its program has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hubbub_testbed::{free_port, until};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longer than the script itself waits for anything.
const PATIENCE: Duration = Duration::from_mins(1);

fn script() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cluster"));
    command.stdin(Stdio::null()).env("HUBBUB_BIN", env!("CARGO_BIN_EXE_hubbub"));
    command
}

/// The cluster, ended with the test.
struct Cluster {
    child: Child,
    /// Of the balancer, the three replicas and Redis.
    ports: [u16; 5],
    folder: PathBuf,
    lines: Receiver<String>,
}

impl Cluster {
    fn start(drain_ms: u32) -> Self {
        let ports = [(); 5].map(|()| free_port());
        let [balancer, replicas @ .., redis] = ports.map(|port| port.to_string());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{balancer}"));
        fs::create_dir_all(&folder).unwrap();
        let mut command = script();
        command.env("BALANCER_PORT", balancer).env("REPLICA_PORTS", replicas.join(" ")).env("REDIS_PORT", redis);
        command.env("TMPDIR", &folder).env("HUBBUB_SERVER__DRAIN_MS", drain_ms.to_string());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (sender, lines) = channel();
        let said = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let cluster = Self { child, ports, folder, lines };
        cluster.wait_for_line("Ctrl-C ends all of it");
        cluster
    }

    fn wait_for_line(&self, part: &str) {
        while !self.lines.recv_timeout(PATIENCE).unwrap().contains(part) {}
    }

    /// What Ctrl-C does too, where the signal of Ctrl-C is not ignored, as it is for whatever runs in the background.
    fn ask_to_stop(&self) {
        signal("-TERM", &self.child.id().to_string());
    }

    /// The process of this name, as the script tells it to people.
    fn pid(&self, name: &str) -> String {
        let folder = fs::read_dir(&self.folder).unwrap().next().unwrap().unwrap().path();
        fs::read_to_string(folder.join(format!("{name}.pid"))).unwrap().trim().to_owned()
    }

    /// The exit code, once nothing of it listens any more.
    fn ended(&mut self) -> Option<i32> {
        let code = until("the end of the cluster", || self.child.try_wait().unwrap()).code();
        for port in self.ports {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "something still listens on {port}");
        }
        code
    }

    /// A guest who came through this port, and the replica that took the guest in.
    async fn guest(&self, port: u16) -> (Client, String) {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let url = format!("ws://127.0.0.1:{port}/v1/ws");
        let (mut client, _) = tokio_tungstenite::client_async(url, socket).await.unwrap();
        say(&mut client, json!({"type": "hello", "id": 1, "guest": {}})).await;
        let replica = hear(&mut client, "welcome").await["replica"].as_str().unwrap().to_owned();
        (client, replica)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that failed leaves it running; twice is at once.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.ask_to_stop();
            self.wait_for_line("Stopping");
            self.ask_to_stop();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn signal(name: &str, pid: &str) {
    assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
}

type Client = WebSocketStream<tokio::net::TcpStream>;

async fn say(client: &mut Client, frame: Value) {
    client.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next frame of this type.
async fn hear(client: &mut Client, kind: &str) -> Value {
    loop {
        let message = tokio::time::timeout(PATIENCE, client.next()).await.unwrap().unwrap().unwrap();
        let frame: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_ne!(frame["type"], "error", "{frame}");
        if frame["type"] == kind {
            return frame;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_behind_a_balancer_act_as_one_also_when_one_is_killed() {
    let mut cluster = Cluster::start(8_000);
    let balancer = cluster.ports[0];
    let (mut ada, ada_on) = cluster.guest(balancer).await;
    let (mut bob, bob_on) = cluster.guest(balancer).await;
    assert_ne!(ada_on, bob_on, "the balancer sends whoever comes to the replica with the fewest");
    for client in [&mut ada, &mut bob] {
        say(client, json!({"type": "join", "id": 2, "room": "general"})).await;
        hear(client, "joined").await;
    }
    say(&mut ada, json!({"type": "send", "id": 3, "room": "general", "data": "before"})).await;
    let before = hear(&mut bob, "message").await;
    assert_eq!(before["data"], "before");

    signal("-KILL", &cluster.pid(&bob_on));
    let (mut bob, _) = cluster.guest(balancer).await;
    say(&mut ada, json!({"type": "send", "id": 4, "room": "general", "data": "after"})).await;
    say(&mut bob, json!({"type": "join", "id": 2, "room": "general", "since": before["pos"]})).await;
    assert_eq!(hear(&mut bob, "joined").await["recovered"], true);
    assert_eq!(hear(&mut bob, "message").await["data"], "after");
    cluster.wait_for_line(&format!("{bob_on} is back"));

    cluster.ask_to_stop();
    assert_eq!(cluster.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_twice_does_not_wait_for_clients_that_stay() {
    let mut cluster = Cluster::start(60_000);
    let replica = cluster.ports[1];
    let (_ada, _) = cluster.guest(replica).await;
    cluster.ask_to_stop();
    cluster.wait_for_line("Stopping");
    cluster.ask_to_stop();
    assert_eq!(cluster.ended(), Some(1));
}

/// What the script says when it is started like this and cannot begin.
fn refusal(with: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = script().envs(with.iter().copied()).output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

#[test]
fn what_keeps_it_from_starting_is_one_sentence_that_says_what_to_do() {
    let port = free_port().to_string();
    let bash = Command::new("sh").args(["-c", "command -v bash"]).output().unwrap().stdout;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/cluster");
    let bare = Command::new(String::from_utf8(bash).unwrap().trim()).arg(script).env("PATH", "/nowhere").output();
    let said = String::from_utf8(bare.unwrap().stderr).unwrap();
    assert!(said.starts_with("Error: not installed: redis") && said.contains("apt-get install"), "{said}");

    let free = [("BALANCER_PORT", port.as_str()), ("REPLICA_PORTS", "1"), ("REDIS_PORT", "2")];
    let said = refusal(&[free[0], free[1], free[2], ("HUBBUB_BIN", "/nowhere")]);
    assert!(said.contains("no gateway at /nowhere") && said.contains("cargo build"), "{said}");
    let said = refusal(&[free[0], ("REPLICA_PORTS", "eighty"), free[2]]);
    assert!(said.contains("\"eighty\" is no port"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port().to_string();
    let said = refusal(&[free[0], ("REPLICA_PORTS", &taken), free[2]]);
    assert!(said.contains(&format!("listens on 127.0.0.1:{taken} already")), "{said}");
}
