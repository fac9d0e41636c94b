//! What each client was told, and whether it was the truth.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use serde_json::Value;

/// What one client was told about one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// It stands here now.
    Joined(Place),
    /// This entry came, or the `sent` that stands in its place.
    Entry(Place),
    /// The client's own send was appended here.
    Acknowledged(Place),
    /// What was told is void; it goes on from here.
    Reset(Place),
}

/// A number and its position.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) seq: u64,
    pub(crate) pos: String,
}

impl Place {
    pub(crate) fn of(frame: &Value) -> Self {
        let pos = frame["pos"].as_str().unwrap_or_else(|| panic!("no pos in {frame}"));
        Self { seq: frame["seq"].as_u64().unwrap(), pos: pos.to_owned() }
    }
}

/// A send that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) speaker: usize,
    pub(crate) room: String,
    pub(crate) key: String,
    pub(crate) place: Place,
}

/// An entry of a room's log, as its history shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) key: String,
}

/// All that was told.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By client and room.
    told: BTreeMap<(usize, String), Vec<Told>>,
    acknowledged: Vec<Acknowledged>,
    under_way: usize,
    /// Sends whose outcome was told to be unknown, by room.
    unavailable: HashMap<String, u64>,
    /// `degraded` and `restored` that a test did not wait for yet, by client.
    notices: HashMap<usize, VecDeque<String>>,
}

impl Ledger {
    pub(crate) fn told(&self, client: usize, room: &str, told: Told) {
        self.0.lock().told.entry((client, room.to_owned())).or_default().push(told);
    }

    /// A send begins, which will be repeated until it is acknowledged.
    pub(crate) fn begun(&self) {
        self.0.lock().under_way += 1;
    }

    /// It was not sent after all.
    pub(crate) fn dropped(&self) {
        self.0.lock().under_way -= 1;
    }

    /// Sends that are not acknowledged yet.
    pub(crate) fn under_way(&self) -> usize {
        self.0.lock().under_way
    }

    pub(crate) fn acknowledged(&self, acknowledged: Acknowledged) {
        let mut state = self.0.lock();
        let told = Told::Acknowledged(acknowledged.place.clone());
        state.told.entry((acknowledged.speaker, acknowledged.room.clone())).or_default().push(told);
        state.acknowledged.push(acknowledged);
        state.under_way -= 1;
    }

    pub(crate) fn unavailable(&self, room: &str) {
        *self.0.lock().unavailable.entry(room.to_owned()).or_default() += 1;
    }

    pub(crate) fn notice(&self, client: usize, notice: &str) {
        self.0.lock().notices.entry(client).or_default().push_back(notice.to_owned());
    }

    /// Sends that were acknowledged so far, by speaker.
    pub(crate) fn counts(&self, speakers: usize) -> Vec<usize> {
        let mut counts = vec![0; speakers];
        self.0.lock().acknowledged.iter().for_each(|one| counts[one.speaker] += 1);
        counts
    }

    /// Sends whose outcome was told to be unknown, in this room.
    pub(crate) fn unavailable_in(&self, room: &str) -> u64 {
        self.0.lock().unavailable.get(room).copied().unwrap_or_default()
    }

    /// Whether the client got this notice; if so, what came before it does not count any more, nor does it itself.
    pub(crate) fn was_told(&self, client: usize, notice: &str) -> bool {
        let mut state = self.0.lock();
        let notices = state.notices.entry(client).or_default();
        let found = notices.iter().position(|told| told == notice);
        found.inspect(|&at| drop(notices.drain(..=at))).is_some()
    }

    /// Where a client stands in a room.
    pub(crate) fn position(&self, client: usize, room: &str) -> Option<Place> {
        let state = self.0.lock();
        let told = state.told.get(&(client, room.to_owned()))?;
        told.iter().rev().find_map(|told| match told {
            Told::Joined(place) | Told::Entry(place) | Told::Reset(place) => Some(place.clone()),
            Told::Acknowledged(_) => None,
        })
    }

    /// Resets that any client got.
    pub(crate) fn resets(&self) -> usize {
        self.0.lock().told.values().flatten().filter(|told| matches!(told, Told::Reset(_))).count()
    }

    /// Compares what was told with the logs as they are in the end, and gives every lie. Acknowledged entries that the
    /// logs do not have come besides.
    pub(crate) fn audit(&self, logs: &HashMap<String, Vec<Item>>) -> (Vec<String>, Vec<Acknowledged>) {
        let state = self.0.lock();
        let mut lies = Vec::new();
        for (room, log) in logs {
            let holes = log.windows(2).filter(|pair| pair[1].place.seq != pair[0].place.seq + 1);
            lies.extend(holes.map(|pair| format!("the log of {room} has a hole: {pair:?}")));
        }
        for ((client, room), told) in &state.told {
            let log = logs.get(room).map_or(&[][..], Vec::as_slice);
            lies.extend(lies_of(told, log).into_iter().map(|lie| format!("client {client} in {room}: {lie}")));
        }
        let places: HashMap<&str, HashSet<(&Place, &str)>> = logs
            .iter()
            .map(|(room, log)| (room.as_str(), log.iter().map(|item| (&item.place, item.key.as_str())).collect()))
            .collect();
        let is_kept = |one: &&Acknowledged| {
            places.get(one.room.as_str()).is_some_and(|places| places.contains(&(&one.place, one.key.as_str())))
        };
        let lost = state.acknowledged.iter().filter(|one| !is_kept(one)).cloned().collect();
        (lies, lost)
    }

    /// Keys that stand in a log more than once, and acknowledged sends of one speaker that do not stand in their order.
    pub(crate) fn doubles_and_disorder(&self, logs: &HashMap<String, Vec<Item>>) -> Vec<String> {
        let mut faults = Vec::new();
        for (room, log) in logs {
            let mut seen = HashSet::new();
            faults.extend(
                log.iter().filter(|item| !seen.insert(&item.key)).map(|item| format!("twice in {room}: {item:?}")),
            );
        }
        let mut last: HashMap<(usize, String), u64> = HashMap::new();
        for one in &self.0.lock().acknowledged {
            let before = last.insert((one.speaker, one.room.clone()), one.place.seq);
            if before.is_some_and(|before| before >= one.place.seq) {
                faults.push(format!("out of order after {before:?}: {one:?}"));
            }
        }
        faults
    }
}

/// What is wrong with what one client was told about one room, given its log in the end.
fn lies_of(told: &[Told], log: &[Item]) -> Vec<String> {
    let mut lies = Vec::new();
    // Numbers rise by one between two resets.
    let mut at: Option<u64> = None;
    for one in told {
        match one {
            Told::Joined(place) | Told::Reset(place) => at = Some(place.seq),
            Told::Entry(place) => {
                if at.is_none_or(|at| place.seq != at + 1) {
                    lies.push(format!("{place:?} came after {at:?}"));
                }
                at = Some(place.seq);
            }
            Told::Acknowledged(_) => {}
        }
    }
    // What no reset made void is in the log.
    let is_kept = |place: &Place| {
        let first = log.first().map_or(1, |item| item.place.seq);
        let item = place.seq.checked_sub(first).and_then(|index| log.get(index as usize));
        place.seq == 0 || item.is_some_and(|item| item.place == *place)
    };
    let last_reset = told.iter().rposition(|one| matches!(one, Told::Reset(_))).unwrap_or(0);
    for one in &told[last_reset..] {
        let (Told::Joined(place) | Told::Reset(place) | Told::Entry(place) | Told::Acknowledged(place)) = one;
        if !is_kept(place) {
            lies.push(format!("{one:?} is not in the log, and no reset came after it"));
        }
    }
    lies
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(seq: u64) -> Place {
        Place { seq, pos: format!("pos-{seq}") }
    }

    fn log(until: u64) -> Vec<Item> {
        (1..=until).map(|seq| Item { place: place(seq), key: seq.to_string() }).collect()
    }

    fn void(seq: u64) -> Place {
        Place { seq, pos: "of a log that is gone".to_owned() }
    }

    #[test]
    fn the_truth_is_no_lie() {
        let told = [Told::Joined(place(0)), Told::Entry(place(1)), Told::Acknowledged(place(1)), Told::Entry(place(2))];
        assert!(lies_of(&told, &log(2)).is_empty());
        let told = [Told::Joined(place(1)), Told::Entry(void(2)), Told::Reset(place(1)), Told::Entry(place(2))];
        assert!(lies_of(&told, &log(2)).is_empty());
    }

    #[test]
    fn holes_doubles_and_disorder_are_lies() {
        for wrong in [[1, 3], [1, 1], [2, 1]] {
            let told = [Told::Joined(place(0)), Told::Entry(place(wrong[0])), Told::Entry(place(wrong[1]))];
            assert!(!lies_of(&told, &log(3)).is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_not_in_the_log_is_a_lie_until_a_reset_comes() {
        for void in [Told::Entry(void(2)), Told::Acknowledged(void(2))] {
            let told = [Told::Joined(place(1)), void];
            assert_eq!(lies_of(&told, &log(2)).len(), 1, "{told:?}");
        }
    }
}
