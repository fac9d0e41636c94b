//! The newest entries of a live room, already encoded, so that many clients resuming at once cost no read of the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hubbub_shared::{Position, RoomName};

use super::event::{Event, Shared};
use crate::broker::{Body, Entry};

/// Bounds of one ring, and the account that all rings of a hub share.
#[derive(Debug, Clone)]
pub struct RingBounds {
    /// Entries of one ring at most.
    pub entries: usize,
    /// Bytes of one ring at most.
    pub bytes: usize,
    /// Bytes of all rings at most.
    pub total_bytes: usize,
    /// Bytes of all rings now.
    pub used_bytes: Arc<AtomicUsize>,
}

/// The newest entries of a room, without a hole, ending at the room's position.
#[derive(Debug)]
pub struct Ring {
    entries: VecDeque<Arc<Shared>>,
    bytes: usize,
    bounds: RingBounds,
}

impl Ring {
    /// An empty ring.
    pub fn new(bounds: RingBounds) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, bounds }
    }

    /// Adds the entry after the newest one, and lets go of the oldest beyond the bounds.
    pub fn push(&mut self, shared: Arc<Shared>) {
        let cost_bytes = cost_bytes(&shared);
        self.bytes += cost_bytes;
        self.bounds.used_bytes.fetch_add(cost_bytes, Ordering::Relaxed);
        self.entries.push_back(shared);
        while self.entries.len() > self.bounds.entries
            || self.bytes > self.bounds.bytes
            || self.bounds.used_bytes.load(Ordering::Relaxed) > self.bounds.total_bytes
        {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.release(self::cost_bytes(&oldest));
        }
    }

    /// Forgets everything, as after a gap.
    pub fn clear(&mut self) {
        self.entries = VecDeque::new();
        self.release(self.bytes);
    }

    fn release(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.bounds.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The entry of this number.
    pub fn get(&self, seq: u64) -> Option<&Arc<Shared>> {
        let first_seq = entry_of(self.entries.front()?)?.pos.seq;
        self.entries.get(usize::try_from(seq.checked_sub(first_seq)?).ok()?)
    }

    /// The entries after a position, if the ring can prove that it belongs to this log.
    pub fn after(&self, pos: &Position) -> Option<impl Iterator<Item = &Arc<Shared>>> {
        let next = self.get(pos.seq + 1)?;
        let entry = entry_of(next)?;
        if entry.before() != *pos && !(pos.is_start() && entry.pos.seq == 1) {
            return None;
        }
        let first_seq = entry_of(self.entries.front()?)?.pos.seq;
        Some(self.entries.range((pos.seq + 1 - first_seq) as usize..))
    }

    /// Takes the data out of a deleted message and its edits.
    pub fn forget(&mut self, room: &RoomName, target: &Position) {
        for shared in &mut self.entries {
            let Some(entry) = entry_of(shared) else { continue };
            let body = match &entry.body {
                Body::Message { data: Some(_) } if entry.pos == *target => Body::Message { data: None },
                Body::Edit { target: of, data: Some(_) } if of == target => {
                    Body::Edit { target: of.clone(), data: None }
                }
                Body::Message { .. } | Body::Edit { .. } | Body::Delete { .. } | Body::Reaction { .. } => continue,
            };
            let before = cost_bytes(shared);
            let entry = Entry { body, ..Entry::clone(entry) };
            *shared = Arc::new(Shared::new(room.clone(), Event::Entry(Arc::new(entry))));
            let freed = before - cost_bytes(shared);
            self.bytes -= freed;
            self.bounds.used_bytes.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.clear();
    }
}

fn entry_of(shared: &Arc<Shared>) -> Option<&Arc<Entry>> {
    shared.entry()
}

/// An entry and its encoded frame, which is about as long again.
fn cost_bytes(shared: &Arc<Shared>) -> usize {
    shared.entry().map_or(0, |entry| 2 * entry.cost_bytes())
}
