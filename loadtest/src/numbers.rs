//! What one subscription was given of a room whose messages have no seq, only the numbers that we gave them.

use crate::ledger::RoomResult;
use crate::payload::Place;
use crate::subscription::Seen;

/// Which of a room's messages came.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// One bit for each message.
    bits: Vec<u64>,
    came: u64,
    /// Messages that have not come although a later one of the same sender has.
    awaited: Vec<u32>,
    doubled: u64,
    disordered: u64,
}

impl Numbers {
    /// A message came. Answers whether it came for the first time.
    pub(crate) fn arrived(&mut self, place: Place) -> bool {
        if self.has(place.nth) {
            self.doubled += 1;
            return false;
        }
        let (word, bit) = position(place.nth);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= bit;
        self.came += 1;
        if let Some(at) = self.awaited.iter().position(|awaited| *awaited == place.nth) {
            self.awaited.swap_remove(at);
            self.disordered += 1;
        }
        if let Some(before) = place.after
            && !self.has(before)
            && !self.awaited.contains(&before)
        {
            self.awaited.push(before);
        }
        true
    }

    /// How many different messages came.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    fn has(&self, nth: u32) -> bool {
        let (word, bit) = position(nth);
        self.bits.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// What the subscription saw, of a room to which `owed` messages were sent that it should have been given.
    pub(crate) fn close(&self, owed: u64) -> RoomResult {
        RoomResult {
            lost: owed.saturating_sub(self.came),
            seen: Seen {
                doubled: self.doubled,
                disordered: self.disordered,
                deliveries: self.came + self.doubled,
                ..Seen::default()
            },
            subscriptions: 1,
            ..RoomResult::default()
        }
    }
}

fn position(nth: u32) -> (usize, u64) {
    (nth as usize / 64, 1 << (nth % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of messages of two senders who take turns, those with these numbers came.
    fn judge(numbers: &[u32], owed: u64) -> (u64, u64, u64) {
        let mut seen = Numbers::default();
        for &nth in numbers {
            seen.arrived(Place { nth, after: nth.checked_sub(2) });
        }
        let result = seen.close(owed);
        (result.lost, result.seen.doubled, result.seen.disordered)
    }

    #[test]
    fn a_complete_delivery_is_clean() {
        assert_eq!(judge(&(0..200).collect::<Vec<_>>(), 200), (0, 0, 0));
    }

    #[test]
    fn what_never_came_is_lost_whether_or_not_something_came_after_it() {
        assert_eq!(judge(&[0, 1, 3, 4], 6), (2, 0, 0));
        assert_eq!(judge(&[], 3), (3, 0, 0));
    }

    #[test]
    fn what_came_twice_is_doubled() {
        assert_eq!(judge(&[0, 1, 1, 2, 0], 3), (0, 2, 0));
    }

    #[test]
    fn only_messages_of_one_sender_have_an_order() {
        assert_eq!(judge(&[1, 0, 3, 2], 4), (0, 0, 0), "two senders crossed");
        assert_eq!(judge(&[2, 0, 1, 3], 4), (0, 0, 1), "the first sender's messages were swapped");
        assert_eq!(judge(&[4, 2, 0], 3), (0, 0, 2));
    }
}
