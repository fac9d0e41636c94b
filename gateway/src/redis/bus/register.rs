//! Every channel that is wanted, where it belongs, and how far its subscription is. Pure bookkeeping under one lock,
//! which the lines and those who subscribe take for moments.

mod queue;

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use self::queue::Queue;
use crate::redis::{Channel, Keys, Partition, RedisError, topology::Topology, url::HostPort};

/// How many channels one command names at most.
pub(super) const CHANNELS_PER_QUESTION: usize = 512;
/// A channel that belongs elsewhere or nowhere is asked for again after this.
const ELSEWHERE_AGAIN: Duration = Duration::from_millis(200);

/// What the channels of the probes are called.
pub(super) const PROBE: &str = "probe";

pub(super) type Answer = Result<(), RedisError>;
type Name = Arc<str>;

/// How far a channel's subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is to be asked for.
    Waiting,
    /// By the question of this number.
    Asked(u64),
    /// Redis confirmed it, in answer to that question.
    Heard(u64),
    /// Redis forbids it; it is asked for again from time to time.
    Refused,
}

struct Wanted {
    slot: u16,
    standing: Standing,
    /// Whether it was heard once and may have missed something since.
    lost: bool,
    /// How many were told that it is heard.
    holders: usize,
    waiters: Vec<oneshot::Sender<Answer>>,
}

/// A partition of which channels are wanted.
struct Listened {
    /// How many, besides its probe.
    channels: usize,
    probe: Channel,
}

/// What a line is to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    Subscribe { number: u64, names: Vec<Name> },
    Unsubscribe { names: Vec<Name> },
}

/// How a wish is granted.
pub(super) enum Wish {
    Granted,
    Waits(oneshot::Receiver<Answer>),
}

/// What a change of the topology means for the lines.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) started: Vec<(HostPort, Arc<Notify>)>,
    pub(super) ended: Vec<HostPort>,
}

pub(super) struct Register {
    keys: Keys,
    /// What this run's probes are called.
    probe: String,
    topology: Arc<Topology>,
    wanted: HashMap<Name, Wanted>,
    slots: HashMap<u16, HashSet<Name>>,
    partitions: HashMap<Partition, Listened>,
    lines: HashMap<HostPort, Queue>,
    last_number: u64,
}

impl Register {
    pub(super) fn new(keys: Keys, probe: String) -> Self {
        Self {
            keys,
            probe,
            topology: Arc::new(Topology::unknown()),
            wanted: HashMap::new(),
            slots: HashMap::new(),
            partitions: HashMap::new(),
            lines: HashMap::new(),
            last_number: 0,
        }
    }

    // What is wanted.

    /// Somebody wants to hear a channel.
    pub(super) fn want(&mut self, channel: &Channel) -> Wish {
        if !self.wanted.contains_key(channel.name.as_str()) {
            if let Some(listened) = self.partitions.get_mut(&channel.partition) {
                listened.channels += 1;
            } else {
                let probe = self.keys.channel(channel.partition, PROBE, &self.probe);
                self.insert(&probe, 1);
                self.partitions.insert(channel.partition, Listened { channels: 1, probe });
            }
            self.insert(channel, 0);
        }
        let Some(wanted) = self.wanted.get_mut(channel.name.as_str()) else { return Wish::Granted };
        if let Standing::Heard(_) = wanted.standing {
            wanted.holders += 1;
            return Wish::Granted;
        }
        let (waiter, answer) = oneshot::channel();
        wanted.waiters.push(waiter);
        if wanted.standing == Standing::Refused {
            self.ask_again(&Name::from(channel.name.as_str()));
        }
        Wish::Waits(answer)
    }

    fn insert(&mut self, channel: &Channel, holders: usize) {
        let (slot, name) = (channel.partition.slot(), Name::from(channel.name.as_str()));
        let wanted = Wanted { slot, standing: Standing::Waiting, lost: false, holders, waiters: Vec::new() };
        self.wanted.insert(name.clone(), wanted);
        self.slots.entry(slot).or_default().insert(name.clone());
        if let Some(line) = self.line_of(slot) {
            line.push(slot, name);
        }
    }

    /// Nobody wants to hear a channel any more.
    pub(super) fn unwant(&mut self, channel: &Channel) {
        if !self.remove(&channel.name) {
            return;
        }
        let Some(listened) = self.partitions.get_mut(&channel.partition) else { return };
        listened.channels -= 1;
        if listened.channels == 0
            && let Some(listened) = self.partitions.remove(&channel.partition)
        {
            self.remove(&listened.probe.name);
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some((name, wanted)) = self.wanted.remove_entry(name) else { return false };
        if let Some(names) = self.slots.get_mut(&wanted.slot) {
            names.remove(&name);
            if names.is_empty() {
                self.slots.remove(&wanted.slot);
            }
        }
        if let Some(line) = self.line_of(wanted.slot) {
            line.regaining -= usize::from(wanted.lost);
            if matches!(wanted.standing, Standing::Asked(_) | Standing::Heard(_)) {
                line.leave(wanted.slot, name);
            }
        }
        true
    }

    /// Somebody does not wait for a channel any longer, or takes back what was just `granted`.
    pub(super) fn give_up(&mut self, channel: &Channel, granted: bool) {
        let Some(wanted) = self.wanted.get_mut(channel.name.as_str()) else { return };
        wanted.holders -= usize::from(granted && wanted.holders > 0);
        wanted.waiters.retain(|waiter| !waiter.is_closed());
        if wanted.holders == 0 && wanted.waiters.is_empty() {
            self.unwant(channel);
        }
    }

    /// The partitions that are listened to, and their probes.
    pub(super) fn probes(&self) -> impl Iterator<Item = &Channel> {
        self.partitions.values().map(|listened| &listened.probe)
    }

    /// The question by which a channel was subscribed; none while it is not.
    pub(super) fn heard_by(&self, name: &str) -> Option<u64> {
        match self.wanted.get(name)?.standing {
            Standing::Heard(number) => Some(number),
            Standing::Waiting | Standing::Asked(_) | Standing::Refused => None,
        }
    }

    // What the lines do.

    fn line_of(&mut self, slot: u16) -> Option<&mut Queue> {
        self.lines.get_mut(self.topology.master(slot)?)
    }

    fn slots_of(&self, master: &HostPort) -> Vec<u16> {
        self.slots.keys().copied().filter(|&slot| self.topology.master(slot) == Some(master)).collect()
    }

    /// A line stands: everything of its slots is to be asked for. How many channels that is.
    pub(super) fn connected(&mut self, master: &HostPort) -> usize {
        let slots = self.slots_of(master);
        let Some(line) = self.lines.get_mut(master) else { return 0 };
        line.connected();
        let mut count = 0;
        for slot in slots {
            let names = self.slots.get(&slot).into_iter().flatten();
            count += names.inspect(|name| line.push(slot, Name::clone(name))).count();
        }
        count
    }

    /// A line was lost, and all that was heard over it; since when it gave no sign of life.
    pub(super) fn disconnected(&mut self, master: &HostPort, since: Instant) {
        let slots = self.slots_of(master);
        let Some(line) = self.lines.get_mut(master) else { return };
        line.disconnected(since);
        for name in slots.iter().filter_map(|slot| self.slots.get(slot)).flatten() {
            let Some(wanted) = self.wanted.get_mut(name) else { continue };
            wanted.lost |= matches!(wanted.standing, Standing::Heard(_) | Standing::Refused);
            wanted.standing = Standing::Waiting;
            line.regaining += usize::from(wanted.lost);
        }
    }

    /// What the line should send next. What is left comes first, so that it does not end what is wanted again.
    pub(super) fn next(&mut self, master: &HostPort) -> Option<Question> {
        let line = self.lines.get_mut(master)?;
        if let Some(names) = line.next_to_leave() {
            return Some(Question::Unsubscribe { names });
        }
        while let Some((slot, mut names)) = line.next_to_ask() {
            if self.topology.master(slot) != Some(master) {
                continue;
            }
            let number = self.last_number + 1;
            names.retain(|name| match self.wanted.get_mut(name) {
                Some(wanted) if wanted.standing == Standing::Waiting => {
                    wanted.standing = Standing::Asked(number);
                    true
                }
                _ => false,
            });
            if !names.is_empty() {
                self.last_number = number;
                return Some(Question::Subscribe { number, names });
            }
        }
        None
    }

    /// Redis confirmed a channel in answer to this question.
    pub(super) fn confirmed(&mut self, master: &HostPort, number: u64, name: &str) {
        let Some(wanted) = self.wanted.get_mut(name).filter(|wanted| wanted.standing == Standing::Asked(number)) else {
            return;
        };
        wanted.standing = Standing::Heard(number);
        for waiter in wanted.waiters.drain(..) {
            wanted.holders += usize::from(waiter.send(Ok(())).is_ok());
        }
        if mem::take(&mut wanted.lost)
            && let Some(line) = self.lines.get_mut(master)
        {
            line.regained();
        }
    }

    /// Redis answered a question with an error. Whether somebody should look where the slots are.
    pub(super) fn failed(&mut self, master: &HostPort, number: u64, mut names: Vec<Name>, error: RedisError) -> bool {
        names.retain(|name| self.wanted.get(name).is_some_and(|wanted| wanted.standing == Standing::Asked(number)));
        let Some(slot) = names.first().and_then(|name| self.wanted.get(name)).map(|wanted| wanted.slot) else {
            return false;
        };
        for name in &names {
            if let Some(wanted) = self.wanted.get_mut(name) {
                wanted.standing = Standing::Waiting;
            }
        }
        match (error, names.as_slice()) {
            (RedisError::Unavailable | RedisError::Full, _) => {
                if let Some(line) = self.lines.get_mut(master) {
                    line.later(names, ELSEWHERE_AGAIN);
                }
                return true;
            }
            (error @ (RedisError::Refused(_) | RedisError::Broken(_)), [name]) => self.refuse(master, name, &error),
            // One bad name refuses all of a question: the halves are asked for alone, until it is found.
            (RedisError::Refused(_) | RedisError::Broken(_), names) => {
                if let Some(line) = self.lines.get_mut(master) {
                    let (left, right) = names.split_at(names.len() / 2);
                    line.alone(slot, left.to_vec());
                    line.alone(slot, right.to_vec());
                }
            }
        }
        false
    }

    fn refuse(&mut self, master: &HostPort, name: &Name, error: &RedisError) {
        let (Some(wanted), Some(line)) = (self.wanted.get_mut(name), self.lines.get_mut(master)) else { return };
        for waiter in wanted.waiters.drain(..) {
            // Who does not wait any longer needs no answer.
            let _ = waiter.send(Err(error.clone()));
        }
        // Without a holder the one who waited gives it up when the answer arrives.
        wanted.standing = Standing::Refused;
        if mem::take(&mut wanted.lost) {
            line.regained();
        }
        line.refused(name.clone());
    }

    fn ask_again(&mut self, name: &Name) {
        let Some(wanted) = self.wanted.get_mut(name) else { return };
        let slot = wanted.slot;
        let was_lost = mem::replace(&mut wanted.lost, wanted.holders > 0);
        wanted.standing = Standing::Waiting;
        let is_lost = wanted.lost;
        if let Some(line) = self.line_of(slot) {
            line.regaining += usize::from(is_lost && !was_lost);
            line.push(slot, name.clone());
        }
    }

    /// Redis says that a channel is not heard. Whether nobody asked for that: then its slot has moved.
    pub(super) fn unsubscribed(&mut self, master: &HostPort, name: &str) -> bool {
        let Some((name, wanted)) = self.wanted.get_key_value(name) else { return false };
        let (name, slot) = (name.clone(), wanted.slot);
        if !matches!(wanted.standing, Standing::Heard(_)) || self.topology.master(slot) != Some(master) {
            return false;
        }
        self.lose(&name);
        if let Some(line) = self.line_of(slot) {
            line.later(vec![name], ELSEWHERE_AGAIN);
        }
        true
    }

    /// What was heard is to be asked for again.
    fn lose(&mut self, name: &str) {
        let Some(wanted) = self.wanted.get_mut(name) else { return };
        wanted.standing = Standing::Waiting;
        let (slot, was_lost) = (wanted.slot, mem::replace(&mut wanted.lost, true));
        if let Some(line) = self.line_of(slot) {
            line.regaining += usize::from(!was_lost);
        }
    }

    /// A partition is deaf though its channels are confirmed: asks for them again.
    pub(super) fn resubscribe(&mut self, partition: Partition) {
        let slot = partition.slot();
        let names = self.slots.get(&slot).into_iter().flatten();
        let heard: Vec<_> = names.filter(|name| self.heard_by(name).is_some()).cloned().collect();
        for name in heard {
            self.lose(&name);
            if let Some(line) = self.line_of(slot) {
                line.push(slot, name);
            }
        }
    }

    /// Since when the line of a partition is lost.
    pub(super) fn lost_since(&self, partition: Partition) -> Option<Instant> {
        self.lines.get(self.topology.master(partition.slot())?)?.lost_since
    }

    /// Asks the line of a partition to connect anew.
    pub(super) fn reconnect(&mut self, partition: Partition) {
        if let Some(line) = self.line_of(partition.slot()) {
            line.is_deaf = true;
            line.wake();
        }
    }

    /// Whether the line was asked to connect anew.
    pub(super) fn is_deaf(&self, master: &HostPort) -> bool {
        self.lines.get(master).is_some_and(|line| line.is_deaf)
    }

    /// What has waited long enough is asked for again.
    pub(super) fn tick(&mut self, master: &HostPort) {
        let now = Instant::now();
        let Some(line) = self.lines.get_mut(master) else { return };
        let (later, refused) = line.due(now);
        for name in later {
            if let Some(wanted) = self.wanted.get(&name)
                && let Some(line) = self.lines.get_mut(master)
            {
                line.push(wanted.slot, name);
            }
        }
        for name in refused {
            if self.wanted.get(&name).is_some_and(|wanted| wanted.standing == Standing::Refused) {
                self.ask_again(&name);
            }
        }
    }

    /// Whether something may have been missed over this line and is all subscribed again.
    pub(super) fn take_gap(&mut self, master: &HostPort) -> bool {
        self.lines.get_mut(master).is_some_and(|line| line.take_gap(Instant::now()))
    }

    // Where the channels belong.

    /// Slots have other masters: brings the channels there.
    pub(super) fn rehome(&mut self, topology: Arc<Topology>) -> Change {
        let mut change = Change::default();
        let before = mem::replace(&mut self.topology, topology);
        for master in self.topology.masters() {
            let line = self.lines.entry(master.clone()).or_insert_with(|| {
                let line = Queue::default();
                change.started.push((master.clone(), line.woken()));
                line
            });
            line.wake();
        }
        for (&slot, names) in &self.slots {
            let (old, new) = (before.master(slot), self.topology.master(slot));
            if old == new {
                continue;
            }
            for name in names {
                let Some(wanted) = self.wanted.get_mut(name) else { continue };
                if let Some(line) = old.and_then(|old| self.lines.get_mut(old)) {
                    line.regaining -= usize::from(wanted.lost);
                    if matches!(wanted.standing, Standing::Asked(_) | Standing::Heard(_)) {
                        line.leave(slot, name.clone());
                    }
                }
                wanted.lost |= matches!(wanted.standing, Standing::Heard(_) | Standing::Refused);
                wanted.standing = Standing::Waiting;
                if let Some(line) = new.and_then(|new| self.lines.get_mut(new)) {
                    line.regaining += usize::from(wanted.lost);
                    line.push(slot, name.clone());
                }
            }
        }
        let masters = self.topology.masters();
        change.ended = self.lines.keys().filter(|line| !masters.contains(line)).cloned().collect();
        for ended in &change.ended {
            self.lines.remove(ended);
        }
        change
    }
}

#[cfg(test)]
mod tests;
