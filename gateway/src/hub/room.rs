//! A room of this replica: where it stands in its log, who is subscribed here, and the fan-out to them.
//!
//! All of it stands under one short lock. Entries are delivered in the order of the log by one owner at a time: the
//! worker that handles the room's envelopes while the room is [`Phase::Live`], or the one catch-up task while it is
//! [`Phase::Behind`].

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::server_frame::ResetReason;
use hubbub_shared::{Position, RoomName};
use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::bulletin::Bulletin;
use super::event::{Event, Sent, Shared};
use super::outbox::{Outbox, Replayed};
use super::replay::Pages;
use super::ring::{Ring, RingBounds};
use super::roster::Roster;
use super::subscription::{SubscriptionId, Wants};
use crate::broker::{Body, Entry, Page};
use crate::ids::{ConnectionId, Origin};
use crate::kinds::Kind;

/// Whether a room's position can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not subscribed to the bus yet; the highest number that the bus brought meanwhile.
    Opening {
        /// That number.
        seen_seq: u64,
    },
    /// The position is that of the last entry delivered, and the bus brings the next.
    Live,
    /// Something may be missing; one task reads the log. The highest number that the bus brought meanwhile.
    Behind {
        /// That number.
        seen_seq: u64,
    },
    /// Unsubscribed and forgotten; whoever still holds it looks it up again.
    Closed,
}

/// A connection's part in the room, as the room keeps it.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Where its events go.
    pub outbox: Arc<Outbox>,
    /// Which subscription of that connection.
    pub id: SubscriptionId,
    /// What it asked for.
    pub wants: Wants,
}

/// A room of this replica.
#[derive(Debug)]
pub struct Room {
    /// Its name.
    pub name: RoomName,
    /// The rules of its kind.
    pub kind: Arc<Kind>,
    /// Everything that changes.
    pub state: Mutex<State>,
    /// Only one opens or closes the room at a time.
    pub gate: tokio::sync::Mutex<()>,
    /// Told when the room is open.
    pub opened: Notify,
    /// Told whenever the position moved.
    pub moved: Notify,
    /// The pages of the log that lagging subscriptions share.
    pub pages: Pages,
}

/// Everything about a room that changes.
#[derive(Debug)]
pub struct State {
    /// Whether the position can be trusted.
    pub phase: Phase,
    /// The position of the last entry delivered.
    pub last: Position,
    /// Entries that a `sent` of this replica has named and the room has not met yet, by their numbers.
    pub acknowledged: BTreeMap<u64, Position>,
    /// The newest entries.
    pub ring: Ring,
    /// Who is subscribed, by connection.
    pub seats: IndexMap<ConnectionId, Seat, ahash::RandomState>,
    /// Which users this replica holds in the room.
    pub roster: Roster,
    /// Presence and receipts that wait to be told.
    pub bulletin: Bulletin,
    /// Since when nobody is in the room; for the linger.
    pub idle_since: Instant,
}

/// What an envelope's entry did to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was delivered, was known already, or waits for somebody who is at it.
    Settled,
    /// Something is missing: the log has to be read.
    Hole,
}

/// What is known of a room whose log has to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The position of the last entry delivered.
    pub last: Position,
    /// The highest number that the bus brought so far.
    pub seen_seq: u64,
    /// The furthest entry that a `sent` of this replica has named and the room has not met yet.
    pub acknowledged: Option<Position>,
}

/// How a subscription moves towards its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It follows the room now, or is gone.
    Done,
    /// No room in the outbox.
    Full,
    /// The ring does not reach back: read the log.
    NeedsLog,
}

impl Room {
    /// A room that is not open yet.
    pub fn new(name: RoomName, kind: Arc<Kind>, bounds: RingBounds) -> Self {
        Self {
            name,
            kind,
            state: Mutex::new(State {
                phase: Phase::Opening { seen_seq: 0 },
                last: Position::start(),
                acknowledged: BTreeMap::new(),
                ring: Ring::new(bounds),
                seats: IndexMap::default(),
                roster: Roster::default(),
                bulletin: Bulletin::default(),
                idle_since: Instant::now(),
            }),
            gate: tokio::sync::Mutex::new(()),
            opened: Notify::new(),
            moved: Notify::new(),
            pages: Pages::default(),
        }
    }

    /// Whether the room is subscribed to the bus and has a position.
    pub fn is_open(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Live | Phase::Behind { .. })
    }

    /// Takes in the newest entries of the log, after the room was subscribed to the bus. Answers whether the bus has
    /// brought more meanwhile, which must be read.
    pub fn filled(&self, head: Position, entries: Vec<Arc<Entry>>) -> bool {
        let mut state = self.state.lock();
        let Phase::Opening { seen_seq } = state.phase else { return false };
        state.last = head;
        for entry in entries {
            state.ring.push(Arc::new(Shared::new(self.name.clone(), Event::Entry(entry))));
        }
        let more = seen_seq > state.last.seq;
        state.phase = if more { Phase::Behind { seen_seq } } else { Phase::Live };
        more
    }

    /// Handles an entry that the bus brought.
    pub fn hear(&self, entry: &Arc<Entry>, origin: Option<Origin>) -> Heard {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let seq = entry.pos.seq;
        let is_next = state.is_next(entry);
        match &mut state.phase {
            Phase::Closed => Heard::Settled,
            Phase::Opening { seen_seq } | Phase::Behind { seen_seq } => {
                *seen_seq = seq.max(*seen_seq);
                Heard::Settled
            }
            Phase::Live if is_next => {
                self.deliver(state, entry, origin);
                drop(guard);
                self.moved.notify_waiters();
                Heard::Settled
            }
            Phase::Live => {
                if entry.pos == state.last || state.at(seq) == Some(&entry.pos) {
                    return Heard::Settled;
                }
                state.phase = Phase::Behind { seen_seq: seq };
                Heard::Hole
            }
        }
    }

    /// Delivers the next entry to the ring and to every live subscription.
    fn deliver(&self, state: &mut State, entry: &Arc<Entry>, origin: Option<Origin>) {
        let shared = Arc::new(Shared::new(self.name.clone(), Event::Entry(entry.clone())));
        state.last = entry.pos.clone();
        state.acknowledged.remove(&entry.pos.seq);
        if let Body::Delete { target } = &entry.body {
            state.ring.forget(&self.name, target);
            self.pages.forget();
        }
        for seat in state.seats.values() {
            seat.outbox.offer_entry(seat.id, &shared, entry, origin);
        }
        state.ring.push(shared);
    }

    /// Where a head of the log must not be before, if it is asked for now: the last entry delivered, or one further on
    /// that was acknowledged.
    pub fn least_head(&self) -> Position {
        let state = self.state.lock();
        state.furthest().unwrap_or(&state.last).clone()
    }

    /// Whether the room is known to have reached a head of its log that was asked for behind [`Room::least_head`].
    pub fn has_reached(&self, head: &Position, least: &Position) -> bool {
        let state = self.state.lock();
        let met = *head == state.last || state.at(head.seq) == Some(head);
        met && (head == least || head.seq > least.seq)
    }

    /// The room's position may not be that of the log: from here on one task reads the log. Answers false when one is
    /// at it already, or the room is not open.
    pub fn suspect(&self, seen_seq: u64) -> bool {
        let mut state = self.state.lock();
        match &mut state.phase {
            Phase::Live => {
                state.phase = Phase::Behind { seen_seq };
                true
            }
            Phase::Behind { seen_seq: seen } | Phase::Opening { seen_seq: seen } => {
                *seen = seen_seq.max(*seen);
                false
            }
            Phase::Closed => false,
        }
    }

    /// What is known of a room whose log has to be read; `None` once the room is closed.
    pub fn behind(&self) -> Option<Behind> {
        let state = self.state.lock();
        match state.phase {
            Phase::Behind { seen_seq } => {
                Some(Behind { last: state.last.clone(), seen_seq, acknowledged: state.furthest().cloned() })
            }
            Phase::Opening { .. } | Phase::Live | Phase::Closed => None,
        }
    }

    /// Takes in a page of the log that begins after the room's position. `behind` is what [`Room::behind`] answered
    /// before the page was read. Answers whether the room is live again.
    pub fn catch_up(&self, page: &Page, behind: &Behind) -> bool {
        let mut state = self.state.lock();
        let Phase::Behind { seen_seq } = state.phase else { return true };
        if page.gap {
            self.reset(&mut state, page.head.pos.clone(), ResetReason::Trimmed);
        } else {
            for entry in &page.entries {
                if !state.is_next(entry) {
                    self.reset(&mut state, page.head.pos.clone(), ResetReason::Reset);
                    break;
                }
                self.deliver(&mut state, entry, None);
            }
        }
        // The log is the truth: numbers that the bus brought before the read and that the log does not have were
        // lost by the store, and whatever comes in their place will not prove itself. What a `sent` named is owed a
        // reset then.
        let more = page.more && !page.gap;
        let newer = seen_seq > state.last.seq && seen_seq > behind.seen_seq;
        if !more && behind.acknowledged.is_some() && state.furthest() == behind.acknowledged.as_ref() {
            let pos = state.last.clone();
            self.reset(&mut state, pos, ResetReason::Reset);
        }
        let live = !more && !newer;
        if live {
            state.phase = Phase::Live;
        }
        drop(state);
        self.moved.notify_waiters();
        live
    }

    /// The log is not the one that the room followed. The room goes on from its head; still behind, because entries
    /// may have come since.
    pub fn replace_log(&self, head: Position) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Behind { .. }) {
            self.reset(&mut state, head, ResetReason::Reset);
            state.phase = Phase::Behind { seen_seq: 0 };
        }
        drop(state);
        self.moved.notify_waiters();
    }

    /// A fault cut the handling of an entry short, so that nobody knows who was told of it: everybody goes on behind
    /// it.
    pub fn skip(&self) {
        let mut state = self.state.lock();
        let pos = state.last.clone();
        self.reset(&mut state, pos, ResetReason::Reset);
    }

    fn reset(&self, state: &mut State, pos: Position, reason: ResetReason) {
        state.ring.clear();
        self.pages.forget();
        state.last = pos.clone();
        match reason {
            ResetReason::Reset => state.acknowledged.clear(),
            ResetReason::Lag | ResetReason::Trimmed => state.acknowledged.retain(|seq, _| *seq > pos.seq),
        }
        let shared = Shared::new(self.name.clone(), Event::Reset { pos: pos.clone(), reason });
        for seat in state.seats.values() {
            seat.outbox.reset(seat.id, &shared, &pos, reason);
        }
    }

    /// The broker has appended an entry at a position and somebody here will be told so. Answers false where the room
    /// has followed its log another way than that.
    pub fn acknowledge(&self, pos: &Position) -> bool {
        self.state.lock().acknowledge(pos)
    }

    /// The broker has appended an own entry whose echo is expected. Answers false where the room has followed its log
    /// another way than that.
    pub fn echo_appended(&self, outbox: &Outbox, id: SubscriptionId, request: u64, sent: Sent) -> bool {
        let mut state = self.state.lock();
        let proven = state.acknowledge(&sent.pos);
        if proven {
            outbox.echo_appended(&self.name, id, request, sent);
        } else {
            outbox.echo_unproven(&self.name, id, request, sent.id);
        }
        proven
    }

    /// Moves a lagging subscription towards the room by what the ring holds.
    pub fn advance(&self, outbox: &Outbox, id: SubscriptionId) -> Progress {
        let state = self.state.lock();
        if state.phase == Phase::Closed || outbox.reach(id, &state.last) {
            return Progress::Done;
        }
        let Some((after, _)) = outbox.lag(id) else { return Progress::Done };
        let Some(entries) = state.ring.after(&after) else { return Progress::NeedsLog };
        for shared in entries {
            let Some(entry) = shared.entry() else { continue };
            match outbox.replay_entry(id, shared, entry) {
                Replayed::Queued => {}
                Replayed::Full => return Progress::Full,
                Replayed::Moved => return Progress::NeedsLog,
            }
        }
        if outbox.reach(id, &state.last) { Progress::Done } else { Progress::NeedsLog }
    }

    /// Sets a subscription that cannot be brought to the room entry by entry onto the room's position.
    pub fn reset_one(&self, outbox: &Outbox, id: SubscriptionId, reason: ResetReason) {
        let state = self.state.lock();
        let pos = state.last.clone();
        let shared = Shared::new(self.name.clone(), Event::Reset { pos: pos.clone(), reason });
        outbox.reset(id, &shared, &pos, reason);
    }

    /// Whether nobody has needed the room for so long.
    pub fn is_idle(&self, linger: Duration) -> bool {
        let mut state = self.state.lock();
        let unused = state.seats.is_empty() && state.roster.is_empty();
        if !unused {
            state.idle_since = Instant::now();
        }
        unused && state.idle_since.elapsed() >= linger
    }

    /// Closes the room if nobody has needed it for so long; answers whether it is closed now.
    pub fn close_if_idle(&self, linger: Duration) -> bool {
        let idle = self.is_idle(linger);
        let mut state = self.state.lock();
        let close = idle && state.phase != Phase::Closed && state.seats.is_empty() && state.roster.is_empty();
        if close {
            state.phase = Phase::Closed;
        }
        close
    }
}

impl State {
    /// The position of the entry with this number, if it is still known.
    fn at(&self, seq: u64) -> Option<&Position> {
        self.ring.get(seq).and_then(|shared| shared.entry()).map(|entry| &entry.pos)
    }

    /// Whether an entry is the next one, and proves it.
    fn is_next(&self, entry: &Entry) -> bool {
        let given_out_before = self.acknowledged.get(&entry.pos.seq).is_some_and(|pos| *pos != entry.pos);
        entry.before() == self.last && !given_out_before
    }

    /// Notes an entry that a `sent` names, until the room meets it. Answers false where it lies on another way than
    /// the one that the room has followed its log.
    fn acknowledge(&mut self, pos: &Position) -> bool {
        if matches!(self.phase, Phase::Opening { .. } | Phase::Closed) {
            return true;
        }
        let known = match pos.seq.cmp(&self.last.seq) {
            Ordering::Less => self.at(pos.seq),
            Ordering::Equal => Some(&self.last),
            Ordering::Greater => Some(&*self.acknowledged.entry(pos.seq).or_insert_with(|| pos.clone())),
        };
        let other_log = !self.last.is_start() && self.last.epoch != pos.epoch;
        !other_log && known.is_none_or(|known| known == pos)
    }

    /// The furthest entry that was acknowledged and not met.
    fn furthest(&self) -> Option<&Position> {
        self.acknowledged.last_key_value().map(|(_, pos)| pos)
    }
}
