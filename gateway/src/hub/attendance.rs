//! Tells the presence store whom this replica holds in which room.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hubbub_shared::UserId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Hub;
use super::room::Room;
use crate::presence::{Lease, PresenceError};

/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// How often replicas whose lease ran out are looked for.
const SWEEP: Duration = Duration::from_secs(2);
/// How many declarations may be under way at once.
const DECLARATIONS_MAX: usize = 256;
/// How long to wait before a declaration that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Declarations that are due some time, and the order among those of one user in one room.
#[derive(Debug)]
pub struct Attendance {
    due: Mutex<VecDeque<(Instant, Arc<Room>, UserId)>>,
    added: Notify,
    stripes: Vec<tokio::sync::Mutex<()>>,
    hasher: ahash::RandomState,
}

impl Default for Attendance {
    fn default() -> Self {
        Self {
            due: Mutex::default(),
            added: Notify::new(),
            stripes: (0..256).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: ahash::RandomState::new(),
        }
    }
}

impl Attendance {
    /// The user's declaration in the room is to be looked at then.
    pub fn schedule(&self, at: Instant, room: Arc<Room>, user: UserId) {
        let mut due = self.due.lock();
        // Nearly all wait for the same grace, so the right place is at or near the end.
        let index = due.iter().rposition(|(other, ..)| *other <= at).map_or(0, |index| index + 1);
        due.insert(index, (at, room, user));
        drop(due);
        self.added.notify_one();
    }

    fn take_due(&self, now: Instant) -> Option<(Arc<Room>, UserId)> {
        let mut due = self.due.lock();
        due.front()
            .is_some_and(|(at, ..)| *at <= now)
            .then(|| due.pop_front())
            .flatten()
            .map(|(_, room, user)| (room, user))
    }

    fn next_due(&self) -> Option<Instant> {
        self.due.lock().front().map(|(at, ..)| *at)
    }
}

impl Hub {
    /// Declares what the roster says of a user now, one at a time per user and room, so that the last word is the
    /// newest. Answers how many users are in the room.
    pub(super) async fn declare(&self, room: &Room, user: &UserId) -> Result<u64, PresenceError> {
        let stripe = self.attendance.hasher.hash_one((&room.name, user)) as usize % self.attendance.stripes.len();
        let _order = self.attendance.stripes[stripe].lock().await;
        let now = Instant::now();
        let declaration = room.state.lock().roster.declaration(user, now);
        let Some((author, connections)) = declaration else { return self.presence.count(&room.name).await };
        let count = self.presence.declare(&room.name, &author, connections).await?;
        let mut state = room.state.lock();
        state.bulletin.learn_count(count);
        if connections == 0 {
            state.roster.forget(user, now);
        }
        Ok(count)
    }

    /// Declares now, and again later if the store gives no answer or if whoever waits for it gives up.
    pub(super) async fn declare_surely(&self, room: &Arc<Room>, user: &UserId) {
        let mut owed = Owed { attendance: &self.attendance, room, user, paid: false };
        owed.paid = match self.declare(room, user).await {
            Ok(_) => true,
            Err(PresenceError::Unavailable) => false,
        };
    }
}

/// A declaration that the presence store is owed until it has answered; it is made later if this is dropped before.
struct Owed<'a> {
    attendance: &'a Attendance,
    room: &'a Arc<Room>,
    user: &'a UserId,
    paid: bool,
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if !self.paid {
            self.attendance.schedule(Instant::now() + RETRY, self.room.clone(), self.user.clone());
        }
    }
}

/// Makes the declarations that are due, until the hub stops.
pub async fn declare_when_due(hub: Arc<Hub>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < DECLARATIONS_MAX
            && let Some((room, user)) = hub.attendance.take_due(Instant::now())
        {
            let hub = hub.clone();
            under_way.push(async move { hub.declare_surely(&room, &user).await });
        }
        let next = hub.attendance.next_due().filter(|_| under_way.len() < DECLARATIONS_MAX);
        tokio::select! {
            () = hub.stop.cancelled() => return,
            Some(()) = under_way.next() => {}
            () = hub.attendance.added.notified() => {}
            () = async { if let Some(next) = next { tokio::time::sleep_until(next).await } }, if next.is_some() => {}
        }
    }
}

/// Renews this replica's lease, and sweeps those of others, until the hub stops.
pub async fn keep_lease(hub: Arc<Hub>) {
    let mut renew = tokio::time::interval(RENEW);
    let mut sweep = tokio::time::interval(SWEEP);
    let mut unanswered = false;
    loop {
        tokio::select! {
            () = hub.stop.cancelled() => break,
            _ = renew.tick() => match hub.presence.renew().await {
                // A store that was away may have lost what it was told before, or the word that it has.
                Ok(lease) => if std::mem::take(&mut unanswered) || lease == Lease::Lost {
                    tracing::warn!("the presence lease was lost or in doubt, declaring every member again");
                    declare_all(&hub);
                },
                Err(error) => {
                    tracing::warn!(%error, "the presence lease was not renewed");
                    unanswered = true;
                }
            },
            _ = sweep.tick() => match hub.presence.sweep().await {
                Ok(0) => {}
                Ok(replicas) => tracing::info!(replicas, "removed the members of replicas that are gone"),
                Err(error) => tracing::debug!(%error, "nothing could be swept"),
            },
        }
    }
    if let Err(error) = hub.presence.resign().await {
        tracing::warn!(%error, "the presence lease was not given back, it will run out");
    }
}

/// Every member is to be declared again; not here, where the next renewal must not wait for it.
fn declare_all(hub: &Hub) {
    let now = Instant::now();
    for room in &hub.rooms {
        let users = room.state.lock().roster.users();
        for user in users {
            hub.attendance.schedule(now, room.clone(), user);
        }
    }
}
