//! Replay, resume and catch-up are one thing: a lagging subscription that reads from its position until it has reached
//! its room, from the ring where that reaches back, from the log where not.

use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::server_frame::ResetReason;
use hubbub_shared::{Position, RoomName};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::event::{Event, Sent, Shared};
use super::outbox::{Outbox, Pending, Replayed};
use super::room::{Progress, Room};
use super::subscription::SubscriptionId;
use super::{Hub, PATIENCE};
use crate::broker::{BrokerError, PageLimit, Range, Reading};

/// A page that lagging subscriptions read; small enough that none of them fills an outbox by itself.
const PAGE: PageLimit = PageLimit { entries: 200, bytes: 128 * 1024 };
/// A live subscription that fell further behind than this is reset.
const LAG_ENTRIES_MAX: u64 = 50_000;
/// How long to wait before the log is asked again after it gave no answer.
const RETRY: Duration = Duration::from_millis(250);
/// How long a page may be used: where the bus has lost the word of a deletion, the deleted data must not live on in it.
const PAGE_AGE_MAX: Duration = Duration::from_millis(500);

/// What subscriptions of a room read of the log last, so that many at the same place cost one read.
#[derive(Debug, Default)]
pub struct Pages {
    cached: Mutex<Cached>,
    pub(super) flight: tokio::sync::Mutex<()>,
    /// Told when a page has come.
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Cached {
    /// Rises when an entry was deleted, so that a read that began before does not bring its data back.
    version: u64,
    page: Option<CachedPage>,
}

#[derive(Debug)]
struct CachedPage {
    after: Position,
    ahead: Ahead,
    /// When it was asked for.
    since: Instant,
}

/// What lies after a position.
#[derive(Debug, Clone)]
pub(super) enum Ahead {
    /// These entries and perhaps more; none where the log ends there.
    Entries(Arc<[Arc<Shared>]>),
    /// Something else: retention has passed the position, or it is not one of this log.
    Lost(Loss),
}

/// Why nobody can go on from a position entry by entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Retention has passed it.
    Trimmed,
    /// It is not one of this log.
    OtherLog,
}

/// How far a page brought a subscription.
enum Advanced {
    Some,
    /// To where the outbox is full.
    Full,
    /// Nowhere: the page does not lie between the subscription and its room.
    Nowhere,
}

impl Pages {
    /// An entry was deleted or the log was replaced.
    pub fn forget(&self) {
        let mut cached = self.cached.lock();
        cached.version += 1;
        cached.page = None;
    }

    /// Lets go of what is too old to be used.
    pub fn expire(&self) {
        let mut cached = self.cached.lock();
        if cached.page.as_ref().is_some_and(|page| page.since.elapsed() >= PAGE_AGE_MAX) {
            cached.page = None;
        }
    }

    fn find(&self, after: &Position) -> Option<Ahead> {
        let cached = self.cached.lock();
        let page = cached.page.as_ref().filter(|page| page.since.elapsed() < PAGE_AGE_MAX)?;
        if page.after == *after {
            return Some(page.ahead.clone());
        }
        let Ahead::Entries(entries) = &page.ahead else { return None };
        let index = entries.iter().position(|shared| shared.entry().is_some_and(|entry| entry.before() == *after))?;
        Some(Ahead::Entries(entries[index..].into()))
    }
}

impl Hub {
    /// Brings a lagging subscription forward until it follows its room or its outbox is full.
    pub async fn advance(self: &Arc<Self>, outbox: &Outbox, pending: &Pending) {
        let Pending { subscription: id, room } = pending;
        loop {
            room.tell_resync(outbox, *id);
            match room.advance(outbox, *id) {
                Progress::Done | Progress::Full => return,
                Progress::NeedsLog => {}
            }
            let Some((after, fell_behind)) = outbox.lag(*id) else { return };
            let last_seq = room.state.lock().last.seq;
            if fell_behind && last_seq.saturating_sub(after.seq) > LAG_ENTRIES_MAX {
                room.reset_one(outbox, *id, ResetReason::Lag);
                return;
            }
            match self.ahead(room, &after).await {
                Ok(Ahead::Entries(entries)) => match replay(outbox, *id, &entries, last_seq) {
                    Advanced::Some => {}
                    Advanced::Full => return,
                    Advanced::Nowhere => {
                        // The log has nothing here that the room has: the room may be on a way that it went before.
                        if room.suspect(0) {
                            self.spawn_catch_up(room);
                        }
                        tokio::time::sleep(RETRY).await;
                    }
                },
                Ok(Ahead::Lost(Loss::Trimmed)) => room.reset_one(outbox, *id, ResetReason::Trimmed),
                Ok(Ahead::Lost(Loss::OtherLog)) => room.reset_one(outbox, *id, ResetReason::Reset),
                Err(BrokerError::Unavailable | BrokerError::Full) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// The broker has appended an entry and somebody here is to be told so: where the log loses the entry before its
    /// room has met it, all who are in the room will be reset. Answers false where the room has followed its log
    /// another way, so that nobody knows whether the entry is there; the room looks at its log then.
    pub fn acknowledge(self: &Arc<Self>, room: &RoomName, pos: &Position) -> bool {
        let Some(room) = self.room(room) else { return true };
        let proven = room.acknowledge(pos);
        if !proven && room.suspect(pos.seq) {
            self.spawn_catch_up(&room);
        }
        proven
    }

    /// The broker has appended an own entry whose echo was expected on a subscription. Where the room does not follow
    /// the log to which it was appended, it looks at its log again.
    pub fn echo_appended(
        self: &Arc<Self>,
        outbox: &Outbox,
        id: SubscriptionId,
        room: &Arc<Room>,
        request: u64,
        sent: Sent,
    ) {
        let seq = sent.pos.seq;
        if !room.echo_appended(outbox, id, request, sent) && room.suspect(seq) {
            self.spawn_catch_up(room);
        }
    }

    /// What lies after a position, read once however many ask.
    pub(super) async fn ahead(&self, room: &Room, after: &Position) -> Result<Ahead, BrokerError> {
        // All who wait are told of a page at once: handed on from one to the next, the flight would cost the last one of
        // a crowd as many turns of a busy runtime.
        let patience = Instant::now() + PATIENCE;
        let _flight = loop {
            let arrived = room.pages.arrived.notified();
            if let Some(ahead) = room.pages.find(after) {
                return Ok(ahead);
            }
            tokio::select! {
                biased;
                () = arrived => {}
                flight = timeout_at(patience, room.pages.flight.lock()) => {
                    break flight.map_err(|_| BrokerError::Unavailable)?;
                }
            }
        };
        if let Some(ahead) = room.pages.find(after) {
            return Ok(ahead);
        }
        let version = room.pages.cached.lock().version;
        let since = Instant::now();
        let ahead = match self.read(room, Range::After(after.clone()), PAGE).await? {
            Reading::OtherLog(_) => Ahead::Lost(Loss::OtherLog),
            Reading::Page(page) if page.gap => Ahead::Lost(Loss::Trimmed),
            Reading::Page(page) => {
                let shared = |entry| Arc::new(Shared::new(room.name.clone(), Event::Entry(entry)));
                Ahead::Entries(page.entries.into_iter().map(shared).collect())
            }
        };
        // The end of the log is where the next entry comes, so nothing that lies there is worth keeping.
        let at_end = matches!(&ahead, Ahead::Entries(entries) if entries.is_empty());
        let mut cached = room.pages.cached.lock();
        if cached.version == version && !at_end {
            cached.page = Some(CachedPage { after: after.clone(), ahead: ahead.clone(), since });
            room.pages.arrived.notify_waiters();
        }
        Ok(ahead)
    }

    /// Reads the log, with a cap on how many do at once.
    pub(super) async fn read(&self, room: &Room, range: Range, limit: PageLimit) -> Result<Reading, BrokerError> {
        // The semaphore is never closed; if it were, one more read would do no harm.
        let _permit = self.log_reads.acquire().await.ok();
        self.metrics.log_reads.inc();
        self.broker.read(&room.name, range, limit).await
    }
}

/// Queues entries up to the room's position.
fn replay(outbox: &Outbox, id: SubscriptionId, entries: &[Arc<Shared>], last_seq: u64) -> Advanced {
    let mut advanced = Advanced::Nowhere;
    for shared in entries {
        let Some(entry) = shared.entry() else { continue };
        if entry.pos.seq > last_seq {
            break;
        }
        match outbox.replay_entry(id, shared, entry) {
            Replayed::Queued => advanced = Advanced::Some,
            Replayed::Full => return Advanced::Full,
            Replayed::Moved => break,
        }
    }
    advanced
}
