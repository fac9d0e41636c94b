//! How a subscription ends: by its client, by the gateway, or with its connection.

use std::sync::Arc;

use bytes::Bytes;
use hubbub_shared::RoomName;
use hubbub_shared::server_frame::RemovedReason;
use tokio::time::Instant;

use super::Hub;
use super::event::Event;
use super::outbox::Outbox;
use super::room::Room;
use super::subscription::SubscriptionId;

impl Hub {
    /// Ends a subscription because its client asked; `left` is queued after everything of the room.
    pub async fn leave(&self, outbox: &Outbox, room: &RoomName, left: Bytes) {
        match outbox.subscription_to(room) {
            Some((id, room)) => self.end(outbox, id, &room, left).await,
            None => outbox.reply(left),
        }
    }

    /// Ends a subscription because the gateway says so. Answers whether there was one.
    pub async fn remove(&self, outbox: &Outbox, room: &RoomName, reason: RemovedReason) -> bool {
        let Some((id, room)) = outbox.subscription_to(room) else { return false };
        let removed = outbox.encoder().event(&room.name, &Event::Removed { reason });
        self.end(outbox, id, &room, removed).await;
        true
    }

    async fn end(&self, outbox: &Outbox, id: SubscriptionId, room: &Arc<Room>, last: Bytes) {
        if !unseat(outbox, id, room, Some(last)) {
            return;
        }
        let user = &outbox.user.user;
        let declare = room.state.lock().roster.exit(user, None);
        self.declare_or_forget(room, outbox, declare).await;
    }

    async fn declare_or_forget(&self, room: &Arc<Room>, outbox: &Outbox, declare: bool) {
        let user = &outbox.user.user;
        if !room.kind.presence {
            room.state.lock().roster.forget(user, Instant::now());
        } else if declare {
            self.declare_surely(room, user).await;
        }
    }

    /// Ends every subscription of a connection that broke or was closed. Its user stays a member for the grace.
    pub fn detach(&self, outbox: &Outbox) {
        outbox.close();
        for (id, room) in outbox.subscriptions() {
            if unseat(outbox, id, &room, None) {
                self.exit(&room, outbox);
            }
        }
    }

    /// Counts a connection out of a room, with the grace.
    pub(super) fn exit(&self, room: &Arc<Room>, outbox: &Outbox) {
        let user = &outbox.user.user;
        let now = Instant::now();
        if !room.kind.presence {
            let mut state = room.state.lock();
            state.roster.exit(user, None);
            state.roster.forget(user, now);
            return;
        }
        let until = now + self.settings.presence_grace;
        room.state.lock().roster.exit(user, Some(until));
        self.attendance.schedule(until, room.clone(), user.clone());
    }
}

/// Takes the connection's seat in the room away; answers whether it still had it.
fn unseat(outbox: &Outbox, id: SubscriptionId, room: &Room, last: Option<Bytes>) -> bool {
    let mut state = room.state.lock();
    if !outbox.unsubscribe(id, last) {
        return false;
    }
    state.seats.swap_remove(&outbox.connection);
    true
}
