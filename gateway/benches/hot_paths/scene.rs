//! A room with seats in it, as the gateway makes them, without sockets and without a store.

use std::sync::Arc;
use std::task::Waker;

use hubbub::broker::{Author, Body, Entry};
use hubbub::config::Config;
use hubbub::connection::reply::Dialect;
use hubbub::dialect;
use hubbub::hub::outbox::Outbox;
use hubbub::hub::ring::RingBounds;
use hubbub::hub::room::{Heard, Room, Seat};
use hubbub::hub::subscription::Wants;
use hubbub::ids::ConnectionId;
use hubbub_shared::{Data, Position, RoomName, UserId};

/// So much that no seat ever falls behind.
const OUTBOX_BYTES: usize = 1 << 24;

/// A room and the outboxes of those in it.
pub(crate) struct Scene {
    pub(crate) room: Arc<Room>,
    dialect: Arc<dyn Dialect>,
    outboxes: Vec<Arc<Outbox>>,
    head: Position,
}

impl Scene {
    /// A room that is live, with so many seats that follow it.
    pub(crate) fn with_seats(seats: u64) -> Self {
        let name = RoomName::new("big-room").unwrap();
        let kind = Config::default().kinds().of(&name);
        let bounds = RingBounds { entries: 1_000, bytes: 1 << 24, total_bytes: 1 << 26, used_bytes: Arc::default() };
        let room = Arc::new(Room::new(name, kind, bounds));
        room.filled(Position::start(), Vec::new());
        let (_, dialect) = dialect::all().remove(0);
        let mut scene = Self { room, dialect, outboxes: Vec::new(), head: Position::start() };
        for number in 0..seats {
            scene.sit(number);
        }
        scene.take_all();
        scene
    }

    /// Seats a connection that follows the room from its head.
    fn sit(&mut self, number: u64) {
        let outbox = self.outbox(number);
        outbox.wakes(Waker::noop().clone());
        let id = outbox.subscribe(self.room.clone(), self.head.clone(), "joined".into()).unwrap();
        assert!(outbox.reach(id, &self.head));
        let seat = Seat { outbox: outbox.clone(), id, wants: Wants::default() };
        self.room.state.lock().seats.insert(outbox.connection, seat);
        self.outboxes.push(outbox);
    }

    /// The outbox of one more, who has no seat yet.
    pub(crate) fn outbox(&self, number: u64) -> Arc<Outbox> {
        let user = Author { user: UserId::new(&format!("user-{number}")).unwrap(), name: None };
        Arc::new(Outbox::new(
            ConnectionId::from_number(number),
            user,
            self.dialect.clone(),
            OUTBOX_BYTES,
            Arc::default(),
        ))
    }

    /// The entry that the log has next: a message of 200 bytes.
    pub(crate) fn next_entry(&mut self) -> Arc<Entry> {
        let seq = self.head.seq + 1;
        let pos = Position { epoch: Arc::from("Fx3kPq81a"), seq, tag: Arc::from(format!("{seq:09}")) };
        let prev = std::mem::replace(&mut self.head, pos.clone()).tag;
        let data = Data::from_json(&format!("{{\"text\":\"{}\"}}", "x".repeat(189))).unwrap();
        let from = Some(Author { user: UserId::new("ada").unwrap(), name: Some(Arc::from("Ada")) });
        let body = Body::Message { data: Some(data) };
        Arc::new(Entry { pos, prev, count: seq, time_ms: 1_790_000_000_000, from, key: None, body })
    }

    /// What one entry makes the gateway do: it is told to every seat, and every connection takes its frame.
    pub(crate) fn broadcast(&self, entry: &Arc<Entry>) {
        assert_eq!(self.room.hear(entry, None), Heard::Settled);
        assert_eq!(self.take_all(), self.outboxes.len());
    }

    /// Takes what is queued for everybody, as their writers do once they are woken; answers how many frames those were.
    fn take_all(&self) -> usize {
        let mut frames = Vec::with_capacity(16);
        let mut taken = 0;
        for outbox in &self.outboxes {
            outbox.take_batch(OUTBOX_BYTES, &mut frames);
            taken += frames.len();
            frames.clear();
        }
        taken
    }
}
