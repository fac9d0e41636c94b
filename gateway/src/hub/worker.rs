//! Handles what the bus brings: one worker per queue, so that each room's envelopes are handled in order by one owner.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Hub;
use super::bulletin::MovedMarker;
use super::event::Event;
use super::room::{Heard, Phase, Room};
use crate::broker::{BrokerError, Envelope, News, NewsReceiver, PageLimit, Payload, Range, Reading};

/// A page that a room reads to catch up.
const PAGE: PageLimit = PageLimit { entries: 500, bytes: 512 * 1024 };
/// How many heads are asked for at once.
const HEADS: usize = 256;
/// How long to wait before the log is asked again after it gave no answer.
const RETRY: Duration = Duration::from_millis(250);

/// Handles one queue until the hub stops.
pub async fn run(hub: Arc<Hub>, number: usize, mut queue: NewsReceiver) {
    let missed = Arc::new(Notify::new());
    let comparer = hub.tasks.spawn(compare_when_asked(hub.clone(), number, missed.clone()));
    // Every bulletin waits equally long, so the list is in the order in which they are due.
    let mut bulletins: VecDeque<(Instant, Arc<Room>)> = VecDeque::new();
    loop {
        let due = bulletins.front().map(|(due, _)| *due);
        tokio::select! {
            biased;
            () = hub.stop.cancelled() => break,
            () = async { if let Some(due) = due { tokio::time::sleep_until(due).await } }, if due.is_some() => {
                if let Some((_, room)) = bulletins.pop_front() {
                    room.tell();
                }
            }
            news = queue.next() => match news {
                None => break,
                Some(News::Missed) => missed.notify_one(),
                Some(News::Envelope(envelope)) => {
                    let Some(room) = hub.room(&envelope.room) else { continue };
                    // A fault in handling one envelope must not take the other rooms with it; what this room may
                    // have missed is read from the log.
                    let handled = catch_unwind(AssertUnwindSafe(|| handle(&hub, &room, envelope)));
                    match handled {
                        Ok(true) => bulletins.push_back((Instant::now() + hub.settings.presence_interval, room)),
                        Ok(false) => {}
                        Err(_) => {
                            tracing::error!(room = %room.name, "handling an envelope panicked, reading the log instead");
                            if room.suspect(0) {
                                hub.spawn_catch_up(&room);
                            }
                        }
                    }
                }
            },
        }
    }
    comparer.abort();
}

/// Answers whether the room's bulletin is to be told after the interval.
fn handle(hub: &Arc<Hub>, room: &Arc<Room>, envelope: Envelope) -> bool {
    let by = envelope.origin.map(|origin| origin.connection);
    match envelope.payload {
        Payload::Entry(entry) => {
            hub.metrics.entries_heard.inc();
            if room.hear(&entry, envelope.origin) == Heard::Hole {
                hub.spawn_catch_up(room);
            }
            false
        }
        Payload::Signal { from, data } => {
            room.signal(Event::Signal { from, data }, by);
            false
        }
        Payload::Presence(change) => room.state.lock().bulletin.note_presence(change),
        Payload::Receipt { user, pos } => room.state.lock().bulletin.note_receipt(user, MovedMarker { pos, by }),
    }
}

impl Hub {
    /// Reads the log until the room is live again. The room must just have become [`Phase::Behind`], so that there is
    /// one such task per room.
    pub(super) fn spawn_catch_up(self: &Arc<Self>, room: &Arc<Room>) {
        let (hub, room) = (self.clone(), room.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = hub.stop.cancelled() => {}
                () = hub.catch_up(&room) => {}
            }
        });
    }

    async fn catch_up(&self, room: &Room) {
        while let Some((last, seen_seq)) = room.behind() {
            self.metrics.catch_ups.inc();
            match self.read(room, Range::After(last), PAGE).await {
                Ok(Reading::Page(page)) => {
                    if room.catch_up(&page, seen_seq) {
                        return;
                    }
                }
                Ok(Reading::OtherLog(head)) => room.replace_log(head.pos),
                Err(BrokerError::Unavailable | BrokerError::Full) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Compares the positions of a worker's rooms with the heads of their logs.
    async fn compare(self: &Arc<Self>, worker: usize, all: bool) -> Result<(), BrokerError> {
        let rooms: Vec<Arc<Room>> = self
            .rooms
            .iter()
            .filter(|room| self.news.worker_of(&room.name) == worker)
            .filter(|room| {
                let mut state = room.state.lock();
                let quiet = !std::mem::replace(&mut state.heard, false);
                state.phase == Phase::Live && (all || quiet)
            })
            .map(|room| room.value().clone())
            .collect();
        for rooms in rooms.chunks(HEADS) {
            let names: Vec<_> = rooms.iter().map(|room| room.name.clone()).collect();
            let heads = self.broker.heads(&names).await?;
            for (room, head) in rooms.iter().zip(heads) {
                let differs = room.state.lock().last != head.pos;
                if differs && room.suspect(head.pos.seq) {
                    self.spawn_catch_up(room);
                }
            }
        }
        Ok(())
    }
}

/// Compares all rooms whenever envelopes may have been lost, and quiet ones now and then.
async fn compare_when_asked(hub: Arc<Hub>, worker: usize, missed: Arc<Notify>) {
    loop {
        let all = tokio::select! {
            () = missed.notified() => true,
            () = tokio::time::sleep(hub.settings.head_check) => false,
        };
        while let Err(error) = hub.compare(worker, all).await {
            tracing::debug!(%error, "comparing rooms with their logs failed, trying again");
            tokio::time::sleep(RETRY).await;
        }
    }
}
