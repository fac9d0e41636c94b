//! Servers of other languages, which have no seqs, and what the load generator says of them.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::{Judged, judge_url};

/// What goes wrong, for whoever connected first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The third message never comes.
    Loss,
    /// The third message comes twice.
    Double,
    /// The third message comes after the next one of its sender.
    Swap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    Socketio,
    Pusher,
}

/// A room, and the messages that were held back from the first of its members.
#[derive(Default)]
struct Room {
    members: Vec<mpsc::Sender<String>>,
    /// How many messages the first member should have been given.
    owed: usize,
    held: Option<(usize, String)>,
}

impl Room {
    /// What a member is given for a message.
    fn deliver(&mut self, fault: Fault, member: usize, frame: &str) -> Vec<String> {
        let frame = frame.to_owned();
        if member != 0 {
            return vec![frame];
        }
        self.owed += 1;
        match (fault, self.owed) {
            (Fault::Loss, 3) => Vec::new(),
            (Fault::Double, 3) => vec![frame.clone(), frame],
            (Fault::Swap, 3) => {
                // There are at most four senders, who take turns.
                self.held = Some((self.owed + 4, frame));
                Vec::new()
            }
            (_, owed) => match self.held.take_if(|(until, _)| *until == owed) {
                Some((_, held)) => vec![frame, held],
                None => vec![frame],
            },
        }
    }
}

async fn serve(stream: TcpStream, speech: Speech, fault: Fault, room: Arc<Mutex<Room>>) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let (outbox, mut outgoing) = mpsc::channel::<String>(1_000);
    let mut number = None;
    let first = match speech {
        Speech::Socketio => r#"0{"sid":"a","pingInterval":25000}"#.to_owned(),
        Speech::Pusher => {
            json!({"event": "pusher:connection_established", "data": r#"{"socket_id":"1.2"}"#}).to_string()
        }
    };
    socket.send(Frame::text(first)).await.unwrap();
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Frame::Text(text))) => {
                    let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
                    hear(&text, speech, fault, &mut room, &outbox, &mut number);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Some(text) = outgoing.recv() => {
                if socket.send(Frame::text(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn hear(
    text: &str,
    speech: Speech,
    fault: Fault,
    room: &mut Room,
    outbox: &mpsc::Sender<String>,
    number: &mut Option<usize>,
) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value: Value = serde_json::from_str(&text[digits..]).unwrap_or_default();
    let answer = |text: String| outbox.try_send(text).unwrap();
    let is_send = match speech {
        Speech::Socketio if &text[..digits] == "40" => return answer(r#"40{"sid":"b"}"#.to_owned()),
        Speech::Socketio => value[0] == "send",
        Speech::Pusher => value["event"] == "client-message",
    };
    if !is_send {
        *number = Some(room.members.len());
        room.members.push(outbox.clone());
        return answer(match speech {
            Speech::Socketio => format!("42{}", json!(["joined", value[1]])),
            Speech::Pusher => {
                assert!(value["data"]["auth"].as_str().unwrap().starts_with("app-key:"), "{text}");
                let channel = &value["data"]["channel"];
                json!({"event": "pusher_internal:subscription_succeeded", "channel": channel, "data": "{}"}).to_string()
            }
        });
    }
    let frame = match speech {
        Speech::Socketio => format!("42{}", json!(["message", value[1], value[2]])),
        Speech::Pusher => text.to_owned(),
    };
    for member in 0..room.members.len() {
        if speech == Speech::Pusher && Some(member) == *number {
            continue;
        }
        for frame in room.deliver(fault, member, &frame) {
            // The client may be gone already.
            drop(room.members[member].try_send(frame));
        }
    }
}

/// Four clients in a room of such a server, and twenty messages.
async fn judge(speech: Speech, fault: Fault) -> Judged {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let room = Arc::new(Mutex::new(Room::default()));
    let accepting = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream, speech, fault, Arc::clone(&room)));
        }
    });
    let language = match speech {
        Speech::Socketio => "socketio",
        Speech::Pusher => "pusher",
    };
    let arguments = format!("--language {language} --payload-bytes 200");
    let judged = judge_url(format!("{language}-{fault:?}"), &url, &arguments).await;
    accepting.abort();
    judged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_socket_io_that_delivers_everything_passes() {
    let judged = judge(Speech::Socketio, Fault::None).await;
    judged.passes();
    assert_eq!((judged.count("/messages/acknowledged"), judged.count("/deliveries/total")), (20, 80));
    assert_eq!(judged.count("/latencies/delivered/count"), 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_pusher_owes_nobody_its_own_messages() {
    let judged = judge(Speech::Pusher, Fault::None).await;
    judged.passes();
    assert_eq!((judged.count("/messages/acknowledged"), judged.count("/deliveries/total")), (20, 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_such_a_server_loses_doubles_or_disorders_is_found() {
    for speech in [Speech::Socketio, Speech::Pusher] {
        for (fault, fields) in [(Fault::Loss, [1, 0, 0]), (Fault::Double, [0, 1, 0]), (Fault::Swap, [0, 0, 1])] {
            let judged = judge(speech, fault).await;
            assert!(!judged.faults().is_empty());
            let counts = ["/ledger/lost", "/ledger/doubled", "/ledger/disordered"].map(|field| judged.count(field));
            assert_eq!(counts, fields, "{speech:?} {fault:?}: {}", judged.text);
        }
    }
}
