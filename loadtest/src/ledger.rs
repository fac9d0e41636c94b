//! What was sent to a room against what arrived in it, over all its subscriptions.
//!
//! A subscription alone can tell a hole, a double and disorder. It cannot tell that the newest entries never came, nor
//! that others saw another entry under the same number, nor that one message was appended twice: that takes the
//! acknowledgements and the others.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};

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

/// The ledger of one room.
#[derive(Debug)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Known>,
    /// Under which seq each of our messages was appended.
    messages: HashMap<u64, u64>,
    /// How many senders take turns.
    senders: u64,
    /// The newest seq of each sender, and its message.
    newest: HashMap<u64, (u64, u64)>,
    hasher: RandomState,
    /// The log began anew or went another way, and the gateway said so. Its numbers then mean two things, and what was
    /// acknowledged before may be gone.
    forked: bool,
    result: RoomResult,
}

/// What became of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    pub(crate) fn new(senders: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            messages: HashMap::new(),
            senders: senders.max(1) as u64,
            newest: HashMap::new(),
            hasher: RandomState::new(),
            forked: false,
            result: RoomResult::default(),
        }
    }

    /// Somebody was given an entry; `message` is the number of a message of ours.
    pub(crate) fn arrived(&mut self, seq: u64, pos: &str, message: Option<u64>) {
        self.enter(seq, pos, message);
    }

    /// The gateway acknowledged a message of ours.
    pub(crate) fn acknowledged(&mut self, seq: u64, pos: &str, message: u64) {
        if let Some(known) = self.enter(seq, pos, Some(message))
            && !std::mem::replace(&mut known.acknowledged, true)
        {
            self.result.acknowledged += 1;
        }
    }

    /// The gateway said that the log began anew or went another way.
    pub(crate) fn fork(&mut self) {
        self.forked = true;
        self.entries.clear();
        self.messages.clear();
        self.newest.clear();
    }

    /// The seq of the newest acknowledged message; 0 without one.
    pub(crate) fn newest_acknowledged(&self) -> u64 {
        self.entries.iter().rev().find(|(_, known)| known.acknowledged).map_or(0, |(seq, _)| *seq)
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

    /// What became of the room.
    pub(crate) fn result(&self) -> RoomResult {
        RoomResult { forked: self.forked, ..self.result.clone() }
    }

    fn enter(&mut self, seq: u64, pos: &str, message: Option<u64>) -> Option<&mut Known> {
        let pos = self.hasher.hash_one(pos);
        let contradicts = |known: &Known| {
            known.pos != pos || known.message.zip(message).is_some_and(|(known, message)| known != message)
        };
        if self.entries.get(&seq).is_some_and(contradicts) {
            if !self.forked {
                self.result.contradicted += 1;
            }
            return None;
        }
        if let Some(message) = message
            && !self.forked
            && !self.entries.contains_key(&seq)
        {
            self.check(seq, message);
        }
        Some(self.entries.entry(seq).or_insert(Known { pos, message, acknowledged: false }))
    }

    /// A message of ours is seen for the first time under this seq.
    fn check(&mut self, seq: u64, message: u64) {
        if *self.messages.entry(message).or_insert(seq) != seq {
            self.result.appended_twice += 1;
            return;
        }
        let newest = self.newest.entry(message % self.senders).or_insert((seq, message));
        // Requests of one connection take effect in the order sent, and nobody sends on two.
        if (seq > newest.0) != (message > newest.1) {
            self.result.overtaken += 1;
        }
        *newest = (*newest).max((seq, message));
    }
}

#[cfg(test)]
mod tests {
    use hubbub_shared::server_frame::{Joined, ResetReason};

    use super::*;

    fn pos(seq: u64) -> String {
        format!("k3-{seq}-t")
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
        let mut ledger = Ledger::new(1);
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
        let (mut ledger, mut subscription) = (Ledger::new(1), subscription());
        ledger.acknowledged(1, &pos(1), 1);
        ledger.acknowledged(3, &pos(3), 3);
        give(&mut ledger, &mut subscription, &[1, 3]);
        ledger.close(&subscription);
        assert_eq!((ledger.result().lost, ledger.result().seen.holes), (0, 1));
    }

    #[test]
    fn who_left_is_not_owed_the_rest() {
        let (mut ledger, mut subscription) = (acknowledged(5), subscription());
        give(&mut ledger, &mut subscription, &[1]);
        subscription.interrupt();
        ledger.close(&subscription);
        assert_eq!((ledger.result().lost, ledger.result().subscriptions), (0, 0));
    }

    #[test]
    fn two_entries_under_one_number_contradict_each_other() {
        let mut ledger = acknowledged(1);
        ledger.arrived(1, "k3-1-other", Some(9));
        assert_eq!((ledger.result().contradicted, ledger.result().acknowledged), (1, 1));
        ledger.acknowledged(1, &pos(1), 2);
        assert_eq!(
            (ledger.result().contradicted, ledger.result().acknowledged),
            (2, 1),
            "two messages cannot be one entry"
        );
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
        let mut ledger = Ledger::new(2);
        // Messages 0, 2, 4 are of one sender, 1 and 3 of the other.
        for (seq, message) in [(1, 1), (2, 0), (3, 4), (4, 3), (5, 2)] {
            ledger.arrived(seq, &pos(seq), Some(message));
        }
        assert_eq!(ledger.result().overtaken, 1);
    }

    #[test]
    fn who_hears_of_later_messages_first_takes_nothing_for_overtaken() {
        let mut ledger = Ledger::new(1);
        for seq in [1, 4, 3, 2, 5] {
            ledger.acknowledged(seq, &pos(seq), seq);
        }
        assert_eq!(ledger.result().overtaken, 0);
    }

    #[test]
    fn an_acknowledgement_that_is_repeated_counts_once() {
        let mut ledger = acknowledged(3);
        ledger.acknowledged(2, &pos(2), 2);
        assert_eq!((ledger.result().acknowledged, ledger.newest_acknowledged()), (3, 3));
        assert_eq!(ledger.result().breaches(), 0);
    }

    #[test]
    fn a_log_that_forked_is_not_judged() {
        let (mut ledger, mut subscription) = (acknowledged(5), subscription());
        give(&mut ledger, &mut subscription, &[1, 2]);
        subscription.reset(1, "k4-1-t", ResetReason::Reset);
        ledger.fork();
        subscription.entry(2, "k4-2-t");
        ledger.arrived(2, "k4-2-t", None);
        ledger.arrived(2, &pos(2), Some(2));
        ledger.close(&subscription);
        let result = ledger.result();
        assert!(result.forked);
        assert_eq!((result.lost, result.breaches(), result.seen.resets_reset), (0, 0, 1));
    }
}
