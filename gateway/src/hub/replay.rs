//! Replay, resume and catch-up are one thing: a lagging subscription that reads from its position until it has reached
//! its room, from the ring where that reaches back, from the log where not.

use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::Position;
use hubbub_shared::server_frame::ResetReason;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::Hub;
use super::event::{Event, Shared};
use super::outbox::{Outbox, Pending, Replayed};
use super::room::{Progress, Room};
use super::subscription::SubscriptionId;
use crate::broker::{BrokerError, PageLimit, Range, Reading};

/// A page that lagging subscriptions read; small enough that none of them fills an outbox by itself.
const PAGE: PageLimit = PageLimit { entries: 200, bytes: 128 * 1024 };
/// A live subscription that fell further behind than this is reset.
const LAG_ENTRIES_MAX: u64 = 50_000;
/// How long to wait before the log is asked again after it gave no answer.
const RETRY: Duration = Duration::from_millis(250);

/// The page of the log that lagging subscriptions of a room read last, so that many at the same place cost one read.
#[derive(Debug, Default)]
pub struct Pages {
    cached: Mutex<Cached>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Cached {
    /// Rises when an entry was deleted, so that a read that began before does not bring its data back.
    version: u64,
    page: Option<(Arc<[Arc<Shared>]>, Instant)>,
}

/// What lies after a position.
enum Ahead {
    Entries(Arc<[Arc<Shared>]>),
    Lost(ResetReason),
}

impl Pages {
    /// An entry was deleted or the log was replaced.
    pub fn forget(&self) {
        let mut cached = self.cached.lock();
        cached.version += 1;
        cached.page = None;
    }

    /// Lets go of a page that nobody has read for a while.
    pub fn expire(&self, age: Duration) {
        let mut cached = self.cached.lock();
        if cached.page.as_ref().is_some_and(|(_, used)| used.elapsed() >= age) {
            cached.page = None;
        }
    }

    fn find(&self, after: &Position) -> Option<Arc<[Arc<Shared>]>> {
        let mut cached = self.cached.lock();
        let (page, used) = cached.page.as_mut()?;
        let index = page.iter().position(|shared| shared.entry().is_some_and(|entry| entry.before() == *after))?;
        *used = Instant::now();
        Some(page[index..].into())
    }
}

impl Hub {
    /// Brings a lagging subscription forward until it follows its room or its outbox is full.
    pub async fn advance(&self, outbox: &Outbox, pending: &Pending) {
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
                Ok(Ahead::Entries(entries)) => {
                    if !replay(outbox, *id, &entries, last_seq) {
                        return;
                    }
                }
                Ok(Ahead::Lost(reason)) => room.reset_one(outbox, *id, reason),
                Err(BrokerError::Unavailable | BrokerError::Full) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// What lies after a position, read once however many ask.
    async fn ahead(&self, room: &Room, after: &Position) -> Result<Ahead, BrokerError> {
        if let Some(entries) = room.pages.find(after) {
            return Ok(Ahead::Entries(entries));
        }
        let _flight = room.pages.flight.lock().await;
        if let Some(entries) = room.pages.find(after) {
            return Ok(Ahead::Entries(entries));
        }
        let version = room.pages.cached.lock().version;
        let page = match self.read(room, Range::After(after.clone()), PAGE).await? {
            Reading::OtherLog(_) => return Ok(Ahead::Lost(ResetReason::Reset)),
            Reading::Page(page) if page.gap => return Ok(Ahead::Lost(ResetReason::Trimmed)),
            Reading::Page(page) => page,
        };
        let entries: Arc<[Arc<Shared>]> = page
            .entries
            .into_iter()
            .map(|entry| Arc::new(Shared::new(room.name.clone(), Event::Entry(entry))))
            .collect();
        let mut cached = room.pages.cached.lock();
        if cached.version == version && !entries.is_empty() {
            cached.page = Some((entries.clone(), Instant::now()));
        }
        Ok(Ahead::Entries(entries))
    }

    /// Reads the log, with a cap on how many do at once.
    pub(super) async fn read(&self, room: &Room, range: Range, limit: PageLimit) -> Result<Reading, BrokerError> {
        // The semaphore is never closed; if it were, one more read would do no harm.
        let _permit = self.log_reads.acquire().await.ok();
        self.metrics.log_reads.inc();
        self.broker.read(&room.name, range, limit).await
    }
}

/// Queues entries up to the room's position; answers false when the outbox is full.
fn replay(outbox: &Outbox, id: SubscriptionId, entries: &[Arc<Shared>], last_seq: u64) -> bool {
    for shared in entries {
        let Some(entry) = shared.entry() else { continue };
        if entry.pos.seq > last_seq {
            break;
        }
        match outbox.replay_entry(id, shared, entry) {
            Replayed::Queued => {}
            Replayed::Full => return false,
            Replayed::Moved => break,
        }
    }
    true
}
