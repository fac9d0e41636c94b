//! One connection's part in one room, as its outbox keeps it.

use std::sync::Arc;

use hubbub_shared::Position;
use hubbub_shared::server_frame::ResetReason;

use super::event::{Sent, Shared};
use super::room::Room;
use crate::broker::Entry;

/// Names a subscription on its connection; a later join of the same room gets another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionId {
    /// Its place on the connection.
    pub slot: u16,
    /// Tells it from an earlier one in the same place.
    pub generation: u32,
}

/// What a client asked for when it joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Presence frames.
    pub presence: bool,
    /// Receipts of everybody.
    pub receipts: bool,
}

/// Whether a subscription follows its room or reads on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// Every new entry of the room is queued as it comes.
    Live,
    /// Entries after this position are read from the ring or the log once there is room, until the room is reached.
    Lagging {
        /// The position of the last entry that was queued and not given up.
        after: Position,
        /// Whether this was a live subscription that could not keep up, and not a replay that somebody asked for.
        fell_behind: bool,
    },
}

/// An own publish whose `sent` is to stand in the entry's place.
#[derive(Debug, Clone)]
struct Echo {
    /// The request's number on the connection.
    request: u64,
    /// The client's id of it.
    id: Option<u32>,
    /// The answer, once the broker has given it.
    sent: Option<Sent>,
}

/// One connection's part in one room.
#[derive(Debug)]
pub struct Subscription {
    /// Its name.
    pub id: SubscriptionId,
    /// The room.
    pub room: Arc<Room>,
    /// Whether it follows the room.
    pub pace: Pace,
    /// The number of the last entry that was queued and not given up.
    passed_seq: u64,
    /// Whether presence updates were lost since the last one that got through.
    pub resync: bool,
    /// Presence updates that wait until a page of members is on its way.
    pub held: Option<Vec<Arc<Shared>>>,
    echoes: Vec<Echo>,
}

/// What to queue when an entry reaches a subscription.
#[derive(Debug)]
pub enum Placed {
    /// The entry itself.
    Entry,
    /// The entry itself, and the `sent` of the request that made it right behind.
    EntryThenSent {
        /// The request's number on the connection.
        request: u64,
        /// The answer.
        sent: Sent,
    },
    /// The `sent` in the entry's place.
    Sent {
        /// The request's number on the connection.
        request: u64,
        /// The answer.
        sent: Sent,
        /// Whether the broker has not answered the request yet.
        early: bool,
    },
}

impl Subscription {
    /// A subscription that starts after a position.
    pub fn new(id: SubscriptionId, room: Arc<Room>, after: Position) -> Self {
        Self {
            id,
            room,
            passed_seq: after.seq,
            pace: Pace::Lagging { after, fell_behind: false },
            resync: false,
            held: None,
            echoes: Vec::new(),
        }
    }

    /// An own publish is under way whose `sent` is to stand in the entry's place.
    pub fn expect_echo(&mut self, request: u64, id: Option<u32>) {
        self.echoes.push(Echo { request, id, sent: None });
    }

    /// The broker has appended an own entry on the way that the room follows. Answers whether the `sent` must be queued
    /// now, because the entry has passed already; otherwise it comes by itself.
    pub fn echo_appended(&mut self, request: u64, sent: &Sent) -> bool {
        let Some(index) = self.echoes.iter().position(|echo| echo.request == request) else { return false };
        if sent.pos.seq <= self.passed_seq {
            self.echoes.swap_remove(index);
            return true;
        }
        self.echoes[index].sent = Some(sent.clone());
        false
    }

    /// The own publish was not appended, or was answered otherwise; answers whether it was still expected.
    pub fn forget_echo(&mut self, request: u64) -> bool {
        let before = self.echoes.len();
        self.echoes.retain(|echo| echo.request != request);
        self.echoes.len() < before
    }

    /// What to queue for a new entry of the room; `request` is the own request that made it.
    pub fn place_live(&mut self, entry: &Entry, request: Option<u64>) -> Placed {
        self.passed_seq = entry.pos.seq;
        let made_by =
            |echo: &Echo| request == Some(echo.request) || echo.sent.as_ref().is_some_and(|sent| sent.pos == entry.pos);
        match self.echoes.iter().position(made_by) {
            Some(index) => {
                let echo = self.echoes.swap_remove(index);
                let sent = Sent { id: echo.id, pos: entry.pos.clone(), time_ms: entry.time_ms, duplicate: false };
                Placed::Sent { request: echo.request, sent, early: echo.sent.is_none() }
            }
            None => Placed::Entry,
        }
    }

    /// What to queue for an entry that a replay or catch-up reached: the entry itself, whoever made it.
    pub fn place_replayed(&mut self, entry: &Entry) -> Placed {
        self.passed_seq = entry.pos.seq;
        let made_by = |echo: &Echo| echo.sent.as_ref().is_some_and(|sent| sent.pos == entry.pos);
        match self.echoes.iter().position(made_by).map(|index| self.echoes.swap_remove(index)) {
            Some(Echo { request, sent: Some(sent), .. }) => Placed::EntryThenSent { request, sent },
            Some(_) | None => Placed::Entry,
        }
    }

    /// Whether the loss of presence updates has still to be told, and can be.
    pub fn awaits_resync(&self) -> bool {
        self.resync && self.held.is_none()
    }

    /// Own publishes whose `sent` has still to come.
    pub fn echoes_len(&self) -> usize {
        self.echoes.len()
    }

    /// The connection could not keep up: what was queued after a position was given up and will be read again.
    pub fn fall_behind(&mut self, after: Position) {
        let fell_behind = match self.pace {
            Pace::Live => true,
            Pace::Lagging { fell_behind, .. } => fell_behind,
        };
        self.passed_seq = after.seq;
        self.pace = Pace::Lagging { after, fell_behind };
    }

    /// A `sent` was given up together with the entry that it stood for or followed; the entry will come itself, and
    /// the `sent` after it.
    pub fn give_up_echo(&mut self, request: u64, sent: Sent) {
        self.echoes.push(Echo { request, id: sent.id, sent: Some(sent) });
    }

    /// The subscription goes on after a position that was not reached entry by entry. Answers every `sent` that is
    /// owed and whose entry will not be met any more, with its request.
    pub fn jump(&mut self, pos: &Position, reason: ResetReason) -> Vec<(u64, Sent)> {
        self.passed_seq = pos.seq;
        self.pace = Pace::Live;
        let will_not_be_met = |sent: &Sent| match reason {
            ResetReason::Lag | ResetReason::Trimmed => sent.pos.seq <= pos.seq,
            ResetReason::Reset => true,
        };
        let met = self.echoes.extract_if(.., |echo| echo.sent.as_ref().is_some_and(will_not_be_met));
        met.filter_map(|echo| echo.sent.map(|sent| (echo.request, sent))).collect()
    }

    /// Every `sent` that is owed, at the end of the subscription.
    pub fn settle(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.echoes).into_iter().filter_map(|echo| echo.sent).collect()
    }
}
