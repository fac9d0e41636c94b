//! What the threads of a run saw, put together.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::client::{Membership, Told};
use crate::latency::Latencies;
use crate::ledger::{Ledger, RoomResult};
use crate::local::Spread;
use crate::shared::Shared;
use crate::tally::Tallies;
use crate::worker::{Marks, Outcome};

/// What all threads saw together.
pub(crate) struct Gathered {
    pub(crate) tallies: Tallies,
    pub(crate) latencies: Latencies,
    /// Of each thread.
    pub(crate) marks: Vec<Marks>,
    pub(crate) rooms: Vec<RoomResult>,
    pub(crate) spreads: Vec<Spread>,
    /// When the last entry came.
    pub(crate) delivered_at: Option<Instant>,
    pub(crate) presence: Option<PresenceReport>,
}

/// Who was told to be in the rooms at the end, against who was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PresenceReport {
    /// Rooms in which one client looked.
    pub(crate) rooms_watched: u64,
    /// Users in them.
    pub(crate) members: u64,
    /// Users who were there, and were not told to be.
    pub(crate) missing: u64,
    /// Users who were told to be there, and were not.
    pub(crate) ghosts: u64,
    /// Rooms of which another number of members was told.
    pub(crate) miscounted: u64,
}

impl Gathered {
    pub(crate) fn new(shared: &Shared, outcomes: Vec<Outcome>) -> Self {
        let mut gathered = Self {
            tallies: Tallies::default(),
            latencies: Latencies::default(),
            marks: Vec::with_capacity(outcomes.len()),
            rooms: Vec::with_capacity(shared.rooms.len()),
            spreads: Vec::new(),
            delivered_at: None,
            presence: None,
        };
        let mut ledgers: HashMap<u32, Ledger, ahash::RandomState> = HashMap::default();
        let mut rests = Vec::with_capacity(shared.plan.clients);
        for Outcome { local, marks } in outcomes {
            gathered.marks.push(marks);
            gathered.delivered_at = gathered.delivered_at.max(local.delivered_at);
            gathered.tallies.merge(local.tallies);
            gathered.latencies.add(&local.latencies);
            if gathered.spreads.is_empty() {
                gathered.spreads = local.spreads;
            } else {
                gathered.spreads.iter_mut().zip(&local.spreads).for_each(|(all, each)| all.merge(each));
            }
            rests.extend(local.rests);
            for (room, ledger) in local.ledgers {
                match ledgers.entry(room) {
                    std::collections::hash_map::Entry::Occupied(mut all) => all.get_mut().merge(ledger),
                    std::collections::hash_map::Entry::Vacant(empty) => {
                        empty.insert(ledger);
                    }
                }
            }
        }
        let empty = || Ledger::new(shared.plan.senders, shared.hasher.clone());
        for membership in rests.iter().flat_map(|rest| &rest.memberships) {
            close(membership, ledgers.entry(membership.room).or_insert_with(empty), shared);
        }
        gathered.rooms = (0..shared.rooms.len() as u32)
            .map(|room| ledgers.remove(&room).map(Ledger::result).unwrap_or_default())
            .collect();
        if shared.plan.language.plain().is_some() {
            for (result, room) in gathered.rooms.iter_mut().zip(&shared.rooms) {
                // Nothing acknowledges a message in such a language; it counts as soon as it is sent.
                result.acknowledged = room.sent();
            }
        }
        for spread in gathered.spreads.iter().filter(|spread| spread.deliveries > 0) {
            gathered.latencies.spread.record_us(spread.last_us - spread.first_us);
        }
        if shared.plan.presence {
            let mut members: HashMap<u32, BTreeSet<&str>> = HashMap::new();
            for rest in &rests {
                for each in rest.memberships.iter().filter(|each| each.subscription.is_owed_the_rest()) {
                    members.entry(each.room).or_default().extend(rest.user.as_deref());
                }
            }
            gathered.presence = Some(judge(rests.iter().filter_map(|rest| rest.told.as_ref()), &members));
        }
        gathered
    }
}

/// Judges one membership, when everything that was acknowledged is known.
fn close(membership: &Membership, ledger: &mut Ledger, shared: &Shared) {
    let subscription = &membership.subscription;
    if let Some(numbers) = &membership.numbers {
        if subscription.is_owed_the_rest() {
            ledger.add(&numbers.close(membership.owed(shared)));
        }
        return;
    }
    ledger.close(subscription);
    if shared.plan.listen && subscription.is_owed_the_rest() {
        // What another process had acknowledged is not known here, but how much it was to send is.
        let lost = shared.expected(membership.room).saturating_sub(u64::from(membership.heard));
        ledger.add(&RoomResult { lost, ..RoomResult::default() });
    }
}

fn judge<'a>(told: impl Iterator<Item = &'a Told>, members: &HashMap<u32, BTreeSet<&str>>) -> PresenceReport {
    let mut report = PresenceReport::default();
    let nobody = BTreeSet::new();
    for Told { room, users, count } in told {
        let there = members.get(room).unwrap_or(&nobody);
        let told: BTreeSet<&str> = users.iter().map(String::as_str).collect();
        report.rooms_watched += 1;
        report.members += there.len() as u64;
        report.missing += there.difference(&told).count() as u64;
        report.ghosts += told.difference(there).count() as u64;
        report.miscounted += u64::from(*count != there.len() as u64);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_and_not_there_is_a_ghost_and_who_is_there_and_not_told_is_missing() {
        let told = |room, users: &[&str], count| Told {
            room,
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            count,
        };
        let members = HashMap::from([(0, BTreeSet::from(["a", "b"])), (1, BTreeSet::from(["a"]))]);
        let told = [told(0, &["a", "b"], 2), told(1, &["b", "c"], 1), told(2, &["d"], 0)];
        let report = PresenceReport { rooms_watched: 3, members: 3, missing: 1, ghosts: 3, miscounted: 0 };
        assert_eq!(judge(told.iter(), &members), report);
    }
}
