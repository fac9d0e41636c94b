//! What a room puts in, for one of its subscriptions.

use std::sync::Arc;

use bytes::Bytes;
use hubbub_shared::Position;
use hubbub_shared::server_frame::ResetReason;

use super::Outbox;
use super::state::{Kind, State};
use crate::broker::Entry;
use crate::hub::event::{Event, Shared};
use crate::hub::room::Room;
use crate::hub::subscription::{Pace, Placed, SubscriptionId};
use crate::ids::Origin;

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
                state.push(frame, Kind::SentAfter(id, request, sent.into()));
            }
            Placed::Sent { request, sent, early } => {
                if early {
                    state.answered.push(request);
                }
                let frame = self.encoder.event(&shared.room, &Event::Sent(sent.clone()));
                state.push(frame, Kind::Echo(id, entry.clone(), request, sent.into()));
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
                        state.push(frame, Kind::SentAfter(id, request, sent.into()));
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

    pub(super) fn push_presence(&self, state: &mut State, id: SubscriptionId, update: &Shared) {
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
}
