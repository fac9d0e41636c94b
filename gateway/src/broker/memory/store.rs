//! All rooms of the embedded broker, and the bound on what they take together.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hubbub_shared::RoomName;
use parking_lot::{Mutex, MutexGuard};

use super::bus::MemoryBus;
use super::room::Room;
use crate::broker::BrokerError;
use crate::clock::Clock;

/// Rooms are spread over so many tables. Each sweep looks after one of them, so that a table's turn comes about once
/// a minute when the sweep comes every second.
pub(super) const TABLES: usize = 64;

/// When the store is full it is emptied to this share of its bound, so that the work of it is done once in a while and
/// not for every entry.
const EMPTIED_TO: (u64, u64) = (15, 16);

type Table = Mutex<HashMap<RoomName, Arc<Mutex<Room>>, ahash::RandomState>>;

/// The logs of all rooms, and what belongs to them. The replicas of one process share it.
///
/// What they take together is bounded. When there is no place for more, the ends of empty logs are given up first, as
/// if their time was over; a room's next entry then begins a new log. Next the largest logs are shortened, from their
/// oldest entries on, until all that are still large are of one size: so a busy room pays for itself, and a quiet one
/// keeps its history. To readers that is retention by bytes like any other. Keys, markers of kept entries, bans and
/// mutes are never given up early: where they alone fill the store, the answer is [`BrokerError::Full`].
#[derive(Debug)]
pub struct MemoryStore {
    tables: Box<[Table]>,
    hasher: ahash::RandomState,
    clock: Clock,
    dedupe_window_ms: u64,
    bytes_max: u64,
    bytes: AtomicU64,
    emptying: Mutex<()>,
    next_swept: AtomicUsize,
}

impl MemoryStore {
    /// An empty store that takes at most about `bytes_max` of memory.
    pub fn new(clock: Clock, dedupe_window: Duration, bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            tables: (0..TABLES).map(|_| Table::default()).collect(),
            hasher: ahash::RandomState::new(),
            clock,
            dedupe_window_ms: dedupe_window.as_millis() as u64,
            bytes_max,
            bytes: AtomicU64::new(0),
            emptying: Mutex::new(()),
            next_swept: AtomicUsize::new(0),
        })
    }

    /// What everything takes now, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many rooms anything is known about.
    pub fn rooms(&self) -> usize {
        self.tables.iter().map(|table| table.lock().len()).sum()
    }

    pub(super) fn dedupe_window_ms(&self) -> u64 {
        self.dedupe_window_ms
    }

    /// Looks at a room, if anything is known about it. Looking may drop what retention no longer allows, but never
    /// adds anything.
    pub(super) fn with<T>(&self, name: &RoomName, look: impl FnOnce(&mut Room, u64) -> T) -> Option<T> {
        let known = self.table(name).lock().get(name).cloned()?;
        let mut room = known.lock();
        if room.retired {
            return None;
        }
        let answer = look(&mut room, self.clock.now_ms());
        self.settle(name, &mut room, 0);
        Some(answer)
    }

    /// Changes a room, new or known, in one step: `need` says how many bytes the change may take, and `make` makes it
    /// once there is place for them.
    pub(super) fn change<C, T>(
        &self,
        name: &RoomName,
        bus: &MemoryBus,
        change: C,
        need: impl Fn(&mut Room, &C, u64) -> Need<T>,
        make: impl FnOnce(&mut Room, C, u64) -> T,
    ) -> Result<T, BrokerError> {
        let mut place_was_made = false;
        loop {
            let known = self.known_or_new(name);
            let mut room = known.lock();
            if room.retired {
                continue;
            }
            let now_ms = self.clock.now_ms();
            let missing_bytes = match need(&mut room, &change, now_ms) {
                Need::Nothing(answer) => {
                    self.settle(name, &mut room, 0);
                    self.retire_if_blank(name, &known, room);
                    return Ok(answer);
                }
                Need::Bytes(bytes) if self.reserve(bytes) => {
                    let answer = make(&mut room, change, now_ms);
                    self.settle(name, &mut room, bytes);
                    self.retire_if_blank(name, &known, room);
                    return Ok(answer);
                }
                Need::Bytes(bytes) => bytes,
            };
            self.settle(name, &mut room, 0);
            self.retire_if_blank(name, &known, room);
            if place_was_made {
                return Err(BrokerError::Full);
            }
            self.make_place(missing_bytes, bus);
            place_was_made = true;
        }
    }

    /// Drops everything whose time is over in one table of rooms. What is read is exact without it.
    pub(super) fn sweep(&self, bus: &MemoryBus) {
        let next = self.next_swept.fetch_add(1, Ordering::Relaxed) % TABLES;
        for (name, known) in rooms_of(&self.tables[next]) {
            let mut room = known.lock();
            room.sweep(self.clock.now_ms(), self.dedupe_window_ms, bus.is_subscribed(&name));
            self.settle(&name, &mut room, 0);
            self.retire_if_blank(&name, &known, room);
        }
        let mut table = self.tables[next].lock();
        if table.capacity() > 4 * table.len() + 64 {
            let len = table.len();
            table.shrink_to(2 * len);
        }
    }

    fn table(&self, name: &RoomName) -> &Table {
        &self.tables[self.hasher.hash_one(name) as usize % TABLES]
    }

    fn known_or_new(&self, name: &RoomName) -> Arc<Mutex<Room>> {
        self.table(name).lock().entry(name.clone()).or_default().clone()
    }

    /// Takes bytes out of what is left, if so many are.
    fn reserve(&self, bytes: u64) -> bool {
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                taken.checked_add(bytes).filter(|&sum| sum <= self.bytes_max)
            })
            .is_ok()
    }

    /// Charges for a room what it takes now, of which `reserved_bytes` are charged already.
    fn settle(&self, name: &RoomName, room: &mut Room, reserved_bytes: u64) {
        let bytes = room.bytes(name.as_str());
        let before = std::mem::replace(&mut room.charged_bytes, bytes) + reserved_bytes;
        // Charges are numbers modulo 2^64, so that a difference can go either way.
        self.bytes.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Lets go of a room that holds nothing. Whoever still has it will see that it is retired and look again.
    fn retire_if_blank(&self, name: &RoomName, known: &Arc<Mutex<Room>>, mut room: MutexGuard<'_, Room>) {
        if room.charged_bytes > 0 || room.retired {
            return;
        }
        room.retired = true;
        // The table's lock is never waited for while a room's lock is held.
        drop(room);
        let mut table = self.table(name).lock();
        if table.get(name).is_some_and(|current| Arc::ptr_eq(current, known)) {
            table.remove(name);
        }
    }

    /// Gives up the ends of empty logs, then shortens the largest logs, until there is place for so many bytes and
    /// some more.
    fn make_place(&self, bytes: u64, bus: &MemoryBus) {
        let _alone = self.emptying.lock();
        if self.bytes() + bytes <= self.bytes_max {
            return;
        }
        let rooms: Vec<_> = self.tables.iter().flat_map(rooms_of).collect();
        let mut log_bytes = Vec::with_capacity(rooms.len());
        for (name, known) in &rooms {
            let mut room = known.lock();
            let subscribed = bus.is_subscribed(name);
            room.sweep(self.clock.now_ms(), self.dedupe_window_ms, subscribed);
            room.forget_head(subscribed);
            log_bytes.push(room.log_bytes());
            self.settle(name, &mut room, 0);
            self.retire_if_blank(name, known, room);
        }
        let bytes = self.bytes() + bytes;
        if bytes.saturating_sub(log_bytes.iter().sum()) > self.bytes_max {
            // All logs together would not be enough, so that shortening them helps nobody.
            return;
        }
        let excess = bytes.saturating_sub(self.bytes_max / EMPTIED_TO.1 * EMPTIED_TO.0);
        let level = level(&mut log_bytes, excess);
        for (name, known) in &rooms {
            let mut room = known.lock();
            room.trim_log_to_resident_bytes(level);
            self.settle(name, &mut room, 0);
        }
    }
}

/// What a change of a room asks for first.
#[derive(Debug)]
pub(super) enum Need<T> {
    /// Nothing changes; this is the answer.
    Nothing(T),
    /// At most so many bytes more.
    Bytes(u64),
}

fn rooms_of(table: &Table) -> Vec<(RoomName, Arc<Mutex<Room>>)> {
    table.lock().iter().map(|(name, room)| (name.clone(), room.clone())).collect()
}

/// The size to which every larger log must shrink so that all together give up `excess` bytes.
fn level(log_bytes: &mut [u64], excess: u64) -> u64 {
    log_bytes.sort_unstable_by(|a, b| b.cmp(a));
    let mut sum = 0;
    for (index, &size) in log_bytes.iter().enumerate() {
        sum += size;
        let logs = index as u64 + 1;
        let next = log_bytes.get(index + 1).copied().unwrap_or(0);
        // The `logs` largest, shrunk to the size of the next, give up enough.
        if sum - next * logs >= excess {
            return (sum - excess) / logs;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::broker::StandingChange;
    use crate::broker::conformance::{a_room, user};

    #[test]
    fn the_largest_logs_shrink_to_one_size_and_the_others_not_at_all() {
        assert_eq!(level(&mut [10, 50, 90], 20), 70);
        assert_eq!(level(&mut [10, 50, 90], 40), 50);
        assert_eq!(level(&mut [10, 50, 90], 60), 40);
        assert_eq!(level(&mut [10, 50, 90], 150), 0);
        assert_eq!(level(&mut [10, 50, 90], 1_000), 0);
        assert_eq!(level(&mut [], 1), 0);
    }

    #[test]
    fn a_room_that_is_let_go_while_somebody_waits_for_it_loses_no_change() {
        let (store, bus) = (MemoryStore::new(Clock::System, Duration::ZERO, 1_000_000), MemoryBus::new());
        let (room, eve) = (a_room(), user("eve"));
        let (inside, is_inside) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel();
        thread::scope(|scope| {
            let (store, bus, room, eve) = (&store, &bus, &room, &eve);
            scope.spawn(move || {
                let nothing = |_: &mut Room, (): &(), _| {
                    inside.send(()).unwrap();
                    may_leave.recv().unwrap();
                    Need::Nothing(())
                };
                store.change(room, bus, (), nothing, |_, (), _| ()).unwrap();
            });
            is_inside.recv().unwrap();
            let known = store.known_or_new(room);
            let others = Arc::strong_count(&known);
            scope.spawn(move || {
                let ban = |room: &mut Room, (), _| room.set_standing(eve, StandingChange::Ban { until_ms: u64::MAX });
                store.change(room, bus, (), |_, (), _| Need::Bytes(1_000), ban).unwrap();
            });
            // The second one has the same room in its hands when the first one lets go of it.
            while Arc::strong_count(&known) == others {
                thread::yield_now();
            }
            leave.send(()).unwrap();
        });
        let standing = store.with(&room, |room, now_ms| room.standing(&eve, now_ms));
        assert!(standing.is_some_and(|standing| standing.banned));
        assert_eq!(store.rooms(), 1);
    }
}
