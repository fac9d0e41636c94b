//! Clients on all gateways that speak and listen while something breaks, and the reckoning in the end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::harness::token;
use crate::ledger::{Acknowledged, Item, Ledger, Place};
use crate::participant::{Part, Participant};

/// How soon what was acknowledged reaches everybody, once bus and store are back.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The clients on each gateway.
const PARTS: [Part; 3] = [Part::Speaker, Part::QuietSpeaker, Part::Listener];

/// Clients on all gateways that speak and listen.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Of the gateways that are still there.
    addresses: Vec<SocketAddr>,
    /// Gateways that were there in the beginning.
    gateways: usize,
    rooms: Vec<String>,
    ledger: Arc<Ledger>,
    clients: JoinSet<()>,
    /// Cancelled when nobody is to say anything new.
    quiet: CancellationToken,
    end: CancellationToken,
}

impl Traffic {
    /// Three clients on each gateway, all in all these rooms: two speak, one listens. Their connections must not end.
    pub(crate) async fn start(addresses: &[SocketAddr], rooms: &[&str]) -> Self {
        Self::of(addresses, rooms, false).await
    }

    /// As `start`; a client whose connection ends goes to another gateway.
    pub(crate) async fn start_mobile(addresses: &[SocketAddr], rooms: &[&str]) -> Self {
        Self::of(addresses, rooms, true).await
    }

    async fn of(addresses: &[SocketAddr], rooms: &[&str], is_mobile: bool) -> Self {
        let rooms: Vec<_> = rooms.iter().map(|&room| room.to_owned()).collect();
        let (ledger, mut clients) = (Arc::new(Ledger::default()), JoinSet::new());
        let (quiet, end) = (CancellationToken::new(), CancellationToken::new());
        let gateways = addresses.len();
        for number in 0..gateways * PARTS.len() {
            let mut own = addresses.to_vec();
            own.rotate_left(number % gateways);
            own.truncate(if is_mobile { gateways } else { 1 });
            let client = Participant::join(number, PARTS[number / gateways], own, &rooms, ledger.clone()).await;
            clients.spawn(client.run(quiet.clone(), end.clone()));
        }
        let addresses = addresses.to_vec();
        Self { addresses, gateways, rooms, ledger, clients, quiet, end }.flowing().await
    }

    /// This gateway is gone for good.
    pub(crate) fn lose(&mut self, address: SocketAddr) {
        self.addresses.retain(|&other| other != address);
    }

    async fn flowing(mut self) -> Self {
        self.flows().await;
        self
    }

    /// What is written down.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn speakers(&self) -> usize {
        self.gateways * 2
    }

    /// Waits for what must come.
    pub(crate) async fn until(&mut self, what: &str, within: Duration, is_so: impl Fn(&Ledger) -> bool) {
        let since = Instant::now();
        while !is_so(&self.ledger) {
            self.look_after_the_clients();
            assert!(since.elapsed() < within, "waited {within:?} in vain: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// A client that has failed fails the test.
    fn look_after_the_clients(&mut self) {
        if let Some(ended) = self.clients.try_join_next() {
            ended.unwrap();
        }
    }

    fn clients_len(&self) -> usize {
        self.gateways * PARTS.len()
    }

    /// Every speaker gets some more sends acknowledged.
    pub(crate) async fn flows(&mut self) {
        let speakers = self.speakers();
        let before = self.ledger.counts(speakers);
        let flows =
            |ledger: &Ledger| ledger.counts(speakers).iter().zip(&before).all(|(now, before)| now >= &(before + 10));
        self.until("every speaker's sends are acknowledged", PATIENCE, flows).await;
    }

    /// Every client is told so, soon, after what was waited for before.
    pub(crate) async fn everybody_is_told(&mut self, notice: &str) {
        self.are_told((0..self.clients_len()).collect(), notice).await;
    }

    /// As `everybody_is_told`, for the clients of one gateway.
    pub(crate) async fn everybody_at_is_told(&mut self, gateway: usize, notice: &str) {
        self.are_told((gateway..self.clients_len()).step_by(self.gateways).collect(), notice).await;
    }

    async fn are_told(&mut self, clients: Vec<usize>, notice: &str) {
        for client in clients {
            let what = format!("client {client} is told `{notice}`");
            self.until(&what, HEARD_WITHIN, |ledger| ledger.was_told(client, notice)).await;
        }
    }

    /// Nobody says anything new; waits until all that was said is acknowledged and everybody stands where the logs end.
    pub(crate) async fn settle(mut self) -> Settled {
        self.quiet.cancel();
        self.until("the last sends are acknowledged", PATIENCE, |ledger| ledger.under_way() == 0).await;
        let since = Instant::now();
        let logs = loop {
            let mut logs = Vec::new();
            for &address in &self.addresses {
                logs.push(logs_at(address, &self.rooms).await);
            }
            if logs.windows(2).all(|pair| pair[0] == pair[1]) {
                break logs.swap_remove(0);
            }
            // After a failover in peace the old master answers like one until somebody tells it, and a gateway looks for
            // another once a second.
            assert!(since.elapsed() < HEARD_WITHIN, "the gateways do not show the same logs");
            sleep(Duration::from_millis(20)).await;
        };
        loop {
            let behind = self.behind(&logs);
            if behind.is_empty() {
                break;
            }
            self.look_after_the_clients();
            assert!(since.elapsed() < HEARD_WITHIN, "not heard within {HEARD_WITHIN:?}: {behind:#?}");
            sleep(Duration::from_millis(5)).await;
        }
        self.end.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        Settled { addresses: self.addresses, ledger: self.ledger, logs }
    }

    /// Who does not stand where these logs end.
    fn behind(&self, logs: &HashMap<String, Vec<Item>>) -> Vec<String> {
        let mut behind = Vec::new();
        for (room, log) in logs {
            let head = log.last().map(|item| &item.place);
            for client in 0..self.clients_len() {
                let position = self.ledger.position(client, room);
                if position.as_ref() != head {
                    behind.push(format!("client {client} stands at {position:?} of {head:?} in {room}"));
                }
            }
        }
        behind
    }
}

/// What is left when all is said.
#[derive(Debug)]
pub(crate) struct Settled {
    addresses: Vec<SocketAddr>,
    pub(crate) ledger: Arc<Ledger>,
    logs: HashMap<String, Vec<Item>>,
}

impl Settled {
    /// Every acknowledged entry is in its log, once, and everybody was told all of it, in order, without a reset.
    pub(crate) fn nothing_was_lost(&self) {
        let (mut faults, lost) = self.ledger.audit(&self.logs);
        faults.extend(lost.iter().map(|lost| format!("acknowledged and not kept: {lost:?}")));
        faults.extend(self.ledger.doubles_and_disorder(&self.logs));
        assert!(faults.is_empty(), "{} faults: {:#?}", faults.len(), &faults[..faults.len().min(20)]);
        assert_eq!(self.ledger.resets(), 0, "nothing was lost, and yet there was a reset");
    }

    /// Acknowledged entries were lost, and everybody who knew of one was told so, or is when coming back. Gives how many
    /// were lost.
    pub(crate) async fn every_loss_was_told(&self) -> usize {
        let (faults, lost) = self.ledger.audit(&self.logs);
        assert!(faults.is_empty(), "{} faults: {:#?}", faults.len(), &faults[..faults.len().min(20)]);
        for &address in &self.addresses {
            for one in some_of(&lost) {
                let joined = joined_since(address, one).await;
                assert_eq!(joined["recovered"], false, "{one:?} was lost: {joined}");
            }
        }
        lost.len()
    }

    /// How many numbers of entries that were lost stand in the logs again.
    pub(crate) fn given_out_twice(&self) -> usize {
        let (_, lost) = self.ledger.audit(&self.logs);
        let is_there = |one: &&Acknowledged| self.logs[&one.room].iter().any(|item| item.place.seq == one.place.seq);
        lost.iter().filter(is_there).count()
    }
}

/// A few of these, the first and the last among them.
fn some_of(all: &[Acknowledged]) -> impl Iterator<Item = &Acknowledged> {
    let step = (all.len() / 10).max(1);
    all.iter().step_by(step).chain(all.last())
}

async fn visitor(address: SocketAddr) -> Client {
    let mut client = Client::connect(address, &[]).await.unwrap();
    let welcome = client.ask(json!({"type": "hello", "token": token("visitor")})).await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    client
}

async fn joined_since(address: SocketAddr, one: &Acknowledged) -> Value {
    visitor(address).await.joins_with(&one.room, json!({"since": one.place.pos})).await
}

/// The whole logs of these rooms.
async fn logs_at(address: SocketAddr, rooms: &[String]) -> HashMap<String, Vec<Item>> {
    let mut client = visitor(address).await;
    let mut logs = HashMap::new();
    for room in rooms {
        let (mut log, mut before) = (Vec::new(), Value::Null);
        loop {
            let mut request = json!({"type": "history", "room": room, "limit": 500});
            if !before.is_null() {
                request["before"] = before.clone();
            }
            let page = client.ask(request).await;
            assert_eq!(page["type"], "history", "{page}");
            let entries = page["entries"].as_array().unwrap();
            let items = entries
                .iter()
                .map(|entry| Item { place: Place::of(entry), key: entry["key"].as_str().unwrap().to_owned() });
            log.splice(0..0, items);
            if page["more"] != true {
                break;
            }
            before = entries[0]["pos"].clone();
        }
        logs.insert(room.clone(), log);
    }
    logs
}
