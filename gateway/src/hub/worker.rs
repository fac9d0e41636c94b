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
use super::room::{Heard, Room};
use crate::broker::{BrokerError, Envelope, News, NewsReceiver, PageLimit, Payload, Range, Reading};

/// A page that a room reads to catch up.
const PAGE: PageLimit = PageLimit { entries: 500, bytes: 512 * 1024 };
/// How long to wait before the log is asked again after it gave no answer.
const RETRY: Duration = Duration::from_millis(250);

/// What a worker does an interval after it was found to be needed.
enum ToDo {
    /// Tell the presence and receipts that have gathered in a room.
    Tell(Arc<Room>),
    /// Tell all rooms that presence updates may have been lost.
    DoubtPresence,
}

/// Handles one queue until the hub stops.
pub async fn run(hub: Arc<Hub>, number: usize, mut queue: NewsReceiver) {
    let missed = Arc::new(Notify::new());
    let comparer = hub.tasks.spawn(compare_when_asked(hub.clone(), number, missed.clone()));
    let interval = hub.settings.presence_interval;
    // Everything waits equally long, so the list is in the order in which it is due.
    let mut to_do: VecDeque<(Instant, ToDo)> = VecDeque::new();
    let mut doubtful = false;
    loop {
        let due = to_do.front().map(|(due, _)| *due);
        tokio::select! {
            biased;
            () = hub.stop.cancelled() => break,
            () = async { if let Some(due) = due { tokio::time::sleep_until(due).await } }, if due.is_some() => {
                match to_do.pop_front() {
                    Some((_, ToDo::Tell(room))) => _ = unharmed(&room, || room.tell()),
                    Some((_, ToDo::DoubtPresence)) => {
                        doubtful = false;
                        let rooms = hub.rooms_of(number).into_iter().filter(|room| room.miss_presence());
                        to_do.extend(rooms.map(|room| (Instant::now() + interval, ToDo::Tell(room))));
                    }
                    None => {}
                }
            }
            news = queue.next() => match news {
                None => break,
                Some(News::Missed) => {
                    missed.notify_one();
                    // A bus that keeps losing must not keep this worker busy with all rooms for every loss.
                    if !std::mem::replace(&mut doubtful, true) {
                        to_do.push_back((Instant::now() + interval, ToDo::DoubtPresence));
                    }
                }
                Some(News::Envelope(envelope)) => {
                    if let Some(room) = hub.room(&envelope.room)
                        && handle(&hub, &room, envelope)
                    {
                        to_do.push_back((Instant::now() + interval, ToDo::Tell(room)));
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
            match unharmed(room, || room.hear(&entry, envelope.origin)) {
                Some(Heard::Settled) => {}
                Some(Heard::Hole) => hub.spawn_catch_up(room),
                None => _ = unharmed(room, || room.skip()),
            }
            hub.metrics.fanned_out(entry.time_ms);
            false
        }
        Payload::Signal { from, data } => {
            unharmed(room, || room.signal(Event::Signal { from, data }, by));
            false
        }
        Payload::Presence(change) => room.state.lock().bulletin.note_presence(change),
        Payload::Receipt { user, pos } => room.state.lock().bulletin.note_receipt(user, MovedMarker { pos, by }),
    }
}

/// Does something to a room in such a way that a fault in it, as in the writing of a frame, takes neither the task nor
/// the other rooms with it. Answers `None` where it was cut short.
fn unharmed<T>(room: &Room, action: impl FnOnce() -> T) -> Option<T> {
    let done = catch_unwind(AssertUnwindSafe(action));
    if done.is_err() {
        tracing::error!(room = %room.name, "a fault of the gateway cut the handling of an event short");
    }
    done.ok()
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
        while let Some(behind) = room.behind() {
            self.metrics.catch_ups.inc();
            match self.read(room, Range::After(behind.last.clone()), PAGE).await {
                Ok(Reading::Page(page)) => match unharmed(room, || room.catch_up(&page, &behind)) {
                    Some(true) => return,
                    Some(false) => {}
                    None => _ = unharmed(room, || room.skip()),
                },
                Ok(Reading::OtherLog(head)) => room.replace_log(head.pos),
                Err(BrokerError::Unavailable | BrokerError::Full) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// The rooms whose envelopes a worker handles.
    fn rooms_of(&self, worker: usize) -> Vec<Arc<Room>> {
        let rooms = self.rooms.iter().filter(|room| self.news.worker_of(&room.name) == worker);
        rooms.map(|room| room.value().clone()).collect()
    }

    /// Compares the positions of rooms with the heads of their logs; answers the rooms whose logs gave no answer. A room
    /// that is reading its log at the moment may have read too early, so it is told too.
    async fn compare(self: &Arc<Self>, rooms: Vec<Arc<Room>>) -> Vec<Arc<Room>> {
        let (names, least): (Vec<_>, Vec<_>) = rooms.iter().map(|room| (room.name.clone(), room.least_head())).unzip();
        let heads = self.broker.heads(&names).await;
        let mut unanswered = Vec::new();
        for ((room, least), head) in rooms.into_iter().zip(least).zip(heads) {
            match head {
                Ok(head) => {
                    if !room.has_reached(&head.pos, &least) && room.suspect(head.pos.seq) {
                        self.spawn_catch_up(&room);
                    }
                }
                Err(BrokerError::Unavailable | BrokerError::Full) => unanswered.push(room),
            }
        }
        unanswered
    }
}

/// Compares all rooms whenever envelopes may have been lost, and now and then; those whose logs gave no answer again
/// and again.
async fn compare_when_asked(hub: Arc<Hub>, worker: usize, missed: Arc<Notify>) {
    let mut unanswered = Vec::new();
    let mut due = Instant::now() + hub.settings.head_check;
    loop {
        let all = tokio::select! {
            biased;
            () = missed.notified() => true,
            () = tokio::time::sleep_until(due) => true,
            () = std::future::ready(()), if !unanswered.is_empty() => false,
        };
        if all {
            due = Instant::now() + hub.settings.head_check;
            unanswered = hub.rooms_of(worker);
        }
        let asked = unanswered.len();
        unanswered = hub.compare(unanswered).await;
        if !unanswered.is_empty() {
            tracing::debug!(asked, unanswered = unanswered.len(), "some logs gave no answer, asking again");
        }
        // A bus that keeps losing must not keep the store busy with heads alone.
        tokio::time::sleep(RETRY).await;
    }
}
