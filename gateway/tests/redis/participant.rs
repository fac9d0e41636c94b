//! A client that is in some rooms, perhaps speaks there, and writes down what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::harness::token;
use crate::ledger::{Acknowledged, Ledger, Place, Told};

/// How soon every request is answered, whatever the backend does.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How long a speaker rests between two sends.
const PACE: Duration = Duration::from_millis(15);

/// How a client takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Says nothing.
    Listener,
    /// Sends, and gets its own entries as everybody does.
    Speaker,
    /// Sends, and takes the `sent` for the entry.
    QuietSpeaker,
}

#[derive(Debug)]
pub(crate) struct Participant {
    number: usize,
    part: Part,
    /// Where it may go, in turn, when its connection ends; where there is only one, it must not end.
    addresses: Vec<SocketAddr>,
    rooms: Vec<String>,
    client: Client,
    ledger: Arc<Ledger>,
    /// Sends that were acknowledged.
    said: usize,
    tries: u32,
    under_way: Option<UnderWay>,
    due: Instant,
}

/// A send that is not answered yet.
#[derive(Debug)]
struct UnderWay {
    id: u32,
    room: String,
    key: String,
    since: Instant,
    /// Told to be of unknown outcome, so that it is due again.
    is_in_doubt: bool,
}

impl Participant {
    /// Connects to the first address and joins all rooms.
    pub(crate) async fn join(
        number: usize,
        part: Part,
        addresses: Vec<SocketAddr>,
        rooms: &[String],
        ledger: Arc<Ledger>,
    ) -> Self {
        let client = welcome(number, addresses[0]).await.unwrap();
        let (rooms, due) = (rooms.to_vec(), Instant::now());
        let mut this = Self { number, part, addresses, rooms, client, ledger, said: 0, tries: 0, under_way: None, due };
        for room in this.rooms.clone() {
            let joined = this.client.joins_with(&room, json!({"presence": true, "receipts": true})).await;
            this.ledger.told(number, &room, Told::Joined(Place::of(&joined)));
        }
        this
    }

    /// Goes elsewhere and resumes all rooms there.
    async fn move_on(&mut self, code: u16) {
        assert!(self.addresses.len() > 1, "client {}: the connection ended with {code}", self.number);
        let since = Instant::now();
        self.client = loop {
            self.addresses.rotate_left(1);
            if let Some(client) = welcome(self.number, self.addresses[0]).await {
                break client;
            }
            assert!(since.elapsed() < ANSWERED_WITHIN, "client {} finds no replica", self.number);
            sleep(Duration::from_millis(50)).await;
        };
        for room in self.rooms.clone() {
            let position = self.ledger.position(self.number, &room).unwrap();
            let joined = self.client.joins_with(&room, json!({"since": position.pos})).await;
            if joined["recovered"] != true {
                self.ledger.told(self.number, &room, Told::Reset(Place::of(&joined)));
            }
        }
        // What was not answered yet is said again.
        if let Some(send) = &mut self.under_way {
            send.is_in_doubt = true;
            self.due = Instant::now();
        }
    }

    /// Takes part until `quiet` is cancelled and all that was said is acknowledged, then only listens until `end`.
    pub(crate) async fn run(mut self, quiet: CancellationToken, end: CancellationToken) {
        loop {
            let speaks = self.part != Part::Listener;
            let has_more = !quiet.is_cancelled() || self.under_way.is_some();
            let may_send = speaks && has_more && self.under_way.as_ref().is_none_or(|send| send.is_in_doubt);
            tokio::select! {
                () = end.cancelled() => return,
                () = quiet.cancelled(), if !quiet.is_cancelled() => {}
                frame = self.client.take() => match frame {
                    Ok(frame) => self.hear(&frame),
                    Err(code) => self.move_on(code).await,
                },
                () = sleep_until(self.due), if may_send => self.say(&quiet).await,
            }
            if let Some(send) = self.under_way.as_ref().filter(|send| !send.is_in_doubt) {
                assert!(send.since.elapsed() < ANSWERED_WITHIN, "client {}: no answer to {send:?}", self.number);
            }
        }
    }

    async fn say(&mut self, quiet: &CancellationToken) {
        let (room, key) = match self.under_way.take() {
            Some(send) => (send.room, send.key),
            None => {
                self.ledger.begun();
                if quiet.is_cancelled() {
                    return self.ledger.dropped();
                }
                (self.rooms[self.said % self.rooms.len()].clone(), format!("{}-{}", self.number, self.said))
            }
        };
        // Every try has an id of its own, so that a late answer is not taken for that of the retry.
        self.tries += 1;
        let id = self.tries;
        let mut request = json!({"type": "send", "id": id, "room": room, "key": key, "data": {"key": key}});
        if self.part == Part::QuietSpeaker {
            request["echo"] = json!(false);
        }
        self.client.send(request).await;
        self.under_way = Some(UnderWay { id, room, key, since: Instant::now(), is_in_doubt: false });
    }

    fn hear(&mut self, frame: &Value) {
        let text = |field: &str| frame[field].as_str().unwrap_or_default().to_owned();
        match text("type").as_str() {
            "message" => {
                assert!(frame["data"]["key"] == frame["key"], "{frame}");
                self.ledger.told(self.number, &text("room"), Told::Entry(Place::of(frame)));
            }
            "reset" => self.ledger.told(self.number, &text("room"), Told::Reset(Place::of(frame))),
            "sent" => self.acknowledged(frame),
            "error" => self.refused(frame),
            notice @ ("degraded" | "restored") => self.ledger.notice(self.number, notice),
            "presence" | "receipt" | "draining" => {}
            _ => panic!("client {} did not expect {frame}", self.number),
        }
    }

    fn acknowledged(&mut self, frame: &Value) {
        let send = self.under_way.take().filter(|send| frame["id"] == send.id);
        let send = send.unwrap_or_else(|| panic!("client {} did not ask for {frame}", self.number));
        let place = Place::of(frame);
        let stands_for_the_entry = self.part == Part::QuietSpeaker && frame["duplicate"] != true;
        let position = self.ledger.position(self.number, &send.room);
        // Where the entry itself came first, its `sent` moves nothing.
        if stands_for_the_entry && position.is_none_or(|position| position.seq < place.seq) {
            self.ledger.told(self.number, &send.room, Told::Entry(place.clone()));
        }
        self.ledger.acknowledged(Acknowledged { speaker: self.number, room: send.room, key: send.key, place });
        self.said += 1;
        self.due = Instant::now() + PACE;
    }

    fn refused(&mut self, frame: &Value) {
        if self.addresses.len() > 1 && frame["id"].is_null() {
            // It announces the end of the connection.
            return;
        }
        let send = self.under_way.as_mut().filter(|send| frame["id"] == send.id);
        let send = send.unwrap_or_else(|| panic!("client {} did not expect {frame}", self.number));
        assert_eq!(frame["code"], "unavailable", "client {}: {frame}", self.number);
        let retry_after_ms = frame["retry_after_ms"].as_u64().unwrap_or_else(|| panic!("{frame}"));
        self.ledger.unavailable(&send.room);
        send.is_in_doubt = true;
        self.due = Instant::now() + Duration::from_millis(retry_after_ms);
    }
}

/// A connection to this replica that is welcome, where it takes one.
async fn welcome(number: usize, address: SocketAddr) -> Option<Client> {
    let mut client = Client::connect(address, &[]).await.ok()?;
    client.send(json!({"type": "hello", "id": 1, "token": token(&format!("user-{number}"))})).await;
    let reply = client.take().await.ok()?;
    (reply["type"] == "welcome").then_some(client)
}
