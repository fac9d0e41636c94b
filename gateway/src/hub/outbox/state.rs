//! What is queued for one connection, and what of it is given up when there is no room.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use hubbub_shared::Position;
use smallvec::SmallVec;

use super::queue::Queue;
use crate::broker::Entry;
use crate::hub::event::Sent;
use crate::hub::room::Room;
use crate::hub::subscription::{Subscription, SubscriptionId};
use crate::telemetry::metrics::Tally;

/// A frame costs its bytes and its place in the queue.
const ITEM_BYTES: usize = size_of::<Item>();
/// What a `sent` that has still to come will cost, about.
const ECHO_BYTES: usize = ITEM_BYTES + 256;

/// What a frame in the queue is, which decides what becomes of it when there is no room.
#[derive(Debug)]
pub(super) enum Kind {
    /// A reply, or a word of the gateway's own: stays.
    Kept,
    /// A signal: first to go.
    Signal,
    /// A presence update: first to go, and its loss is told.
    Presence(SubscriptionId),
    /// An entry: given up and read again.
    Entry(SubscriptionId, Arc<Entry>),
    /// The `sent` in an entry's place: given up, then the entry is read again and the `sent` follows it. It is apart, as
    /// few of those who have a queue get one.
    Echo(SubscriptionId, Arc<Entry>, u64, Box<Sent>),
    /// The `sent` that follows its entry, or the reset in its place: given up where the entry is.
    SentAfter(SubscriptionId, u64, Box<Sent>),
    /// A reset: stays, and so does what came before it, which cannot be read again for certain.
    Reset(SubscriptionId),
}

#[derive(Debug)]
struct Item {
    frame: Bytes,
    kind: Kind,
}

/// Everything about an outbox that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    queue: Queue<Item>,
    queued_bytes: usize,
    /// What was promised to replies that are being worked out.
    pub(super) reserved_bytes: usize,
    /// By slot; a free slot is `None`. Most connections are in one room.
    subscriptions: SmallVec<[Option<Subscription>; 1]>,
    generation: u32,
    /// Own requests whose `sent` was queued in the entry's place before the broker answered them.
    pub(super) answered: Vec<u64>,
    /// Something was left for the connection to do.
    pub(super) attention: bool,
    /// Somebody waits until no more than so many bytes are used.
    pub(super) wanted_below: Option<usize>,
    /// Whoever writes what is queued, once it has found nothing.
    pub(super) reader: Option<Waker>,
    /// What has happened since it was counted last.
    pub(super) tally: Tally,
    /// Nothing more is taken in.
    pub(super) closed: bool,
}

impl State {
    pub(super) fn push(&mut self, frame: Bytes, kind: Kind) {
        if !self.closed {
            let item = Item { frame, kind };
            self.queued_bytes += item.cost_bytes();
            self.queue.push_back(item);
        }
    }

    /// Takes the oldest frame.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let item = self.queue.pop_front()?;
        self.queued_bytes -= item.cost_bytes();
        Some(item.frame)
    }

    /// Somebody waits until no more than so many bytes are used.
    pub(super) fn want_below(&mut self, bytes: usize) {
        self.wanted_below = self.wanted_below.max(Some(bytes));
    }

    /// Wakes this one when there is something to write.
    pub(super) fn awaited_by(&mut self, waker: &Waker) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(waker),
            None => self.reader = Some(waker.clone()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// What is queued and what is reserved.
    pub(super) fn used_bytes(&self) -> usize {
        self.queued_bytes + self.reserved_bytes
    }

    /// What will be queued for requests that are done, but whose `sent` waits for its entry.
    pub(super) fn owed_bytes(&self) -> usize {
        self.subscriptions().map(|subscription| subscription.echoes_len() * ECHO_BYTES).sum()
    }

    pub(super) fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().flatten()
    }

    pub(super) fn subscription(&mut self, id: SubscriptionId) -> Option<&mut Subscription> {
        self.slot(id)?.as_mut()
    }

    fn slot(&mut self, id: SubscriptionId) -> Option<&mut Option<Subscription>> {
        let slot = self.subscriptions.get_mut(usize::from(id.slot))?;
        slot.as_ref().is_some_and(|subscription| subscription.id == id).then_some(slot)
    }

    /// Makes a subscription that begins after a position. `None` where there is no slot for it.
    pub(super) fn add_subscription(&mut self, room: Arc<Room>, after: Position) -> Option<SubscriptionId> {
        let free = self.subscriptions.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.subscriptions.len());
        self.generation = self.generation.wrapping_add(1);
        let id = SubscriptionId { slot: u16::try_from(slot).ok()?, generation: self.generation };
        if free.is_none() {
            self.subscriptions.push(None);
        }
        self.subscriptions[slot] = Some(Subscription::new(id, room, after));
        Some(id)
    }

    pub(super) fn remove_subscription(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.slot(id)?.take()
    }

    pub(super) fn take_answered(&mut self, request: u64) -> bool {
        let index = self.answered.iter().position(|&answered| answered == request);
        index.map(|index| self.answered.swap_remove(index)).is_some()
    }

    pub(super) fn lost_presence(&mut self, id: SubscriptionId, lost: bool) {
        self.attention |= lost;
        self.tally.dropped_presence += u64::from(lost);
        if let Some(subscription) = self.subscription(id) {
            subscription.resync = lost;
        }
    }

    /// Takes back a reset of the subscription that nothing of it was queued behind: the next one says the same.
    pub(super) fn take_back_reset(&mut self, id: SubscriptionId) {
        let is_of_log = |item: &Item| item.kind.is_of_log(id);
        if let Some(item) = self.queue.take_newest(is_of_log, |item| matches!(item.kind, Kind::Reset(_))) {
            self.queued_bytes -= item.cost_bytes();
        }
    }

    /// Gives up what may be given up if there is too much: signals and presence, and if that is not enough every
    /// queued entry.
    pub(super) fn make_room(&mut self, bound_bytes: usize) {
        if self.used_bytes() > bound_bytes {
            self.give_up_signals();
        }
        if self.used_bytes() > bound_bytes {
            self.give_up_entries();
        }
    }

    fn give_up_signals(&mut self) {
        for item in std::mem::take(&mut self.queue) {
            match item.kind {
                Kind::Signal => {
                    self.queued_bytes -= item.cost_bytes();
                    self.tally.dropped_signals += 1;
                }
                Kind::Presence(id) => {
                    self.queued_bytes -= item.cost_bytes();
                    self.lost_presence(id, true);
                }
                Kind::Kept | Kind::Entry(..) | Kind::Echo(..) | Kind::SentAfter(..) | Kind::Reset(_) => {
                    self.queue.push_back(item);
                }
            }
        }
    }

    /// Gives up the queued entries that their subscriptions can read again.
    fn give_up_entries(&mut self) {
        let behind = self.fall_back();
        self.attention |= !behind.is_empty();
        let after = |id: SubscriptionId| behind.iter().find(|(other, _)| *other == id).map(|(_, after)| after);
        let mut reset: Vec<SubscriptionId> = Vec::new();
        for item in std::mem::take(&mut self.queue).into_iter().rev() {
            let given_up = match &item.kind {
                Kind::Kept | Kind::Signal | Kind::Presence(_) => None,
                Kind::Reset(id) => {
                    reset.push(*id);
                    None
                }
                Kind::Entry(id, _) | Kind::Echo(id, ..) => after(*id).map(|_| *id),
                // It goes where its entry goes; one whose entry is written stays.
                Kind::SentAfter(id, _, sent) => after(*id).filter(|after| sent.pos.seq > after.seq).map(|_| *id),
            };
            match given_up.filter(|id| !reset.contains(id)).and_then(|id| self.subscription(id)) {
                None => self.queue.push_front(item),
                Some(subscription) => {
                    let cost_bytes = item.cost_bytes();
                    let is_entry = matches!(item.kind, Kind::Entry(..) | Kind::Echo(..));
                    if let Kind::Echo(_, _, request, sent) | Kind::SentAfter(_, request, sent) = item.kind {
                        subscription.give_up_echo(request, *sent);
                    }
                    self.queued_bytes -= cost_bytes;
                    self.tally.dropped_entries += u64::from(is_entry);
                }
            }
        }
    }

    /// Sets every subscription with queued entries back to where the first of those begins that were not followed by
    /// a reset. What is left of one that has ended cannot be read again and stays.
    fn fall_back(&mut self) -> Vec<(SubscriptionId, Position)> {
        let mut behind: Vec<(SubscriptionId, Position)> = Vec::new();
        for item in self.queue.iter() {
            match &item.kind {
                Kind::Entry(id, entry) | Kind::Echo(id, entry, ..) => {
                    if !behind.iter().any(|(other, _)| other == id) {
                        behind.push((*id, entry.before()));
                    }
                }
                Kind::Reset(id) => behind.retain(|(other, _)| other != id),
                Kind::Kept | Kind::Signal | Kind::Presence(_) | Kind::SentAfter(..) => {}
            }
        }
        behind.retain(|(id, after)| match self.subscription(*id) {
            Some(subscription) => {
                subscription.fall_behind(after.clone());
                true
            }
            None => false,
        });
        behind
    }
}

impl Item {
    fn cost_bytes(&self) -> usize {
        self.frame.len() + ITEM_BYTES
    }
}

impl Kind {
    /// Whether it tells the subscription something about the log.
    fn is_of_log(&self, id: SubscriptionId) -> bool {
        match self {
            Self::Entry(of, _) | Self::Echo(of, ..) | Self::SentAfter(of, ..) | Self::Reset(of) => *of == id,
            Self::Kept | Self::Signal | Self::Presence(_) => false,
        }
    }
}
