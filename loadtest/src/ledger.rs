//! What was sent to a room against what arrived in it, over all its subscriptions.
//!
//! A subscription alone can tell a hole, a double and disorder. It cannot tell that the newest entries never came, nor
//! that others saw another entry under the same number, nor that one message was appended twice: that takes the
//! acknowledgements and the others.

use std::collections::{BTreeMap, HashMap, HashSet};

use ahash::RandomState;
use serde::{Deserialize, Serialize};

use crate::subscription::{Seen, Subscription};

/// An entry as the first one who saw it described it.
#[derive(Debug)]
struct Known {
    /// A hash of its `pos`, which is its name.
    pos: u64,
    /// Which message of ours it is.
    message: Option<u64>,
    acknowledged: bool,
}

/// The ledger of one room, as one thread saw it, or all of them.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Known>,
    /// How many senders take turns.
    senders: u64,
    /// The same for all ledgers of a run, so that they can be compared.
    hasher: RandomState,
    /// The log began anew or went another way, and the gateway said so. Its numbers then mean two things, and what was
    /// acknowledged before may be gone.
    forked: bool,
    result: RoomResult,
}

/// What became of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RoomResult {
    /// Acknowledged messages that a subscription should have been given and was not, summed over all subscriptions.
    pub(crate) lost: u64,
    /// Entries under whose number somebody else was given, or had acknowledged, another one.
    pub(crate) contradicted: u64,
    /// Messages that stand in the log more than once.
    pub(crate) appended_twice: u64,
    /// Messages that stand in the log before an earlier one of the same sender.
    pub(crate) overtaken: u64,
    /// What the subscriptions saw, together.
    #[serde(flatten)]
    pub(crate) seen: Seen,
    /// Messages of this run that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Subscriptions at the end.
    pub(crate) subscriptions: u64,
    /// Whether the log forked, so that losses and contradictions could not be judged.
    pub(crate) forked: bool,
}

impl RoomResult {
    /// How often a promise was broken, losses aside.
    pub(crate) fn breaches(&self) -> u64 {
        self.contradicted
            + self.appended_twice
            + self.overtaken
            + self.seen.doubled
            + self.seen.disordered
            + self.seen.holes
            + self.seen.misplaced
    }

    /// Takes the other's counts in.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.contradicted += other.contradicted;
        self.appended_twice += other.appended_twice;
        self.overtaken += other.overtaken;
        self.seen.add(&other.seen);
        self.acknowledged += other.acknowledged;
        self.subscriptions += other.subscriptions;
        self.forked |= other.forked;
    }
}

impl Ledger {
    /// An empty ledger. Message n is of sender n modulo `senders`.
    pub(crate) fn new(senders: usize, hasher: RandomState) -> Self {
        Self {
            entries: BTreeMap::new(),
            senders: senders.max(1) as u64,
            hasher,
            forked: false,
            result: RoomResult::default(),
        }
    }

    /// Somebody was given an entry; `message` is the number of a message of ours.
    pub(crate) fn arrived(&mut self, seq: u64, pos: &str, message: Option<u64>) {
        let pos = self.hasher.hash_one(pos);
        self.enter(seq, Known { pos, message, acknowledged: false });
    }

    /// The gateway acknowledged a message of ours.
    pub(crate) fn acknowledged(&mut self, seq: u64, pos: &str, message: u64) {
        let pos = self.hasher.hash_one(pos);
        self.enter(seq, Known { pos, message: Some(message), acknowledged: true });
    }

    /// The gateway said that the log began anew or went another way.
    pub(crate) fn fork(&mut self) {
        self.forked = true;
        self.judge_log();
        self.entries.clear();
    }

    /// Takes in what another thread saw of the same room.
    pub(crate) fn merge(&mut self, other: Self) {
        for (seq, known) in other.entries {
            self.enter(seq, known);
        }
        self.forked |= other.forked;
        self.result.add(&other.result);
    }

    /// Takes in what a subscription saw from its first `joined` to the end of the run, when everything that was
    /// acknowledged is known.
    pub(crate) fn close(&mut self, subscription: &Subscription) {
        self.result.seen.add(&subscription.seen());
        let acknowledged = |range: &mut dyn Iterator<Item = (&u64, &Known)>| {
            range.filter(|(_, known)| known.acknowledged).count() as u64
        };
        let mut lost: u64 =
            subscription.missing().iter().map(|hole| acknowledged(&mut self.entries.range(hole.clone()))).sum();
        if subscription.is_owed_the_rest() {
            self.result.subscriptions += 1;
            lost += acknowledged(&mut self.entries.range(subscription.seq() + 1..));
        }
        if !self.forked {
            self.result.lost += lost;
        }
    }

    /// Takes in the result of a subscription that counted for itself.
    pub(crate) fn add(&mut self, result: &RoomResult) {
        self.result.add(result);
    }

    /// What became of the room.
    pub(crate) fn result(mut self) -> RoomResult {
        self.judge_log();
        RoomResult { forked: self.forked, ..self.result }
    }

    fn enter(&mut self, seq: u64, new: Known) {
        let Some(known) = self.entries.get_mut(&seq) else {
            self.entries.insert(seq, new);
            return;
        };
        let differs = known.message.zip(new.message).is_some_and(|(known, new)| known != new);
        if known.pos == new.pos && !differs {
            known.acknowledged |= new.acknowledged;
            known.message = known.message.or(new.message);
        } else if !self.forked {
            self.result.contradicted += 1;
        }
    }

    /// Counts what the log alone tells: what was acknowledged, and whether messages stand in it once and in order.
    fn judge_log(&mut self) {
        self.result.acknowledged += self.entries.values().filter(|known| known.acknowledged).count() as u64;
        if self.forked {
            return;
        }
        let mut messages = HashSet::new();
        // Requests of one connection take effect in the order sent, and nobody sends on two.
        let mut newest: HashMap<u64, u64> = HashMap::new();
        for message in self.entries.values().filter_map(|known| known.message) {
            if !messages.insert(message) {
                self.result.appended_twice += 1;
                continue;
            }
            let newest = newest.entry(message % self.senders).or_insert(message);
            if message < *newest {
                self.result.overtaken += 1;
            }
            *newest = message.max(*newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hubbub_shared::server_frame::{Joined, ResetReason};

    use super::*;

    fn pos(seq: u64) -> Arc<str> {
        format!("k3-{seq}-t").into()
    }

    fn ledger(senders: usize) -> Ledger {
        Ledger::new(senders, RandomState::with_seeds(1, 2, 3, 4))
    }

    fn subscription() -> Subscription {
        let mut subscription = Subscription::new();
        subscription.join();
        subscription.joined(&Joined {
            id: None,
            room: "room".to_owned(),
            seq: 0,
            pos: "0-0-0".to_owned(),
            recovered: None,
            reason: None,
            replayed: 0,
            members: None,
            read: 0,
            unread: 0,
        });
        subscription
    }

    /// A ledger in which messages 1 to `count` were acknowledged under those numbers.
    fn acknowledged(count: u64) -> Ledger {
        let mut ledger = ledger(1);
        (1..=count).for_each(|seq| ledger.acknowledged(seq, &pos(seq), seq));
        ledger
    }

    fn give(ledger: &mut Ledger, subscription: &mut Subscription, seqs: &[u64]) {
        for &seq in seqs {
            subscription.entry(seq, &pos(seq));
            ledger.arrived(seq, &pos(seq), Some(seq));
        }
    }

    /// What the ledger says of one subscription that was given these entries of five.
    fn judge(seqs: &[u64]) -> RoomResult {
        let (mut ledger, mut subscription) = (acknowledged(5), subscription());
        give(&mut ledger, &mut subscription, seqs);
        ledger.close(&subscription);
        ledger.result()
    }

    #[test]
    fn a_complete_delivery_is_clean() {
        let result = judge(&[1, 2, 3, 4, 5]);
        assert_eq!((result.lost, result.breaches(), result.acknowledged), (0, 0, 5));
        assert_eq!((result.seen.deliveries, result.subscriptions), (5, 1));
    }

    #[test]
    fn a_hole_is_a_loss() {
        let result = judge(&[1, 2, 4, 5]);
        assert_eq!((result.lost, result.seen.holes), (1, 1));
    }

    #[test]
    fn an_end_that_never_came_is_a_loss_without_a_hole() {
        let result = judge(&[1, 2, 3]);
        assert_eq!((result.lost, result.seen.holes, result.breaches()), (2, 0, 0));
    }

    #[test]
    fn a_swap_loses_nothing() {
        let result = judge(&[1, 3, 2, 4, 5]);
        assert_eq!((result.lost, result.seen.disordered, result.breaches()), (0, 1, 1));
    }

    #[test]
    fn a_double_loses_nothing() {
        let result = judge(&[1, 2, 3, 3, 4, 5]);
        assert_eq!((result.lost, result.seen.doubled, result.breaches()), (0, 1, 1));
    }

    #[test]
    fn what_a_reset_passed_over_is_not_lost_but_skipped() {
        let (mut ledger, mut subscription) = (acknowledged(5), subscription());
        give(&mut ledger, &mut subscription, &[1]);
        subscription.reset(4, &pos(4), ResetReason::Lag);
        give(&mut ledger, &mut subscription, &[5]);
        ledger.close(&subscription);
        let result = ledger.result();
        assert_eq!((result.lost, result.breaches(), result.seen.skipped, result.seen.resets_lag), (0, 0, 3, 1));
    }

    #[test]
    fn a_hole_over_an_entry_that_nobody_acknowledged_is_a_hole_but_no_loss() {
        let (mut ledger, mut subscription) = (ledger(1), subscription());
        ledger.acknowledged(1, &pos(1), 1);
        ledger.acknowledged(3, &pos(3), 3);
        give(&mut ledger, &mut subscription, &[1, 3]);
        ledger.close(&subscription);
        let result = ledger.result();
        assert_eq!((result.lost, result.seen.holes), (0, 1));
    }

    #[test]
    fn who_left_is_not_owed_the_rest() {
        let (mut ledger, mut subscription) = (acknowledged(5), subscription());
        give(&mut ledger, &mut subscription, &[1]);
        subscription.interrupt();
        ledger.close(&subscription);
        let result = ledger.result();
        assert_eq!((result.lost, result.subscriptions), (0, 0));
    }

    #[test]
    fn two_entries_under_one_number_contradict_each_other() {
        let mut ledger = acknowledged(1);
        ledger.arrived(1, "k3-1-other", Some(9));
        // Two messages cannot be one entry.
        ledger.acknowledged(1, &pos(1), 2);
        let result = ledger.result();
        assert_eq!((result.contradicted, result.acknowledged), (2, 1));
    }

    #[test]
    fn what_threads_saw_apart_is_judged_together() {
        let (mut one, mut other) = (ledger(1), ledger(1));
        for seq in [1, 2] {
            one.acknowledged(seq, &pos(seq), seq);
            other.arrived(seq, &pos(seq), Some(seq));
        }
        other.arrived(3, &pos(3), Some(2));
        one.arrived(4, &pos(4), Some(4));
        other.arrived(4, "k3-4-other", None);
        other.arrived(5, &pos(5), Some(3));
        one.merge(other);
        let result = one.result();
        assert_eq!((result.acknowledged, result.appended_twice), (2, 1));
        assert_eq!((result.contradicted, result.overtaken), (1, 1));
    }

    #[test]
    fn one_message_under_two_numbers_was_appended_twice() {
        let mut ledger = acknowledged(1);
        ledger.arrived(2, &pos(2), Some(1));
        ledger.arrived(2, &pos(2), Some(1));
        assert_eq!(ledger.result().appended_twice, 1, "however many saw it");
    }

    #[test]
    fn a_message_that_overtook_an_earlier_one_of_its_sender_is_found() {
        let mut ledger = ledger(2);
        // Messages 0, 2, 4 are of one sender, 1 and 3 of the other.
        for (seq, message) in [(1, 1), (2, 0), (3, 4), (4, 3), (5, 2)] {
            ledger.arrived(seq, &pos(seq), Some(message));
        }
        assert_eq!(ledger.result().overtaken, 1);
    }

    #[test]
    fn who_hears_of_later_messages_first_takes_nothing_for_overtaken() {
        let mut ledger = ledger(1);
        for seq in [1, 4, 3, 2, 5] {
            ledger.acknowledged(seq, &pos(seq), seq);
        }
        assert_eq!(ledger.result().overtaken, 0);
    }

    #[test]
    fn an_acknowledgement_that_is_repeated_counts_once() {
        let mut ledger = acknowledged(3);
        ledger.acknowledged(2, &pos(2), 2);
        let result = ledger.result();
        assert_eq!((result.acknowledged, result.breaches()), (3, 0));
    }

    #[test]
    fn a_log_that_forked_is_not_judged() {
        let (mut ledger, mut subscription) = (acknowledged(5), subscription());
        give(&mut ledger, &mut subscription, &[1, 2]);
        subscription.reset(1, "k4-1-t", ResetReason::Reset);
        ledger.fork();
        subscription.entry(2, &"k4-2-t".into());
        ledger.arrived(2, "k4-2-t", None);
        ledger.arrived(2, &pos(2), Some(2));
        ledger.close(&subscription);
        let result = ledger.result();
        assert!(result.forked);
        assert_eq!((result.lost, result.breaches(), result.seen.resets_reset), (0, 0, 1));
    }
}
