//! Protocol §8 under load: whatever everybody does, nobody sees a hole, a double or disorder.

use std::collections::HashMap;
use std::sync::Arc;

use hubbub::config::Config;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::frames::shows;
use crate::harness::{Gateway, kind};

const ROOMS: usize = 20;
const CLIENTS: usize = 200;
const ROOMS_EACH: usize = 3;
/// Things that each client does.
const STEPS: usize = 12;

/// Where a client stands in a room.
#[derive(Debug, Default)]
struct Place {
    joined: bool,
    /// The number after which the next must come.
    at: u64,
    /// The position, as the client is to keep it.
    pos: Option<Value>,
    /// The number and the data of all that was seen there.
    seen: HashMap<u64, Value>,
}

/// A send that was not answered yet.
#[derive(Debug, Clone)]
struct Send {
    room: usize,
    key: String,
    /// Whether its `sent` is to stand in the entry's place.
    quiet: bool,
}

/// A client that does at random what clients do.
struct Walker {
    gateway: Arc<Gateway>,
    user: String,
    client: Client,
    chance: SmallRng,
    places: HashMap<usize, Place>,
    waiting: HashMap<u64, Send>,
    last_id: u64,
    /// The keys of all sends that were acknowledged, with room and number.
    sent: HashMap<String, (usize, u64)>,
}

impl Walker {
    async fn new(gateway: Arc<Gateway>, number: usize) -> Self {
        // Two clients in a row are tabs of one user.
        let user = format!("u{}", number / 2);
        let client = gateway.user(&user).await;
        let places = (0..ROOMS_EACH).map(|n| ((number + n * 7) % ROOMS, Place::default())).collect();
        let chance = SmallRng::seed_from_u64(number as u64);
        Self { gateway, user, client, chance, places, waiting: HashMap::new(), last_id: 0, sent: HashMap::new() }
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn room(&mut self) -> usize {
        let mut rooms: Vec<_> = self.places.keys().copied().collect();
        rooms.sort_unstable();
        rooms[self.chance.random_range(0..rooms.len())]
    }

    async fn walk(&mut self) {
        for _ in 0..STEPS {
            let room = self.room();
            match self.chance.random_range(0..10) {
                0 => self.leave(room).await,
                1 => self.come_back().await,
                2 | 3 => self.join(room).await,
                _ => {
                    let count = self.chance.random_range(1..20);
                    self.send(room, count).await;
                    // Who breaks off now does not know what became of it.
                    if self.chance.random_bool(0.15) {
                        self.come_back().await;
                    }
                    self.settle().await;
                }
            }
        }
    }

    async fn send(&mut self, room: usize, count: usize) {
        let mut burst = Vec::new();
        for _ in 0..count {
            let quiet = self.chance.random_bool(0.5);
            let (id, number) = (self.id(), self.chance.random::<u64>());
            let send = Send { room, key: format!("{number:x}"), quiet: quiet && self.places[&room].joined };
            burst.push(Self::request(id, &send, !quiet));
            self.waiting.insert(id, send);
        }
        self.client.burst(burst).await;
    }

    fn request(id: u64, send: &Send, echo: bool) -> Value {
        let room = format!("room-{}", send.room);
        json!({"type": "send", "id": id, "room": room, "key": send.key, "data": send.key, "echo": echo})
    }

    async fn leave(&mut self, room: usize) {
        let id = self.id();
        self.client.send(json!({"type": "leave", "id": id, "room": format!("room-{room}")})).await;
        self.read_until(|frame| frame["type"] == "left" && frame["id"] == id).await;
    }

    async fn join(&mut self, room: usize) {
        if self.places[&room].joined {
            return;
        }
        let id = self.id();
        let mut join = json!({"type": "join", "id": id, "room": format!("room-{room}"), "limit": id % 30});
        if let Some(pos) = &self.places[&room].pos {
            join["since"] = pos.clone();
        }
        self.client.send(join).await;
        self.read_until(|frame| frame["type"] == "joined" && frame["id"] == id).await;
    }

    /// Breaks off and comes back to the same rooms on a new connection; what was not answered is sent again.
    async fn come_back(&mut self) {
        self.client = self.gateway.user(&self.user).await;
        let mut rooms = Vec::new();
        for (room, place) in &mut self.places {
            if std::mem::take(&mut place.joined) {
                rooms.push(*room);
            }
        }
        for room in rooms {
            self.join(room).await;
        }
        for (_, send) in std::mem::take(&mut self.waiting) {
            let id = self.id();
            let send = Send { quiet: false, ..send };
            self.client.send(Self::request(id, &send, true)).await;
            self.waiting.insert(id, send);
        }
    }

    async fn settle(&mut self) {
        while !self.waiting.is_empty() {
            let frame = self.client.next().await;
            self.take(&frame);
        }
    }

    async fn read_until(&mut self, is_last: impl Fn(&Value) -> bool) {
        loop {
            let frame = self.client.next().await;
            self.take(&frame);
            if is_last(&frame) {
                return;
            }
        }
    }

    /// Takes a frame in as the protocol says, and fails where it breaks a promise.
    fn take(&mut self, frame: &Value) {
        let room: usize = frame["room"].as_str().unwrap_or_else(|| panic!("{frame}"))[5..].parse().unwrap();
        let place = self.places.get_mut(&room).unwrap_or_else(|| panic!("not asked for: {frame}"));
        let seq = frame["seq"].as_u64();
        match frame["type"].as_str().unwrap() {
            "joined" => {
                let (head, replayed) = (seq.unwrap(), frame["replayed"].as_u64().unwrap());
                if place.pos.is_some() {
                    shows(frame, json!({"recovered": true, "replayed": head - place.at}));
                } else {
                    shows(frame, json!({"recovered": null}));
                    place.at = head - replayed;
                }
                if replayed == 0 {
                    place.pos = Some(frame["pos"].clone());
                }
                place.joined = true;
            }
            "left" => place.joined = false,
            "message" => place.moves(frame, frame["data"].clone(), &self.user),
            "sent" => {
                let id = frame["id"].as_u64().unwrap();
                let send = self.waiting.remove(&id).unwrap_or_else(|| panic!("answered twice: {frame}"));
                let seq = seq.unwrap();
                // Where the entry itself came first, the `sent` moves nothing.
                if send.quiet && frame["duplicate"].is_null() && place.joined && seq > place.at {
                    place.moves(frame, json!(send.key), &self.user);
                }
                self.sent.insert(send.key, (room, seq));
            }
            _ => panic!("{}: {frame}", self.user),
        }
    }

    /// Is in every room at the end, and reads until the last entry has come everywhere.
    async fn finish(&mut self, heads: &[u64]) {
        let mut rooms: Vec<_> = self.places.keys().copied().collect();
        rooms.sort_unstable();
        for room in rooms {
            self.join(room).await;
        }
        while self.places.iter().any(|(room, place)| place.at < heads[*room]) {
            let frame = self.client.next().await;
            self.take(&frame);
        }
        self.client.hears_nothing().await;
    }
}

impl Place {
    fn moves(&mut self, frame: &Value, data: Value, user: &str) {
        let seq = frame["seq"].as_u64().unwrap();
        assert!(self.joined, "{user} is not in the room: {frame}");
        assert_eq!(seq, self.at + 1, "{user}: {frame}");
        (self.at, self.pos) = (seq, Some(frame["pos"].clone()));
        assert!(self.seen.insert(seq, data).is_none(), "{user} saw it twice: {frame}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_in_a_crowd_that_comes_and_goes_sees_a_hole_a_double_or_disorder() {
    crowd(|_| {}).await;
}

/// A crowd comes and goes in a gateway with these settings.
pub(crate) async fn crowd(change: impl FnOnce(&mut Config)) {
    let gateway = Gateway::with(|config| {
        kind(config, "*", |kind| (kind.keep_entries, kind.keep_bytes) = (100_000, 64 << 20));
        config.hub.presence_grace_ms = 50;
        change(config);
    });
    let gateway = Arc::new(gateway.await);
    let mut walking = JoinSet::new();
    for number in 0..CLIENTS {
        let gateway = gateway.clone();
        walking.spawn(async move {
            let mut walker = Walker::new(gateway, number).await;
            walker.walk().await;
            walker
        });
    }
    let walkers = walking.join_all().await;
    let mut last = gateway.user("last").await;
    let mut ends = Vec::new();
    for room in 0..ROOMS {
        ends.push(last.says(&format!("room-{room}"), "end").await["seq"].as_u64().unwrap());
    }
    // Some were done long before others and did not read since; that is their business, too.
    let mut finishing = JoinSet::new();
    for mut walker in walkers {
        let ends = ends.clone();
        finishing.spawn(async move {
            walker.finish(&ends).await;
            walker
        });
    }
    // What history holds is what happened.
    let mut happened = Vec::new();
    for (room, end) in ends.iter().enumerate() {
        happened.push(history(&mut last, &format!("room-{room}")).await);
        assert_eq!(happened[room].len() as u64, *end);
    }
    let mut acknowledged = 0;
    for walker in finishing.join_all().await {
        for (room, place) in &walker.places {
            for (seq, data) in &place.seen {
                assert_eq!(happened[*room][*seq as usize - 1], *data, "{} in room {room} at {seq}", walker.user);
            }
        }
        for (key, (room, seq)) in &walker.sent {
            assert_eq!(happened[*room][*seq as usize - 1], *key, "{} in room {room} at {seq}", walker.user);
        }
        acknowledged += walker.sent.len();
    }
    // Everything that is there was acknowledged, once: no retry appended anything.
    assert_eq!(acknowledged as u64, ends.iter().sum::<u64>() - ROOMS as u64);
    assert!(acknowledged > 10_000, "only {acknowledged} sends");
}

/// The data of all that a room holds, from its first entry on.
async fn history(client: &mut Client, room: &str) -> Vec<Value> {
    let (mut all, mut request) = (Vec::new(), json!({"type": "history", "room": room, "limit": 500}));
    loop {
        let page = client.ask(request.clone()).await;
        let entries = page["entries"].as_array().unwrap_or_else(|| panic!("{page}"));
        all.splice(0..0, entries.iter().map(|entry| entry["data"].clone()));
        if page["more"] == false {
            return all;
        }
        request["before"] = entries[0]["pos"].clone();
    }
}
