//! What waits to be written to one connection: bounded in bytes, replies included.
//!
//! When it is full, signals and presence are given up first, then the queued entries of room subscriptions, which fall
//! behind and are read again from the ring or the log once the socket drains. Replies are never given up; a request is
//! only begun once its reply has room ([`Outbox::reserve`]).
//!
//! Lock order: a room's state, then an outbox's. Nothing is called from within an outbox's lock.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hubbub_shared::server_frame::ResetReason;
use hubbub_shared::{Position, RoomName};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::event::{Encoder, Event, Sent, Shared};
use super::room::Room;
use super::subscription::{Pace, Placed, SubscriptionId};
use crate::broker::{Author, Entry};
use crate::ids::{ConnectionId, Origin};
use crate::telemetry::metrics::OutboxMetrics;

mod queue;

use queue::{Kind, State};

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

/// How much was taken out of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// A part of what is queued.
    Part,
    /// All that is queued, if anything.
    All,
    /// All that will ever be queued: the outbox is closed.
    Last,
}

/// What became of the next entry of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// It is queued.
    Queued,
    /// There is no room; go on once the socket has drained.
    Full,
    /// It is not the next one any more: look again where the subscription stands.
    Moved,
}

impl Outbox {
    /// An empty outbox of at most `bound_bytes`.
    pub fn new(connection: ConnectionId, user: Author, encoder: Arc<dyn Encoder>, bound_bytes: usize) -> Self {
        Self {
            connection,
            user,
            encoder,
            bound_bytes,
            metrics: Arc::default(),
            state: Mutex::new(State::default()),
            drained: Notify::new(),
        }
    }

    /// What happens in it is counted there.
    pub fn counted_by(self, metrics: Arc<OutboxMetrics>) -> Self {
        Self { metrics, ..self }
    }

    /// Where what happens in it is counted.
    pub fn metrics(&self) -> &OutboxMetrics {
        &self.metrics
    }

    /// The wire language of the connection.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    // --- the writer's side ---

    /// Whether there is something to write; false once the outbox is closed and empty. The waker stays: it is woken
    /// whenever an empty outbox gets something to write, until another takes its place.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.state.lock();
        if !state.is_empty() {
            return Poll::Ready(true);
        }
        if state.closed {
            return Poll::Ready(false);
        }
        state.awaited_by(cx.waker());
        Poll::Pending
    }

    /// Waits until there is something to write; false once the outbox is closed and empty.
    pub async fn wait_readable(&self) -> bool {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Takes the next frame to write.
    pub fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        let frame = state.pop()?;
        self.tell_of_room(state);
        Some(frame)
    }

    /// Takes the next frames to write until they are so many bytes together, and adds them to `frames`. The waker is
    /// woken when an outbox that was left empty gets something to write.
    pub fn take_batch(&self, bytes: usize, frames: &mut Vec<Bytes>, cx: &Context<'_>) -> Batch {
        let mut state = self.state.lock();
        let mut taken_bytes = 0;
        while taken_bytes < bytes
            && let Some(frame) = state.pop()
        {
            taken_bytes += frame.len();
            frames.push(frame);
        }
        let batch = match (state.is_empty(), state.closed) {
            (true, true) => Batch::Last,
            (true, false) => {
                state.awaited_by(cx.waker());
                Batch::All
            }
            (false, _) => Batch::Part,
        };
        if taken_bytes > 0 {
            self.tell_of_room(state);
        }
        batch
    }

    /// Wakes those who found no room, once there is.
    fn tell_of_room(&self, mut state: MutexGuard<'_, State>) {
        let used_bytes = state.used_bytes();
        let enough = state.wanted_below.take_if(|wanted_below| used_bytes <= *wanted_below).is_some();
        drop(state);
        if enough {
            self.drained.notify_waiters();
        }
    }

    /// Bytes that are queued.
    pub fn queued_bytes(&self) -> usize {
        self.state.lock().queued_bytes()
    }

    /// Nothing more is taken in; what is queued may still be written.
    pub fn close(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.closed = true;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        self.drained.notify_waiters();
    }

    // --- the connection's side ---

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
                state.push(frame, Kind::SentAfter(id, request, sent));
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

    // --- the room's side ---

    /// Makes a subscription and queues the `joined` that begins it. Called under the room's lock. `None` once the
    /// outbox is closed.
    pub fn subscribe(&self, room: Arc<Room>, after: Position, joined: Bytes) -> Option<SubscriptionId> {
        self.with(|state| {
            if state.closed {
                return None;
            }
            let id = state.add_subscription(room, after)?;
            state.push(joined, Kind::Kept);
            state.attention = true;
            Some(id)
        })
    }

    /// Ends a subscription with a last frame; what is still owed follows it and moves nothing. Answers whether it
    /// still stood.
    pub fn unsubscribe(&self, id: SubscriptionId, last: Option<Bytes>) -> bool {
        self.with(|state| {
            let Some(mut subscription) = state.remove_subscription(id) else { return false };
            if let Some(frame) = last {
                state.push(frame, Kind::Kept);
            }
            for sent in subscription.settle() {
                let frame = self.encoder.event(&subscription.room.name, &Event::Sent(sent));
                state.push(frame, Kind::Kept);
            }
            true
        })
    }

    /// Offers a new entry to a live subscription; a lagging one will read it by itself. Called under the room's lock.
    pub fn offer_entry(&self, id: SubscriptionId, shared: &Shared, entry: &Arc<Entry>, origin: Option<Origin>) {
        self.with(|state| {
            let Some(subscription) = state.subscription(id) else { return };
            if subscription.pace != Pace::Live {
                return;
            }
            let request = origin.filter(|origin| origin.connection == self.connection).map(|origin| origin.request);
            let placed = subscription.place_live(entry, request);
            self.push_placed(state, id, shared, entry, placed);
            state.make_room(self.bound_bytes);
        });
    }

    /// Queues the next entry of a replay or catch-up.
    pub fn replay_entry(&self, id: SubscriptionId, shared: &Shared, entry: &Arc<Entry>) -> Replayed {
        self.with(|state| {
            let full = state.used_bytes() > self.bound_bytes / 4 * 3;
            let Some(subscription) = state.subscription(id) else { return Replayed::Moved };
            let Pace::Lagging { after, fell_behind } = &subscription.pace else { return Replayed::Moved };
            if after.seq + 1 != entry.pos.seq {
                return Replayed::Moved;
            }
            if full {
                return Replayed::Full;
            }
            subscription.pace = Pace::Lagging { after: entry.pos.clone(), fell_behind: *fell_behind };
            let placed = subscription.place_replayed(entry);
            self.push_placed(state, id, shared, entry, placed);
            Replayed::Queued
        })
    }

    fn push_placed(&self, state: &mut State, id: SubscriptionId, shared: &Shared, entry: &Arc<Entry>, placed: Placed) {
        state.tally.delivered += 1;
        match placed {
            Placed::Entry => state.push(shared.frame(self.encoder()), Kind::Entry(id, entry.clone())),
            Placed::EntryThenSent { request, sent } => {
                state.push(shared.frame(self.encoder()), Kind::Entry(id, entry.clone()));
                let frame = self.encoder.event(&shared.room, &Event::Sent(sent.clone()));
                state.push(frame, Kind::SentAfter(id, request, sent));
            }
            Placed::Sent { request, sent, early } => {
                if early {
                    state.answered.push(request);
                }
                let frame = self.encoder.event(&shared.room, &Event::Sent(sent.clone()));
                state.push(frame, Kind::Echo(id, entry.clone(), request, sent));
            }
        }
    }

    /// Where a lagging subscription stands, and whether it fell behind; `None` for a live one.
    pub fn lag(&self, id: SubscriptionId) -> Option<(Position, bool)> {
        match &self.state.lock().subscription(id)?.pace {
            Pace::Live => None,
            Pace::Lagging { after, fell_behind } => Some((after.clone(), *fell_behind)),
        }
    }

    /// Lets a lagging subscription follow the room if it has reached the room's position; answers whether it follows
    /// now. Called under the room's lock.
    pub fn reach(&self, id: SubscriptionId, last: &Position) -> bool {
        let mut state = self.state.lock();
        let Some(subscription) = state.subscription(id) else { return true };
        if matches!(&subscription.pace, Pace::Lagging { after, .. } if after == last) {
            subscription.pace = Pace::Live;
        }
        subscription.pace == Pace::Live
    }

    /// The subscription goes on from the room's position, whatever it had reached. Called under the room's lock.
    pub fn reset(&self, id: SubscriptionId, shared: &Shared, pos: &Position, reason: ResetReason) {
        self.with(|state| {
            let Some(subscription) = state.subscription(id) else { return };
            let owed = subscription.jump(pos, reason);
            state.take_back_reset(id);
            state.push(shared.frame(self.encoder()), Kind::Reset(id));
            let mut nameless = false;
            for (request, sent) in owed {
                match reason {
                    ResetReason::Lag | ResetReason::Trimmed => {
                        let frame = self.encoder.event(&shared.room, &Event::Sent(sent.clone()));
                        state.push(frame, Kind::SentAfter(id, request, sent));
                    }
                    // Errors that name no request say nothing by their number.
                    ResetReason::Reset if sent.id.is_none() && std::mem::replace(&mut nameless, true) => {}
                    ResetReason::Reset => {
                        let event = Event::Unproven { id: sent.id };
                        state.push(self.encoder.event(&shared.room, &event), Kind::Kept);
                    }
                }
            }
            state.make_room(self.bound_bytes);
        });
    }

    /// Offers a signal or a receipt, which is lost where it does not fit.
    pub fn offer_signal(&self, shared: &Shared) {
        self.with(|state| {
            let frame = shared.frame(self.encoder());
            if state.used_bytes() + frame.len() <= self.bound_bytes / 2 {
                state.push(frame, Kind::Signal);
            } else {
                state.tally.dropped_signals += 1;
            }
        });
    }

    /// Offers a presence update; where it does not fit, the next one says so.
    pub fn offer_presence(&self, id: SubscriptionId, update: &Arc<Shared>) {
        self.with(|state| {
            let Some(subscription) = state.subscription(id) else { return };
            match &mut subscription.held {
                Some(held) => held.push(update.clone()),
                None => self.push_presence(state, id, update),
            }
        });
    }

    /// Whether presence updates were lost on a subscription that waits for the word of it.
    pub fn needs_resync(&self, id: SubscriptionId) -> bool {
        self.state.lock().subscription(id).is_some_and(|subscription| subscription.awaits_resync())
    }

    fn push_presence(&self, state: &mut State, id: SubscriptionId, update: &Shared) {
        let Some(subscription) = state.subscription(id) else { return };
        let frame = if subscription.resync {
            update.after_a_loss().frame(self.encoder())
        } else {
            update.frame(self.encoder())
        };
        let fits = state.used_bytes() + frame.len() <= self.bound_bytes * 3 / 4;
        state.lost_presence(id, !fits);
        if fits {
            state.push(frame, Kind::Presence(id));
        }
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
