//! The rooms of this replica: who is subscribed here, in which order they see what, and how they catch up.
//!
//! * [`room`]: one room's position, fan-out and seats, under one short lock.
//! * [`worker`]: handles what the bus brings, in order per room, and reads the log where something is missing.
//! * [`outbox`], [`subscription`]: what waits for one connection, bounded, and where it stands in its rooms.
//! * [`replay`], [`ring`]: how a subscription that joins, resumes or fell behind reaches its room.
//! * [`join`], [`leave`]: how one comes and goes; [`roster`], [`attendance`]: who is here, told to the presence store.
//! * [`telling`], [`bulletin`]: what is told besides entries; presence and receipts at most once per interval.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use dashmap::DashMap;
use hubbub_shared::RoomName;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::{Broker, BrokerError, NewsReceiver, NewsSender, PageLimit, Range, Reading};
use crate::kinds::Kinds;
use crate::presence::Presence;
use crate::telemetry::metrics::HubMetrics;

pub mod attendance;
pub mod bulletin;
pub mod event;
pub mod join;
pub mod leave;
pub mod outbox;
pub mod replay;
pub mod ring;
pub mod room;
pub mod roster;
pub mod subscription;
pub mod telling;
pub mod worker;

use attendance::Attendance;
use ring::RingBounds;
use room::{Phase, Room};

/// How long one waits for another who asks the store for the same.
const PATIENCE: Duration = Duration::from_secs(2);

/// The limits and rhythms of a hub.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Entries of one room's ring.
    pub ring_entries: usize,
    /// Bytes of one room's ring.
    pub ring_bytes: usize,
    /// Bytes of all rings together.
    pub ring_total_bytes: usize,
    /// How long a room stays subscribed after the last member left.
    pub linger: Duration,
    /// How long a user whose last connection broke stays a member.
    pub presence_grace: Duration,
    /// The least time between two presence frames of a room.
    pub presence_interval: Duration,
    /// How many reads of the log may be under way at once.
    pub log_reads_max: usize,
    /// How often rooms compare their position with the log's head.
    pub head_check: Duration,
}

/// The rooms of this replica.
pub struct Hub {
    rooms: DashMap<RoomName, Arc<Room>, ahash::RandomState>,
    broker: Arc<dyn Broker>,
    presence: Arc<dyn Presence>,
    kinds: Arc<Kinds>,
    settings: HubSettings,
    ring_bounds: RingBounds,
    log_reads: Semaphore,
    attendance: Attendance,
    news: NewsSender,
    metrics: HubMetrics,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What a hub is built from.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct HubParts {
    /// The log and the bus.
    pub broker: Arc<dyn Broker>,
    /// Who is where.
    pub presence: Arc<dyn Presence>,
    /// Which rules hold where.
    pub kinds: Arc<Kinds>,
    /// Limits and rhythms.
    pub settings: HubSettings,
    /// Counters.
    pub metrics: HubMetrics,
}

impl Hub {
    /// Builds a hub and starts its workers, one per queue of news. They end after [`Hub::stop`].
    pub fn start(parts: HubParts, news: NewsSender, queues: Vec<NewsReceiver>) -> Arc<Self> {
        let HubParts { broker, presence, kinds, settings, metrics } = parts;
        let hub = Arc::new(Self {
            rooms: DashMap::default(),
            broker,
            presence,
            kinds,
            ring_bounds: RingBounds {
                entries: settings.ring_entries,
                bytes: settings.ring_bytes,
                total_bytes: settings.ring_total_bytes,
                used_bytes: Arc::new(AtomicUsize::new(0)),
            },
            log_reads: Semaphore::new(settings.log_reads_max),
            attendance: Attendance::default(),
            settings,
            news,
            metrics,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        for (number, queue) in queues.into_iter().enumerate() {
            hub.tasks.spawn(worker::run(hub.clone(), number, queue));
        }
        hub.tasks.spawn(attendance::declare_when_due(hub.clone()));
        hub.tasks.spawn(attendance::keep_lease(hub.clone()));
        hub.tasks.spawn(attendance::sweep(hub.clone()));
        hub.tasks.spawn(tidy(hub.clone()));
        hub
    }

    /// Ends the workers and waits for them.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The room, subscribed to the bus and standing at its log's head.
    pub async fn open(self: &Arc<Self>, name: &RoomName) -> Result<Arc<Room>, BrokerError> {
        loop {
            let room = self.rooms.entry(name.clone()).or_insert_with(|| self.new_room(name)).clone();
            let opened = room.opened.notified();
            if room.is_open() {
                return Ok(room.clone());
            }
            // Whoever is before this one at the gate may wait for a store that gives no answer. When the room is open all
            // who wait are told at once: handed on from one to the next, the gate would cost the last one of a crowd as
            // many turns of a busy runtime.
            let gate = tokio::select! {
                biased;
                () = opened => continue,
                gate = timeout(PATIENCE, room.gate.lock()) => gate.map_err(|_| BrokerError::Unavailable)?,
            };
            let phase = room.state.lock().phase;
            match phase {
                Phase::Live | Phase::Behind { .. } => {}
                // It was closed while this one waited; the map has, or gets, another.
                Phase::Closed => continue,
                Phase::Opening { .. } => self.fill(&room).await?,
            }
            drop(gate);
            room.opened.notify_waiters();
            return Ok(room.clone());
        }
    }

    /// Subscribes a room and takes the newest entries into its ring.
    async fn fill(self: &Arc<Self>, room: &Arc<Room>) -> Result<(), BrokerError> {
        self.broker.subscribe(&room.name).await?;
        let limit = PageLimit { entries: self.settings.ring_entries, bytes: self.settings.ring_bytes / 2 };
        let reading = self.read(room, Range::Newest, limit).await?;
        let (head, entries) = match reading {
            Reading::Page(page) => (page.head, page.entries),
            Reading::OtherLog(head) => (head, Vec::new()),
        };
        if room.filled(head.pos, entries) {
            self.spawn_catch_up(room);
        }
        Ok(())
    }

    fn new_room(&self, name: &RoomName) -> Arc<Room> {
        Arc::new(Room::new(name.clone(), self.kinds.of(name), self.ring_bounds.clone()))
    }

    /// The room, if it is open here.
    pub fn room(&self, name: &RoomName) -> Option<Arc<Room>> {
        self.rooms.get(name).map(|room| room.clone())
    }

    /// How many rooms are open here.
    pub fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    /// Unsubscribes rooms that nobody has needed for the linger.
    async fn close_idle(&self) {
        let idle: Vec<_> = self
            .rooms
            .iter()
            .filter(|room| room.is_idle(self.settings.linger))
            .map(|room| room.value().clone())
            .collect();
        for room in idle {
            let Ok(_gate) = room.gate.try_lock() else { continue };
            if !room.close_if_idle(self.settings.linger) {
                continue;
            }
            // The closed room stays in the map until the bus has let go of it: whoever wants to open it again waits at
            // the gate, so that the next subscribing cannot be undone by this unsubscribing.
            self.broker.unsubscribe(&room.name).await;
            self.rooms.remove_if(&room.name, |_, other| Arc::ptr_eq(other, &room));
        }
    }
}

/// Lets go of what nobody needs any more, once a second.
async fn tidy(hub: Arc<Hub>) {
    loop {
        tokio::select! {
            () = hub.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        for room in &hub.rooms {
            room.pages.expire();
        }
        hub.close_idle().await;
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("rooms", &self.rooms.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
