//! The embedded bus: hands envelopes to the replicas of this process that subscribed to their room.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use hubbub_shared::RoomName;
use parking_lot::Mutex;

use crate::broker::{Envelope, News, NewsSender};

/// Which replica, by the order in which they attached to the bus; from 0.
pub type ReplicaNumber = u64;

/// Stands between the bus and its replicas: makes of an envelope for one replica what that replica is to hear now.
/// It runs under locks of the bus and of the room's log, so it must not call either.
pub type Interference = Box<dyn FnMut(ReplicaNumber, Envelope) -> Vec<News> + Send>;

/// The bus that the replicas of one process share. Handing over never waits, so it can be done while the lock stands
/// under which an order came about.
#[derive(Default)]
pub struct MemoryBus {
    rooms: DashMap<RoomName, Vec<Subscriber>, ahash::RandomState>,
    attached: AtomicU64,
    interference: Option<Mutex<Interference>>,
}

struct Subscriber {
    replica: ReplicaNumber,
    news: NewsSender,
}

/// A replica's place on the bus; it is taken away from all rooms when this is dropped.
#[derive(Debug)]
pub(super) struct Attachment {
    bus: Arc<MemoryBus>,
    replica: ReplicaNumber,
    news: NewsSender,
}

impl MemoryBus {
    /// A bus that brings everything, once and in order.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A bus that fails as `interference` says, as real ones may.
    pub fn with_interference(interference: Interference) -> Arc<Self> {
        Arc::new(Self { interference: Some(Mutex::new(interference)), ..Self::default() })
    }

    /// Hands an envelope to every replica that is subscribed to its room.
    pub fn publish(&self, envelope: Envelope) {
        let Some(subscribers) = self.rooms.get(&envelope.room) else { return };
        for subscriber in subscribers.iter() {
            let Some(interference) = &self.interference else {
                subscriber.news.send(envelope.clone());
                continue;
            };
            // The lock is held until everything is handed over, so that an order of two calls is kept.
            let mut interference = interference.lock();
            for news in interference(subscriber.replica, envelope.clone()) {
                match news {
                    News::Envelope(envelope) => subscriber.news.send(envelope),
                    News::Missed => subscriber.news.missed(),
                }
            }
        }
    }

    /// Whether any replica is subscribed to a room.
    pub(super) fn is_subscribed(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    pub(super) fn attach(self: &Arc<Self>, news: NewsSender) -> Attachment {
        let replica = self.attached.fetch_add(1, Ordering::Relaxed);
        Attachment { bus: self.clone(), replica, news }
    }
}

impl Attachment {
    pub(super) fn bus(&self) -> &MemoryBus {
        &self.bus
    }

    pub(super) fn subscribe(&self, room: &RoomName) {
        let mut subscribers = self.bus.rooms.entry(room.clone()).or_default();
        if subscribers.iter().all(|subscriber| subscriber.replica != self.replica) {
            subscribers.push(Subscriber { replica: self.replica, news: self.news.clone() });
        }
    }

    pub(super) fn unsubscribe(&self, room: &RoomName) {
        self.bus.rooms.remove_if_mut(room, |_, subscribers| self.leave(subscribers));
    }

    /// Answers whether nobody is left.
    fn leave(&self, subscribers: &mut Vec<Subscriber>) -> bool {
        subscribers.retain(|subscriber| subscriber.replica != self.replica);
        subscribers.is_empty()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.bus.rooms.retain(|_, subscribers| !self.leave(subscribers));
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("rooms", &self.rooms.len()).finish_non_exhaustive()
    }
}
