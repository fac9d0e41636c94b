//! What one line has to send, by slot, because one command may name channels of one slot only.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{CHANNELS_PER_QUESTION, Name};

/// What is refused is asked for again after this, and then less and less often.
const REFUSED_AGAIN_MIN: Duration = Duration::from_secs(1);
const REFUSED_AGAIN_MAX: Duration = Duration::from_secs(30);
/// Those that can catch up do not wait longer than this for the last channels that were lost; for those the gap is told
/// once more.
const GAP_PATIENCE: Duration = Duration::from_secs(3);

pub(super) struct Queue {
    woken: Arc<Notify>,
    is_connected: bool,
    /// Whether it is to connect anew although nothing is wrong with it to see.
    pub(super) is_deaf: bool,
    pub(super) lost_since: Option<Instant>,
    ask: BTreeMap<u16, Vec<Name>>,
    ask_alone: VecDeque<(u16, Vec<Name>)>,
    leave: BTreeMap<u16, Vec<Name>>,
    later: Vec<Name>,
    later_at: Instant,
    refused: Vec<Name>,
    refused_at: Instant,
    refused_wait: Duration,
    /// How many of its channels were lost and are not confirmed again.
    pub(super) regaining: usize,
    /// Since when some are confirmed again of which something may have been missed.
    gap: Option<Instant>,
}

impl Default for Queue {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            woken: Arc::default(),
            is_connected: false,
            is_deaf: false,
            lost_since: None,
            ask: BTreeMap::new(),
            ask_alone: VecDeque::new(),
            leave: BTreeMap::new(),
            later: Vec::new(),
            later_at: now,
            refused: Vec::new(),
            refused_at: now,
            refused_wait: REFUSED_AGAIN_MIN,
            regaining: 0,
            gap: None,
        }
    }
}

impl Queue {
    pub(super) fn woken(&self) -> Arc<Notify> {
        self.woken.clone()
    }

    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    pub(super) fn connected(&mut self) {
        self.is_connected = true;
        self.is_deaf = false;
        self.lost_since = None;
        self.refused_wait = REFUSED_AGAIN_MIN;
    }

    /// Nothing is left to say to a server that has forgotten us, and who is wanted is known when it is back.
    pub(super) fn disconnected(&mut self, since: Instant) {
        self.is_connected = false;
        self.lost_since = Some(since);
        self.ask.clear();
        self.ask_alone.clear();
        self.leave.clear();
        self.later.clear();
        self.refused.clear();
        self.regaining = 0;
    }

    pub(super) fn push(&mut self, slot: u16, name: Name) {
        if self.is_connected {
            self.ask.entry(slot).or_default().push(name);
            self.woken.notify_one();
        }
    }

    /// To be asked for without others.
    pub(super) fn alone(&mut self, slot: u16, names: Vec<Name>) {
        self.ask_alone.push_back((slot, names));
    }

    pub(super) fn leave(&mut self, slot: u16, name: Name) {
        if self.is_connected {
            self.leave.entry(slot).or_default().push(name);
            self.woken.notify_one();
        }
    }

    pub(super) fn later(&mut self, names: Vec<Name>, wait: Duration) {
        if self.later.is_empty() {
            self.later_at = Instant::now() + wait;
        }
        self.later.extend(names);
    }

    pub(super) fn refused(&mut self, name: Name) {
        if self.refused.is_empty() {
            self.refused_at = Instant::now() + self.refused_wait;
            self.refused_wait = (self.refused_wait * 2).min(REFUSED_AGAIN_MAX);
        }
        self.refused.push(name);
    }

    /// Those whose time has come: first those that belong elsewhere, then those that were refused.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Name>, Vec<Name>) {
        let take = |names: &mut Vec<Name>, at| if now >= at { mem::take(names) } else { Vec::new() };
        (take(&mut self.later, self.later_at), take(&mut self.refused, self.refused_at))
    }

    pub(super) fn next_to_leave(&mut self) -> Option<Vec<Name>> {
        next_of(&mut self.leave).map(|(_, names)| names)
    }

    pub(super) fn next_to_ask(&mut self) -> Option<(u16, Vec<Name>)> {
        self.ask_alone.pop_front().or_else(|| next_of(&mut self.ask))
    }

    /// One more of those that were lost is confirmed, or refused for good.
    pub(super) fn regained(&mut self) {
        self.regaining -= 1;
        self.gap.get_or_insert_with(Instant::now);
    }

    pub(super) fn take_gap(&mut self, now: Instant) -> bool {
        let is_due = self.gap.is_some_and(|since| self.regaining == 0 || now - since > GAP_PATIENCE);
        if is_due {
            self.gap = None;
        }
        is_due
    }
}

fn next_of(slots: &mut BTreeMap<u16, Vec<Name>>) -> Option<(u16, Vec<Name>)> {
    let mut first = slots.first_entry()?;
    let names = first.get_mut();
    let rest = names.split_off(names.len().min(CHANNELS_PER_QUESTION));
    let names = mem::replace(names, rest);
    let slot = *first.key();
    if first.get().is_empty() {
        first.remove();
    }
    Some((slot, names))
}
