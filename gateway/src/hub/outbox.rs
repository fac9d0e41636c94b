//! What waits to be written to one connection: bounded in bytes, replies included.
//!
//! When it is full, signals and presence are given up first, then the queued entries of room subscriptions, which fall
//! behind and are read again from the ring or the log once the socket drains. Replies are never given up; a request is
//! only begun once its reply has room ([`Outbox::reserve`]).
//!
//! Lock order: a room's state, then an outbox's. Nothing is called from within an outbox's lock.

use std::sync::Arc;

use bytes::Bytes;
use hubbub_shared::RoomName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::event::{Encoder, Event, Sent};
use super::room::Room;
use super::subscription::{Pace, SubscriptionId};
use crate::broker::Author;
use crate::ids::ConnectionId;
use crate::telemetry::metrics::OutboxMetrics;

mod offering;
mod queue;
mod state;
mod taking;

pub use offering::Replayed;
use state::{Kind, State};
pub use taking::Batch;

/// What waits to be written to one connection.
pub struct Outbox {
    /// Whose it is.
    pub connection: ConnectionId,
    /// The user of the connection.
    pub user: Author,
    encoder: Arc<dyn Encoder>,
    bound_bytes: usize,
    metrics: Arc<OutboxMetrics>,
    state: Mutex<State>,
    drained: Notify,
}

/// Room for a reply that is being worked out; given back on drop.
#[derive(Debug)]
pub struct Reserved {
    outbox: Arc<Outbox>,
    bytes: usize,
}

/// A subscription that has something to read on its own.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Which.
    pub subscription: SubscriptionId,
    /// Its room.
    pub room: Arc<Room>,
}

impl Outbox {
    /// An empty outbox of at most `bound_bytes`; what happens in it is counted by `metrics`.
    pub fn new(
        connection: ConnectionId,
        user: Author,
        encoder: Arc<dyn Encoder>,
        bound_bytes: usize,
        metrics: Arc<OutboxMetrics>,
    ) -> Self {
        Self {
            connection,
            user,
            encoder,
            bound_bytes,
            metrics,
            state: Mutex::new(State::default()),
            drained: Notify::new(),
        }
    }

    /// Where what happens in it is counted.
    pub fn metrics(&self) -> &OutboxMetrics {
        &self.metrics
    }

    /// The wire language of the connection.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// Waits until a reply of so many bytes has room.
    pub async fn reserve(self: &Arc<Self>, bytes: usize) -> Reserved {
        let bytes = bytes.min(self.bound_bytes / 2);
        loop {
            let drained = self.drained.notified();
            {
                let mut state = self.state.lock();
                let owed_bytes = state.owed_bytes();
                let used = state.used_bytes() + owed_bytes;
                if state.closed || used == 0 || used + bytes <= self.bound_bytes {
                    state.reserved_bytes += bytes;
                    return Reserved { outbox: self.clone(), bytes };
                }
                state.want_below(self.bound_bytes.saturating_sub(bytes + owed_bytes));
            }
            drained.await;
        }
    }

    /// Whether requests have to wait because nothing more fits.
    pub fn is_full(&self, for_bytes: usize) -> bool {
        let state = self.state.lock();
        state.used_bytes() + state.owed_bytes() + for_bytes > self.bound_bytes
    }

    /// Queues a frame that is never given up.
    pub fn reply(&self, frame: Bytes) {
        self.with(|state| state.push(frame, Kind::Kept));
    }

    /// Waits until a subscription has something to read on its own and there is room for it.
    pub async fn next_pending(&self, busy: &[SubscriptionId]) -> Pending {
        loop {
            let drained = self.drained.notified();
            {
                let mut state = self.state.lock();
                let roomy = state.used_bytes() <= self.bound_bytes / 2;
                let pending = state.subscriptions().find(|subscription| {
                    let waiting = matches!(subscription.pace, Pace::Lagging { .. }) || subscription.awaits_resync();
                    waiting && !busy.contains(&subscription.id)
                });
                if let Some(subscription) = pending {
                    let pending = Pending { subscription: subscription.id, room: subscription.room.clone() };
                    if roomy {
                        return pending;
                    }
                    state.want_below(self.bound_bytes / 2);
                }
            }
            drained.await;
        }
    }

    /// The subscription to a room.
    pub fn subscription_to(&self, room: &RoomName) -> Option<(SubscriptionId, Arc<Room>)> {
        let state = self.state.lock();
        let subscription = state.subscriptions().find(|it| it.room.name == *room)?;
        Some((subscription.id, subscription.room.clone()))
    }

    /// All subscriptions of the connection.
    pub fn subscriptions(&self) -> Vec<(SubscriptionId, Arc<Room>)> {
        self.state.lock().subscriptions().map(|it| (it.id, it.room.clone())).collect()
    }

    /// How many rooms the connection is in.
    pub fn rooms_len(&self) -> usize {
        self.state.lock().subscriptions().count()
    }

    /// An own publish is under way whose `sent` is to stand in the entry's place.
    pub fn expect_echo(&self, id: SubscriptionId, request: u64, client_id: Option<u32>) {
        if let Some(subscription) = self.state.lock().subscription(id) {
            subscription.expect_echo(request, client_id);
        }
    }

    /// The broker has appended an own entry whose echo was expected: its `sent` is queued now if the entry has passed
    /// or the room was left, and comes by itself otherwise. Called under the room's lock.
    pub fn echo_appended(&self, room: &RoomName, id: SubscriptionId, request: u64, sent: Sent) {
        self.with(|state| {
            if state.take_answered(request) {
                return;
            }
            if state.subscription(id).is_none_or(|subscription| subscription.echo_appended(request, &sent)) {
                let frame = self.encoder.event(room, &Event::Sent(sent.clone()));
                state.push(frame, Kind::SentAfter(id, request, sent.into()));
            }
        });
    }

    /// The broker has appended an own entry whose echo was expected, on a log that the room does not follow: nobody
    /// knows whether the entry will come. Called under the room's lock.
    pub fn echo_unproven(&self, room: &RoomName, id: SubscriptionId, request: u64, client_id: Option<u32>) {
        self.with(|state| {
            if !state.take_answered(request) {
                state.subscription(id).map(|subscription| subscription.forget_echo(request));
                state.push(self.encoder.event(room, &Event::Unproven { id: client_id }), Kind::Kept);
            }
        });
    }

    /// The own publish failed or was a duplicate; answers whether its reply is still owed.
    pub fn forget_echo(&self, id: SubscriptionId, request: u64) -> bool {
        let mut state = self.state.lock();
        if state.take_answered(request) {
            return false;
        }
        state.subscription(id).is_none_or(|subscription| subscription.forget_echo(request))
    }

    /// Holds presence updates back while a page of members is worked out, so that every change that the page does not
    /// show comes after it.
    pub fn hold_presence(&self, id: SubscriptionId) {
        if let Some(subscription) = self.state.lock().subscription(id) {
            subscription.held.get_or_insert_default();
        }
    }

    /// Queues the presence updates that were held back.
    pub fn release_presence(&self, id: SubscriptionId) {
        self.with(|state| {
            let held = state.subscription(id).and_then(|subscription| subscription.held.take());
            for update in held.into_iter().flatten() {
                self.push_presence(state, id, &update);
            }
            // What was lost before or while it was held is told now.
            state.attention = true;
        });
    }

    /// Runs a change and wakes whoever waits for its outcome.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let was_empty = state.is_empty();
        let result = change(&mut state);
        let filled = was_empty && !state.is_empty();
        let attention = std::mem::take(&mut state.attention);
        let tally = std::mem::take(&mut state.tally);
        let reader = if filled { state.reader.clone() } else { None };
        drop(state);
        self.metrics.add(tally);
        if let Some(reader) = reader {
            reader.wake();
        }
        if attention {
            self.drained.notify_waiters();
        }
        result
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("connection", &self.connection).field("user", &self.user.user).finish()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = self.outbox.state.lock();
        state.reserved_bytes -= self.bytes;
        self.outbox.tell_of_room(state);
    }
}
