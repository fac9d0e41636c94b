//! The embedded broker: all logs in the memory of one process, for any number of replicas in it.
//!
//! Every call is over before it is first awaited, so deadlines are kept by themselves. A room's lock is held from the
//! look at the key until the bus has the envelope, which is what makes publishing one step and the bus's order the
//! log's.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_shared::{Position, RoomName, UserId};

use super::{
    Broker, BrokerError, Envelope, Head, Marker, NewsSender, PageLimit, Payload, Publish, Published, Range, Reading,
    Standing, StandingChange, Unread,
};
use crate::ids::Origin;

mod bus;
mod dedupe;
pub mod faults;
mod log;
mod markers;
mod room;
mod standing;
mod store;
#[cfg(test)]
mod tests;

use bus::Attachment;
pub use bus::{Interference, MemoryBus, ReplicaNumber};
use room::Room;
pub use store::MemoryStore;
use store::Need;

/// One replica's end of the embedded broker. Dropping it takes the replica off the bus.
#[derive(Debug)]
pub struct MemoryBroker {
    store: Arc<MemoryStore>,
    attachment: Attachment,
}

impl MemoryBroker {
    /// Attaches a replica, whose news will come through `news`.
    pub fn attach(store: Arc<MemoryStore>, bus: Arc<MemoryBus>, news: NewsSender) -> Self {
        Self { store, attachment: bus.attach(news) }
    }

    /// Frees the memory of what is over, for a part of the rooms; to be called about once a second.
    pub fn sweep(&self) {
        self.store.sweep(self.bus());
    }

    fn bus(&self) -> &MemoryBus {
        self.attachment.bus()
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, publish: Publish) -> Result<Published, BrokerError> {
        let name = publish.room.clone();
        let window_ms = self.store.dedupe_window_ms();
        let need = |room: &mut Room, publish: &Publish, now_ms| match room.verdict(publish, now_ms, window_ms) {
            Some(published) => Need::Nothing(published),
            None => Need::Bytes(room.append_bytes_max(publish)),
        };
        let make = |room: &mut Room, publish: Publish, now_ms| {
            let origin = publish.origin;
            let entry = room.append(publish, now_ms);
            let (pos, time_ms) = (entry.pos.clone(), entry.time_ms);
            self.bus().publish(Envelope { room: name.clone(), origin, payload: Payload::Entry(entry) });
            Published::Appended { pos, time_ms }
        };
        self.store.change(&name, self.bus(), publish, need, make)
    }

    async fn emit(&self, envelope: Envelope) -> Result<(), BrokerError> {
        self.bus().publish(envelope);
        Ok(())
    }

    async fn subscribe(&self, room: &RoomName) -> Result<(), BrokerError> {
        self.attachment.subscribe(room);
        Ok(())
    }

    async fn unsubscribe(&self, room: &RoomName) {
        self.attachment.unsubscribe(room);
    }

    async fn read(&self, room: &RoomName, range: Range, limit: PageLimit) -> Result<Reading, BrokerError> {
        let known = self.store.with(room, |room, now_ms| room.read(&range, limit, now_ms));
        Ok(known.unwrap_or_else(|| room::read_nothing(&range)))
    }

    async fn heads(&self, rooms: &[RoomName]) -> Vec<Result<Head, BrokerError>> {
        let head = |room| self.store.with(room, Room::head).unwrap_or_else(room::no_head);
        rooms.iter().map(|room| Ok(head(room))).collect()
    }

    async fn mark_read(
        &self,
        room: &RoomName,
        user: &UserId,
        pos: &Position,
        origin: Option<Origin>,
    ) -> Result<Marker, BrokerError> {
        let need = |known: &mut Room, (): &(), _now_ms| match known.mark_read_bytes_max(user) {
            None => Need::Nothing(room::no_marker()),
            Some(bytes) => Need::Bytes(bytes),
        };
        let make = |known: &mut Room, (): (), now_ms| {
            let marker = known.mark_read(user, pos, now_ms);
            if marker.moved {
                let payload = Payload::Receipt { user: user.clone(), pos: marker.pos.clone() };
                self.bus().publish(Envelope { room: room.clone(), origin, payload });
            }
            marker
        };
        self.store.change(room, self.bus(), (), need, make)
    }

    async fn unread(&self, user: &UserId, rooms: &[RoomName]) -> Result<Vec<Unread>, BrokerError> {
        let unread = |name| self.store.with(name, |room, now_ms| room.unread(user, now_ms));
        Ok(rooms.iter().map(|name| unread(name).unwrap_or_else(room::nothing_unread)).collect())
    }

    async fn standing(&self, room: &RoomName, user: &UserId) -> Result<Standing, BrokerError> {
        Ok(self.store.with(room, |room, now_ms| room.standing(user, now_ms)).unwrap_or_default())
    }

    async fn set_standing(&self, room: &RoomName, user: &UserId, change: StandingChange) -> Result<(), BrokerError> {
        let need = |known: &mut Room, change: &StandingChange, _now_ms| {
            Need::Bytes(known.set_standing_bytes_max(room.as_str(), user, *change))
        };
        let make = |known: &mut Room, change, _now_ms| known.set_standing(user, change);
        self.store.change(room, self.bus(), change, need, make)
    }
}
