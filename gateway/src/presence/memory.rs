//! The embedded presence store: who is where, in the memory of one process, for any number of replicas in it.
//!
//! One lock holds everything, and the bus is told under it: that is what puts the changes of a room in one order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubbub_shared::{RoomName, UserId};
use parking_lot::Mutex;

use super::{Member, MembersPage, Part, Presence, PresenceError, Renewal};
use crate::broker::memory::MemoryBus;
use crate::broker::{Author, Envelope, Payload, PresenceChange};
use crate::clock::Clock;

#[cfg(test)]
mod tests;

/// All rooms.
const WHOLE: Part = Part(0);

/// One replica's right to declare, from its attachment or its last loss on. A number is never used again, so that one
/// which is not leased any more needs no tombstone.
type Incarnation = u64;

/// What the replicas of one process know together about who is where.
#[derive(Debug, Default)]
pub struct MemoryPresenceStore(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rooms: HashMap<RoomName, BTreeMap<UserId, Declared>, ahash::RandomState>,
    leases: HashMap<Incarnation, Leased>,
    incarnations: Incarnation,
}

/// A member, and which incarnations declare how many connections; each at least one.
#[derive(Debug)]
struct Declared {
    author: Author,
    connections: Vec<(Incarnation, u32)>,
}

#[derive(Debug)]
struct Leased {
    /// Since when it has been renewed without a break of half a lease.
    since_ms: u64,
    renewed_ms: u64,
    until_ms: u64,
    declarations: HashSet<(RoomName, UserId), ahash::RandomState>,
}

/// One replica's end of the embedded presence store. Dropping it is like the death of a replica: its lease runs out.
#[derive(Debug)]
pub struct MemoryPresence {
    store: Arc<MemoryPresenceStore>,
    bus: Arc<MemoryBus>,
    clock: Clock,
    lease_ms: u64,
    /// Its lock is taken before the store's.
    incarnation: Mutex<Incarnation>,
}

impl MemoryPresenceStore {
    /// Nobody is anywhere.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }
}

impl MemoryPresence {
    /// Attaches a replica; its first lease begins now.
    pub fn attach(store: Arc<MemoryPresenceStore>, bus: Arc<MemoryBus>, clock: Clock, lease: Duration) -> Self {
        let lease_ms = lease.as_millis() as u64;
        let incarnation = Mutex::new(store.0.lock().incarnate(clock.now_ms(), lease_ms));
        Self { store, bus, clock, lease_ms, incarnation }
    }
}

#[async_trait]
impl Presence for MemoryPresence {
    async fn declare(&self, room: &RoomName, member: &Author, connections: u32) -> Result<u64, PresenceError> {
        let incarnation = self.incarnation.lock();
        let mut state = self.store.0.lock();
        state.declare(*incarnation, room, member, connections, &self.bus);
        Ok(state.count(room))
    }

    async fn members(
        &self,
        room: &RoomName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<MembersPage, PresenceError> {
        let state = self.store.0.lock();
        let Some(members) = state.rooms.get(room) else {
            return Ok(MembersPage { count: 0, members: Vec::new(), more: false });
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = members.range::<UserId, _>((start, Bound::Unbounded));
        let page = rest.by_ref().take(limit).map(|(_, declared)| declared.member()).collect();
        Ok(MembersPage { count: members.len() as u64, members: page, more: rest.next().is_some() })
    }

    async fn count(&self, room: &RoomName) -> Result<u64, PresenceError> {
        Ok(self.store.0.lock().count(room))
    }

    fn part(&self, _room: &RoomName) -> Part {
        WHOLE
    }

    async fn renew(&self) -> Renewal {
        let now_ms = self.clock.now_ms();
        let mut incarnation = self.incarnation.lock();
        let mut state = self.store.0.lock();
        let Some(leased) = state.leases.get_mut(&incarnation) else {
            *incarnation = state.incarnate(now_ms, self.lease_ms);
            return Renewal { lost: BTreeSet::from([WHOLE]), unanswered: BTreeSet::new() };
        };
        if !leased.is_in_touch(now_ms, self.lease_ms) {
            leased.since_ms = now_ms;
        }
        leased.renewed_ms = now_ms;
        leased.until_ms = now_ms + self.lease_ms;
        Renewal::default()
    }

    async fn sweep(&self) -> Result<usize, PresenceError> {
        let now_ms = self.clock.now_ms();
        let incarnation = self.incarnation.lock();
        let mut state = self.store.0.lock();
        let may_sweep = state.leases.get(&incarnation).is_some_and(|own| {
            own.is_in_touch(now_ms, self.lease_ms) && now_ms.saturating_sub(own.since_ms) >= self.lease_ms
        });
        if !may_sweep {
            return Ok(0);
        }
        let over: Vec<_> = state.leases.extract_if(|_, leased| now_ms >= leased.until_ms).collect();
        for (incarnation, leased) in &over {
            state.withdraw(*incarnation, leased, &self.bus);
        }
        Ok(over.len())
    }

    async fn resign(&self) -> Result<(), PresenceError> {
        let incarnation = self.incarnation.lock();
        let mut state = self.store.0.lock();
        if let Some(leased) = state.leases.remove(&incarnation) {
            state.withdraw(*incarnation, &leased, &self.bus);
        }
        Ok(())
    }
}

impl State {
    fn incarnate(&mut self, now_ms: u64, lease_ms: u64) -> Incarnation {
        self.incarnations += 1;
        let (until_ms, declarations) = (now_ms + lease_ms, HashSet::default());
        let leased = Leased { since_ms: now_ms, renewed_ms: now_ms, until_ms, declarations };
        self.leases.insert(self.incarnations, leased);
        self.incarnations
    }

    fn count(&self, room: &RoomName) -> u64 {
        self.rooms.get(room).map_or(0, |members| members.len() as u64)
    }

    fn declare(
        &mut self,
        incarnation: Incarnation,
        room: &RoomName,
        member: &Author,
        connections: u32,
        bus: &MemoryBus,
    ) {
        let Some(leased) = self.leases.get_mut(&incarnation) else { return };
        let declaration = (room.clone(), member.user.clone());
        if connections == 0 {
            leased.declarations.remove(&declaration);
            self.remove(incarnation, room, &member.user, bus);
            return;
        }
        leased.declarations.insert(declaration);
        let members = self.rooms.entry(room.clone()).or_default();
        match members.entry(member.user.clone()) {
            Entry::Occupied(mut occupied) => {
                let declared = occupied.get_mut();
                declared.author = member.clone();
                match declared.connections.iter_mut().find(|(of, _)| *of == incarnation) {
                    Some((_, declared)) => *declared = connections,
                    None => declared.connections.push((incarnation, connections)),
                }
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Declared { author: member.clone(), connections: vec![(incarnation, connections)] });
                let count = members.len() as u64;
                tell(bus, room, PresenceChange { member: member.clone(), present: true, count });
            }
        }
    }

    /// Takes back one declaration.
    fn remove(&mut self, incarnation: Incarnation, room: &RoomName, user: &UserId, bus: &MemoryBus) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        let Entry::Occupied(mut declared) = members.entry(user.clone()) else { return };
        declared.get_mut().connections.retain(|(of, _)| *of != incarnation);
        if !declared.get().connections.is_empty() {
            return;
        }
        let member = declared.remove().author;
        let count = members.len() as u64;
        if count == 0 {
            self.rooms.remove(room);
        }
        tell(bus, room, PresenceChange { member, present: false, count });
    }

    /// Takes back everything that an incarnation declared.
    fn withdraw(&mut self, incarnation: Incarnation, leased: &Leased, bus: &MemoryBus) {
        for (room, user) in &leased.declarations {
            self.remove(incarnation, room, user, bus);
        }
    }
}

impl Leased {
    fn is_in_touch(&self, now_ms: u64, lease_ms: u64) -> bool {
        now_ms.saturating_sub(self.renewed_ms) < lease_ms / 2
    }
}

impl Declared {
    fn member(&self) -> Member {
        let connections = self.connections.iter().fold(0_u32, |sum, (_, count)| sum.saturating_add(*count));
        Member { author: self.author.clone(), connections }
    }
}

fn tell(bus: &MemoryBus, room: &RoomName, change: PresenceChange) {
    bus.publish(Envelope { room: room.clone(), origin: None, payload: Payload::Presence(change) });
}
