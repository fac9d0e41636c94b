//! Tells the presence store whom this replica holds in which room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hubbub_shared::UserId;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::Hub;
use super::room::Room;
use crate::presence::{Part, PresenceError};

/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// How often replicas whose lease ran out are looked for.
const SWEEP: Duration = Duration::from_secs(2);
/// How many declarations may be under way at once.
const DECLARATIONS_MAX: usize = 256;
/// Users of rooms share so many locks. Each is held while a declaration is under way, so in a storm of reconnects few are
/// to meet.
const STRIPES: usize = 4_096;
/// How long to wait before a declaration or a renewal that failed is tried again.
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
            stripes: (0..STRIPES).map(|_| tokio::sync::Mutex::new(())).collect(),
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

/// Renews this replica's lease, until the hub stops; then gives it back.
pub async fn keep_lease(hub: Arc<Hub>) {
    let mut unanswered = BTreeSet::new();
    loop {
        let next = Instant::now() + RENEW;
        let renewal = hub.presence.renew().await;
        if !renewal.lost.is_empty() {
            let members = declare_again(&hub, &renewal.lost);
            tracing::warn!(parts = renewal.lost.len(), members, "presence was lost, declaring the members again");
        }
        // Said once, however often it is tried.
        if unanswered != renewal.unanswered {
            let parts = renewal.unanswered.len();
            match parts {
                0 => tracing::info!("the presence lease is renewed everywhere again"),
                _ => tracing::warn!(parts, "the presence store does not answer, the lease there is not renewed"),
            }
            unanswered = renewal.unanswered;
        }
        let next = if unanswered.is_empty() { next } else { Instant::now() + RETRY };
        tokio::select! {
            () = hub.stop.cancelled() => break,
            () = tokio::time::sleep_until(next) => {}
        }
    }
    if let Err(error) = hub.presence.resign().await {
        tracing::warn!(%error, "the presence lease was not given back, it will run out");
    }
}

/// Looks for replicas whose lease ran out, until the hub stops. Not where the own lease is renewed, which must not wait
/// for it.
pub async fn sweep(hub: Arc<Hub>) {
    let mut tick = tokio::time::interval(SWEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = hub.stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        // Whoever stops leaves the rest to the others.
        let swept = tokio::select! {
            () = hub.stop.cancelled() => return,
            swept = hub.presence.sweep() => swept,
        };
        match swept {
            Ok(0) => {}
            Ok(replicas) => tracing::info!(replicas, "removed the members of replicas that are gone"),
            Err(error) => tracing::debug!(%error, "nothing could be swept"),
        }
    }
}

/// Every member in the rooms of these parts is to be declared again; not here, where the next renewal must not wait for
/// it. Answers how many those are.
fn declare_again(hub: &Hub, lost: &BTreeSet<Part>) -> usize {
    let now = Instant::now();
    let mut members = 0;
    for room in hub.rooms.iter().filter(|room| lost.contains(&hub.presence.part(&room.name))) {
        let users = room.state.lock().roster.users();
        members += users.len();
        for user in users {
            hub.attendance.schedule(now, room.clone(), user);
        }
    }
    members
}
