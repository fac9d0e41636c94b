//! Removes what replicas declared whose lease ran out.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use fred::types::Value;
use futures_util::future::join_all;

use super::{Leases, OVERDUE, REMOVE, number};
use crate::locks::Locks;
use crate::presence::PresenceError;
use crate::redis::{Partition, RedisError};

/// The lock of whoever sweeps, and for how long at a time. Every sweep begins it anew, so that another one takes over
/// soon after the sweeper has died.
const LOCK: &str = "presence-sweep";
const LOCK_LEASE: Duration = Duration::from_secs(4);
/// How many leases that ran out are looked at in one sweep of a partition.
const LEASES_PER_SWEEP: u64 = 16;
/// How many declarations are taken back in one call, which holds up everybody else's.
const DECLARATIONS_PER_CALL: u64 = 500;

/// Incarnations of a partition.
pub(super) type Found = (u8, Vec<String>);

impl Leases {
    /// Sweeps wherever the store answers, if nobody else does. Answers how many replicas were swept.
    pub(super) async fn sweep(&self, locks: &dyn Locks) -> Result<usize, PresenceError> {
        if !self.may_sweep_soon() {
            return Ok(0);
        }
        let Some(lock) = locks.acquire(LOCK, &self.run, LOCK_LEASE).await? else { return Ok(0) };
        // Each call's partitions for themselves, so that none waits for a server that gives no answer.
        let sweeps = self.calls().into_iter().map(|parts| self.sweep_some(parts, lock.fence));
        let removed: Vec<_> = join_all(sweeps).await.into_iter().flatten().collect();
        let runs: BTreeSet<_> = removed.iter().filter_map(|incarnation| incarnation.split('.').next()).collect();
        Ok(runs.len())
    }

    /// Sweeps partitions that may share a call; answers which incarnations were removed.
    async fn sweep_some(&self, parts: Range<usize>, fence: u64) -> Vec<String> {
        let found = Self::reached(self.overdue(parts, fence).await).unwrap_or_default();
        let removals = found.into_iter().map(async |(at, incarnations)| {
            let mut removed = Vec::new();
            for incarnation in incarnations {
                match Self::reached(self.remove(at, &incarnation, Some(fence)).await) {
                    Some(true) => removed.push(incarnation),
                    // A later sweeper has taken over, or the next sweep goes on.
                    Some(false) | None => break,
                }
            }
            removed
        });
        join_all(removals).await.concat()
    }

    /// Whether this replica has been in touch anywhere for at least half a lease. Whoever may not sweep yet must not
    /// keep others from it.
    fn may_sweep_soon(&self) -> bool {
        let touches = self.tenures.iter().filter_map(|tenure| tenure.lock().touch());
        touches.map(|touch| touch.last_ms - touch.since_ms).any(|ms| ms >= self.lease_ms / 2)
    }

    /// A partition that gives no answer is left to the next sweep.
    fn reached<T>(answer: Result<T, RedisError>) -> Option<T> {
        answer.inspect_err(|error| tracing::debug!(%error, "a part of the members is not swept now")).ok()
    }

    /// Finds leases that ran out, in some partitions that may share a call.
    pub(super) async fn overdue(&self, parts: Range<usize>, fence: u64) -> Result<Vec<Found>, RedisError> {
        let at = Partition::Room(parts.start as u8);
        let (mut keys, mut args) = (Vec::new(), vec![number(fence)]);
        args.extend([self.lease_ms, self.break_ms(), LEASES_PER_SWEEP].map(number));
        let mut asked = Vec::new();
        for part in parts {
            let Some(touch) = self.tenures[part].lock().touch() else { continue };
            keys.extend(["leases", "fence"].map(|what| self.key(part as u8, what, "")));
            args.extend([touch.since_ms, touch.last_ms].map(number));
            asked.push(part as u8);
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Value> = self.patiently(self.redis.run(&OVERDUE, at, keys, args)).await?;
        let incarnations = found.into_iter().map(|found| found.convert::<Vec<String>>());
        let found = asked.into_iter().zip(incarnations).map(|(part, found)| found.map(|found| (part, found)));
        found.collect::<Result<_, _>>().map_err(|error| RedisError::Broken(error.details().to_owned()))
    }

    /// Takes back, portion by portion, what an incarnation declared, and its lease. Answers whether nothing is left of
    /// it; something is if a later sweeper has taken over.
    pub(super) async fn remove(&self, at: u8, incarnation: &str, fence: Option<u64>) -> Result<bool, RedisError> {
        let own = ["leases", "turns"].map(|what| self.key(at, what, ""));
        let keys = [own.to_vec(), vec![self.key(at, "held", incarnation), self.key(at, "fence", "")]].concat();
        let channels = self.redis.keys().channel(Partition::Room(at), "room", "").name;
        let args = vec![
            Value::from(incarnation),
            number(DECLARATIONS_PER_CALL),
            fence.map_or_else(|| Value::from(""), number),
            Value::from(self.key(at, "users", "")),
            Value::from(self.key(at, "members", "")),
            Value::from(channels),
        ];
        loop {
            let left: i64 = self.redis.run(&REMOVE, Partition::Room(at), keys.clone(), args.clone()).await?;
            if left <= 0 {
                return Ok(left == 0);
            }
        }
    }
}
