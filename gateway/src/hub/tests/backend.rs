//! The stores as a replica reaches them: slow, away, or without an answer.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hubbub_shared::{Position, RoomName, UserId};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use crate::broker::memory::MemoryBroker;
use crate::broker::{
    Author, Broker, BrokerError, Envelope, Head, Marker, PageLimit, Publish, Published, Range, Reading, Standing,
    StandingChange, Unread,
};
use crate::ids::Origin;
use crate::presence::memory::MemoryPresence;
use crate::presence::{MembersPage, Part, Presence, PresenceError, Renewal};

/// The stores as a replica reaches them.
pub(super) struct Backend {
    broker: MemoryBroker,
    presence: MemoryPresence,
    /// Gives no answer.
    away: AtomicBool,
    /// Does what was asked and then gives no answer.
    forgetful: AtomicBool,
    /// Does what is to be published and keeps its answer to itself for the time being.
    withholding: watch::Sender<bool>,
    /// The rooms for whose heads there is no answer.
    headless: Mutex<HashSet<RoomName>>,
    slow: Mutex<(StdRng, Duration)>,
    /// What renewals lost whose answers were not heard.
    unheard: Mutex<BTreeSet<Part>>,
}

impl Backend {
    /// Stores that answer at once.
    pub(super) fn new(seed: u64, broker: MemoryBroker, presence: MemoryPresence) -> Self {
        Self {
            broker,
            presence,
            away: AtomicBool::new(false),
            forgetful: AtomicBool::new(false),
            withholding: watch::Sender::new(false),
            headless: Mutex::default(),
            slow: Mutex::new((StdRng::seed_from_u64(seed), Duration::ZERO)),
            unheard: Mutex::default(),
        }
    }

    /// From here on the stores give no answer, or again.
    pub(super) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// From here on the stores do as they are asked and give no answer, or again.
    pub(super) fn set_forgetful(&self, forgetful: bool) {
        self.forgetful.store(forgetful, Ordering::Relaxed);
    }

    /// From here on publishes take effect and are not answered until this is taken back.
    pub(super) fn hold_answers(&self, withholding: bool) {
        self.withholding.send_replace(withholding);
    }

    /// From here on there is no answer for the heads of these rooms.
    pub(super) fn hide_heads(&self, rooms: &[&RoomName]) {
        *self.headless.lock() = rooms.iter().copied().cloned().collect();
    }

    /// From here on every call takes up to so long there, and up to so long back.
    pub(super) fn set_slow(&self, most: Duration) {
        self.slow.lock().1 = most;
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        self.travel().await;
        if self.away.load(Ordering::Relaxed) {
            return None;
        }
        let answer = call.await;
        self.travel().await;
        (!self.forgetful.load(Ordering::Relaxed)).then_some(answer)
    }

    async fn travel(&self) {
        let time = {
            let (rng, most) = &mut *self.slow.lock();
            if most.is_zero() { Duration::ZERO } else { rng.random_range(Duration::ZERO..=*most) }
        };
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }
}

#[async_trait]
impl Broker for Backend {
    async fn publish(&self, publish: Publish) -> Result<Published, BrokerError> {
        let published = self.call(self.broker.publish(publish)).await.unwrap_or(Err(BrokerError::Unavailable));
        let mut withholding = self.withholding.subscribe();
        _ = withholding.wait_for(|withholding| !withholding).await;
        published
    }

    async fn emit(&self, envelope: Envelope) -> Result<(), BrokerError> {
        self.call(self.broker.emit(envelope)).await.unwrap_or(Err(BrokerError::Unavailable))
    }

    async fn subscribe(&self, room: &RoomName) -> Result<(), BrokerError> {
        self.call(self.broker.subscribe(room)).await.unwrap_or(Err(BrokerError::Unavailable))
    }

    async fn unsubscribe(&self, room: &RoomName) {
        self.call(self.broker.unsubscribe(room)).await;
    }

    async fn read(&self, room: &RoomName, range: Range, limit: PageLimit) -> Result<Reading, BrokerError> {
        self.call(self.broker.read(room, range, limit)).await.unwrap_or(Err(BrokerError::Unavailable))
    }

    async fn heads(&self, rooms: &[RoomName]) -> Vec<Result<Head, BrokerError>> {
        let heads = self.call(self.broker.heads(rooms)).await;
        let mut heads = heads.unwrap_or_else(|| vec![Err(BrokerError::Unavailable); rooms.len()]);
        let headless = self.headless.lock();
        for (room, head) in rooms.iter().zip(&mut heads) {
            if headless.contains(room) {
                *head = Err(BrokerError::Unavailable);
            }
        }
        heads
    }

    async fn mark_read(
        &self,
        room: &RoomName,
        user: &UserId,
        pos: &Position,
        origin: Option<Origin>,
    ) -> Result<Marker, BrokerError> {
        self.call(self.broker.mark_read(room, user, pos, origin)).await.unwrap_or(Err(BrokerError::Unavailable))
    }

    async fn unread(&self, user: &UserId, rooms: &[RoomName]) -> Result<Vec<Unread>, BrokerError> {
        self.call(self.broker.unread(user, rooms)).await.unwrap_or(Err(BrokerError::Unavailable))
    }

    async fn standing(&self, room: &RoomName, user: &UserId) -> Result<Standing, BrokerError> {
        self.call(self.broker.standing(room, user)).await.unwrap_or(Err(BrokerError::Unavailable))
    }

    async fn set_standing(&self, room: &RoomName, user: &UserId, change: StandingChange) -> Result<(), BrokerError> {
        self.call(self.broker.set_standing(room, user, change)).await.unwrap_or(Err(BrokerError::Unavailable))
    }
}

#[async_trait]
impl Presence for Backend {
    async fn declare(&self, room: &RoomName, member: &Author, connections: u32) -> Result<u64, PresenceError> {
        let call = self.presence.declare(room, member, connections);
        self.call(call).await.unwrap_or(Err(PresenceError::Unavailable))
    }

    async fn members(
        &self,
        room: &RoomName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<MembersPage, PresenceError> {
        self.call(self.presence.members(room, after, limit)).await.unwrap_or(Err(PresenceError::Unavailable))
    }

    async fn count(&self, room: &RoomName) -> Result<u64, PresenceError> {
        self.call(self.presence.count(room)).await.unwrap_or(Err(PresenceError::Unavailable))
    }

    fn part(&self, room: &RoomName) -> Part {
        self.presence.part(room)
    }

    async fn renew(&self) -> Renewal {
        let renew = async {
            let mut renewal = self.presence.renew().await;
            self.unheard.lock().append(&mut renewal.lost);
        };
        match self.call(renew).await {
            Some(()) => Renewal { lost: std::mem::take(&mut self.unheard.lock()), unanswered: BTreeSet::new() },
            None => Renewal { lost: BTreeSet::new(), unanswered: BTreeSet::from([Part(0)]) },
        }
    }

    async fn sweep(&self) -> Result<usize, PresenceError> {
        self.call(self.presence.sweep()).await.unwrap_or(Err(PresenceError::Unavailable))
    }

    async fn resign(&self) -> Result<(), PresenceError> {
        self.call(self.presence.resign()).await.unwrap_or(Err(PresenceError::Unavailable))
    }
}
