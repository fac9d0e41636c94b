//! What a room tells besides entries: signals, who came and went, and what was read.

use std::collections::HashSet;
use std::sync::Arc;

use hubbub_shared::UserId;

use super::bulletin::MovedMarker;
use super::event::{Event, PresenceUpdate, Shared};
use super::outbox::Outbox;
use super::room::Room;
use super::subscription::SubscriptionId;
use crate::ids::ConnectionId;

impl Room {
    /// Tells every connection in the room but one.
    pub fn signal(&self, event: Event, except: Option<ConnectionId>) {
        let shared = Shared::new(self.name.clone(), event);
        let state = self.state.lock();
        for seat in state.seats.values() {
            if Some(seat.outbox.connection) != except {
                seat.outbox.offer_signal(&shared);
            }
        }
    }

    /// Presence changes may have been lost. Answers whether a frame is to be scheduled.
    pub fn miss_presence(&self) -> bool {
        self.kind.presence && self.state.lock().bulletin.note_missed()
    }

    /// Tells what has gathered of presence and receipts.
    pub fn tell(&self) {
        let mut state = self.state.lock();
        let (update, markers) = state.bulletin.take();
        if let Some(mut update) = update {
            if update.count > self.kind.presence_count_only_above {
                update.joined.clear();
                update.left.clear();
            }
            let news: HashSet<&UserId, ahash::RandomState> = update.joined.iter().map(|author| &author.user).collect();
            let everything = Arc::new(Shared::new(self.name.clone(), Event::Presence(update.clone())));
            for seat in state.seats.values().filter(|seat| seat.wants.presence) {
                let user = &seat.outbox.user.user;
                // One's own join is not announced to oneself.
                let own = if news.contains(user) { Some(without(&update, user)) } else { None };
                match own {
                    Some(own) if own.joined.is_empty() && own.left.is_empty() && !own.resync => {}
                    Some(own) => {
                        let own = Arc::new(Shared::new(self.name.clone(), Event::Presence(own)));
                        seat.outbox.offer_presence(seat.id, &own);
                    }
                    None => seat.outbox.offer_presence(seat.id, &everything),
                }
            }
        }
        let to_everybody = state.seats.len() <= self.kind.receipts_max_members;
        for (user, MovedMarker { pos, by }) in markers {
            let receipt = Shared::new(self.name.clone(), Event::Receipt { user: user.clone(), pos });
            for seat in state.seats.values() {
                let wanted = seat.outbox.user.user == user || (seat.wants.receipts && to_everybody);
                if wanted && Some(seat.outbox.connection) != by {
                    seat.outbox.offer_signal(&receipt);
                }
            }
        }
    }

    /// Tells a subscription that presence updates were lost, if that is still to be told.
    pub fn tell_resync(&self, outbox: &Outbox, id: SubscriptionId) {
        if !outbox.needs_resync(id) {
            return;
        }
        let state = self.state.lock();
        let update = PresenceUpdate { count: state.bulletin.last_count(), resync: true, ..PresenceUpdate::default() };
        outbox.offer_presence(id, &Arc::new(Shared::new(self.name.clone(), Event::Presence(update))));
    }
}

fn without(update: &PresenceUpdate, user: &UserId) -> PresenceUpdate {
    let joined = update.joined.iter().filter(|author| author.user != *user).cloned().collect();
    PresenceUpdate { joined, ..update.clone() }
}
