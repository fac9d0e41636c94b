use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll};

use super::*;
use crate::command::RunArguments;
use crate::plan::Plan;
use crate::shared::Shared;

const UPGRADED: &str = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const WELCOME: &str = r#"{"type":"welcome","id":0,"connection":"c","replica":"r","time":1,"user":{"id":"u"},"heartbeat_ms":25000,"limits":{"frame_bytes":65536,"data_bytes":32768,"key_bytes":64,"reply_bytes":262144,"rooms":128,"history":500,"pipeline":64}}"#;
const JOINED: &str = r#"{"type":"joined","id":1,"room":"r0","seq":0,"pos":"k-0","replayed":0,"read":0,"unread":0}"#;

/// A client, and the server's end of its connection.
struct Stage {
    poll: Poll,
    local: Local,
    client: Client,
    buffer: Vec<u8>,
    server: TcpStream,
}

impl Stage {
    fn new() -> Self {
        Self::of("")
    }

    fn of(flags: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = format!("--url ws://{} -n 1 --room-prefix r {flags}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::new(Plan::new(RunArguments::parse_words(&line)).unwrap()).unwrap());
        let poll = Poll::new().unwrap();
        let mut local = Local::new(Arc::clone(&shared), poll.registry().try_clone().unwrap());
        let mut client = Client::new(0, 0, &shared);
        client.connect(&mut local, Instant::now());
        let (server, _) = listener.accept().unwrap();
        // What is said is there at once, also behind something that was not acknowledged yet.
        server.set_nodelay(true).unwrap();
        Self { poll, local, client, buffer: Vec::new(), server }
    }

    /// Serves the client until nothing is ready any more.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(8);
        loop {
            self.poll.poll(&mut events, Some(Duration::from_millis(20))).unwrap();
            if events.is_empty() {
                return;
            }
            for event in &events {
                let ready = Ready {
                    readable: event.is_readable(),
                    writable: event.is_writable(),
                    is_over: event.is_read_closed(),
                };
                self.client.ready(ready, &mut self.local, &mut self.buffer);
            }
        }
    }

    /// Waits until the client has said something.
    fn hear(&mut self) {
        self.turn();
        let mut heard = [0; 4096];
        assert!(self.server.read(&mut heard).unwrap() > 0);
    }

    fn say(&mut self, bytes: &[u8]) {
        self.server.write_all(bytes).unwrap();
        self.turn();
    }
}

fn frame(first: u8, text: &str) -> Vec<u8> {
    let mut bytes = vec![first];
    match text.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length => {
            bytes.push(126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn entry(seq: u64) -> String {
    format!(r#"{{"type":"message","room":"r0","seq":{seq},"pos":"k-{seq}","count":{seq},"time":1,"data":"é"}}"#)
}

/// Up to the client's membership in its room.
fn joined() -> Stage {
    join(Stage::new())
}

fn join(mut stage: Stage) -> Stage {
    stage.hear();
    stage.say(UPGRADED.as_bytes());
    stage.hear();
    stage.say(&frame(0x81, WELCOME));
    stage.hear();
    stage.say(&frame(0x81, JOINED));
    assert!(stage.client.is_in_rooms);
    stage
}

#[test]
fn it_is_the_same_wherever_the_bytes_are_split() {
    let mut stage = Stage::new();
    stage.hear();
    // The answer to the upgrade may bring the first frame with it.
    for byte in [UPGRADED.as_bytes(), &frame(0x81, WELCOME)].concat() {
        stage.server.write_all(&[byte]).unwrap();
        let ready = Ready { readable: true, writable: false, is_over: false };
        stage.client.ready(ready, &mut stage.local, &mut stage.buffer);
    }
    stage.turn();
    let all = [frame(0x81, JOINED), frame(0x81, &entry(1)), frame(0x89, "p"), frame(0x81, &entry(2))].concat();
    for piece in all.chunks(7) {
        stage.say(piece);
    }
    let seen = stage.client.memberships[0].subscription.seen();
    assert_eq!((seen.deliveries, seen.holes), (2, 0));
    assert_eq!(stage.local.tallies.breaches.to_counts(), []);
}

#[test]
fn half_a_frame_is_waited_for_also_by_who_reads_to_the_end() {
    let mut stage = joined();
    let whole = frame(0x81, &entry(1));
    stage.say(&whole[..10]);
    stage.client.read(true, &mut stage.local, &mut stage.buffer);
    assert_eq!(stage.local.tallies.deliveries, 0);
    stage.say(&whole[10..]);
    assert_eq!(stage.local.tallies.deliveries, 1);
}

#[test]
fn a_message_in_fragments_is_one_message() {
    let mut stage = joined();
    let text = entry(1);
    let at = text.find('é').unwrap();
    // Fragments need not end where characters do, and other frames may come between them.
    let bytes = text.as_bytes();
    let fragment = |first: u8, piece: &[u8]| [&[first, piece.len() as u8], piece].concat();
    stage.say(&fragment(0x01, &bytes[..=at]));
    stage.say(&frame(0x89, ""));
    stage.say(&fragment(0x80, &bytes[at + 1..]));
    assert_eq!(stage.local.tallies.deliveries, 1);
}

#[test]
fn more_than_a_buffer_full_is_read_to_its_last_frame() {
    let mut stage = joined();
    let count = 3 * READ_BYTES / entry(1_000).len();
    let all: Vec<u8> = (1..=count as u64).flat_map(|seq| frame(0x81, &entry(seq))).collect();
    stage.say(&all);
    let seen = stage.client.memberships[0].subscription.seen();
    assert_eq!((seen.deliveries, seen.holes), (count as u64, 0));
}

#[test]
fn what_was_said_before_the_end_is_heard() {
    let mut stage = joined();
    stage.server.write_all(&frame(0x81, &entry(1))).unwrap();
    stage.server.write_all(&[0x88, 2, 0x0f, 0xa1]).unwrap();
    stage.server.shutdown(std::net::Shutdown::Both).unwrap();
    stage.turn();
    assert_eq!(stage.local.tallies.deliveries, 1);
    let closes = stage.local.tallies.closes.to_counts();
    assert_eq!(closes, [("4001 this connection is being moved: come back".to_owned(), 1)]);
    assert_eq!(stage.client.stage, super::Stage::Away);
}

#[test]
fn who_listens_waits_for_the_messages_of_the_run_and_counts_each_once() {
    let mut stage = join(Stage::of("--listen --run ours --rate 2 -d 1s"));
    let message = |seq: u64, run: &str, message: u64| {
        let data = format!(r#"{{"run":"{run}","message":{message},"due_us":null,"pad":""}}"#);
        frame(0x81, &entry(seq).replace(r#""é""#, &data))
    };
    let all = [message(1, "theirs", 0), message(2, "theirs", 1), message(3, "ours", 0), message(3, "ours", 0)];
    stage.say(&all.concat());
    assert!(!stage.client.has_caught_up(&stage.local.shared));
    stage.say(&message(4, "ours", 1));
    assert!(stage.client.has_caught_up(&stage.local.shared));
}
