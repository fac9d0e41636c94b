//! Replicas on one log, one bus and one presence store, all of which may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use hubbub_shared::{Position, RoomName};
use parking_lot::Mutex;

use super::backend::Backend;
use super::client::Client;
use super::frames::Frames;
use crate::auth::policy::{RoomPolicy, Who};
use crate::broker::conformance::{ALL, KEEP_ALL, message};
use crate::broker::memory::faults::Faults;
use crate::broker::memory::{MemoryBroker, MemoryBus, MemoryStore, ReplicaNumber};
use crate::broker::news;
use crate::broker::{
    Broker as _, Entry, Envelope, Head, News, NewsReceiver, NewsSender, Payload, Publish, Published, Range, Reading,
};
use crate::clock::Clock;
use crate::hub::{Hub, HubParts, HubSettings};
use crate::kinds::{Kind, Kinds};
use crate::presence::memory::{MemoryPresence, MemoryPresenceStore};
use crate::telemetry::metrics::HubMetrics;

const START_MS: u64 = 1_700_000_000_000;
const LEASE: Duration = Duration::from_secs(10);

/// What the replicas share.
pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) faults: Faults,
    pub(super) frames: Arc<Frames>,
    pub(super) outbox_bytes: usize,
    pub(super) settings: HubSettings,
    pub(super) kind: Kind,
    /// Workers of a replica, and envelopes that wait for each.
    pub(super) queues: (usize, usize),
    pub(super) clock: Clock,
    bus: Arc<MemoryBus>,
    presence: Arc<MemoryPresenceStore>,
    attached: AtomicU64,
    witness: (MemoryBroker, Mutex<NewsReceiver>),
}

/// A replica.
#[derive(Clone)]
pub(super) struct Replica {
    pub(super) hub: Arc<Hub>,
    pub(super) backend: Arc<Backend>,
    pub(super) metrics: HubMetrics,
    /// Its name on the bus.
    pub(super) number: ReplicaNumber,
    pub(super) news: NewsSender,
}

impl World {
    pub(super) fn new() -> Self {
        Self::seeded(0)
    }

    pub(super) fn seeded(seed: u64) -> Self {
        let clock = Clock::tokio(START_MS);
        let faults = Faults::seeded(seed);
        let bus = MemoryBus::with_interference(faults.interference());
        let store = MemoryStore::new(clock.clone(), Duration::from_mins(5), 1 << 30);
        let (sender, mut receivers) = news::channel(1, 1_000_000);
        let witness = MemoryBroker::attach(store.clone(), bus.clone(), sender);
        Self {
            store,
            faults,
            frames: Frames::new(0),
            outbox_bytes: 64 * 1024,
            settings: HubSettings {
                ring_entries: 16,
                ring_bytes: 1 << 20,
                ring_total_bytes: 1 << 24,
                linger: Duration::from_secs(5),
                presence_grace: Duration::from_secs(2),
                presence_interval: Duration::from_millis(100),
                log_reads_max: 8,
                head_check: Duration::from_secs(30),
            },
            kind: Kind {
                policy: RoomPolicy { join: Who::Everyone, send: Who::Everyone, moderate: Who::Nobody },
                retention: KEEP_ALL,
                slow_mode_ms: 0,
                presence: true,
                presence_count_only_above: 100,
                receipts_max_members: 100,
            },
            queues: (2, 4_096),
            clock,
            bus,
            presence: MemoryPresenceStore::new(),
            attached: AtomicU64::new(1),
            witness: (witness, Mutex::new(receivers.remove(0))),
        }
    }

    /// Starts one more replica.
    pub(super) fn replica(&self) -> Replica {
        let (news, queues) = news::channel(self.queues.0, self.queues.1);
        let number = self.attached.fetch_add(1, Ordering::Relaxed);
        let broker = MemoryBroker::attach(self.store.clone(), self.bus.clone(), news.clone());
        let presence = MemoryPresence::attach(self.presence.clone(), self.bus.clone(), self.clock.clone(), LEASE);
        let backend = Arc::new(Backend::new(number, broker, presence));
        let metrics = HubMetrics::default();
        let parts = HubParts {
            broker: backend.clone(),
            presence: backend.clone(),
            kinds: Arc::new(Kinds::new(Vec::new(), self.kind.clone())),
            settings: self.settings.clone(),
            metrics: metrics.clone(),
        };
        let hub = Hub::start(parts, news.clone(), queues);
        Replica { hub, backend, metrics, number, news }
    }

    /// A client of a replica, which reads what it gets.
    pub(super) fn client(&self, replica: &Replica, name: &str) -> Client {
        Client::connect(replica, name, self.frames.clone(), self.outbox_bytes)
    }

    /// A room, every entry of which will be seen by a witness.
    pub(super) async fn room(&self, name: &str) -> RoomName {
        let room = RoomName::new(name).unwrap();
        self.witness.0.subscribe(&room).await.unwrap();
        room
    }

    /// Every entry that was appended to a room since the last call, in order, whatever became of it.
    pub(super) fn witnessed(&self) -> Vec<(RoomName, Arc<Entry>)> {
        let mut witnessed = Vec::new();
        let mut news = self.witness.1.lock();
        while let Some(Some(news)) = news.next().now_or_never() {
            match news {
                News::Envelope(Envelope { room, payload: Payload::Entry(entry), .. }) => witnessed.push((room, entry)),
                News::Envelope(_) => {}
                News::Missed => panic!("the witness was overrun"),
            }
        }
        witnessed
    }

    /// Appends messages without any client.
    pub(super) async fn fill(&self, room: &RoomName, count: usize) -> Vec<Position> {
        let mut positions = Vec::new();
        for number in 0..count {
            positions.push(self.append(message(room, "nobody", &format!("filler {number}"))).await);
        }
        positions
    }

    /// Appends without any client.
    pub(super) async fn append(&self, publish: Publish) -> Position {
        let publish = Publish { retention: self.kind.retention, ..publish };
        match self.witness.0.publish(publish).await.unwrap() {
            Published::Appended { pos, .. } | Published::Duplicate { pos, .. } => pos,
            Published::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    /// Everything that the log has.
    pub(super) async fn log(&self, room: &RoomName) -> (Head, Vec<Arc<Entry>>) {
        match self.witness.0.read(room, Range::Newest, ALL).await.unwrap() {
            Reading::Page(page) => (page.head, page.entries),
            Reading::OtherLog(head) => (head, Vec::new()),
        }
    }
}

/// Lets everything that is under way come to its end, frames of presence included.
pub(super) async fn settle() {
    tokio::time::sleep(Duration::from_millis(900)).await;
}
