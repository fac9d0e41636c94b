//! The presence store for many replicas: who is where, in Redis.
//!
//! Each of the 256 partitions of rooms stands for itself. In each of them a replica has a lease under an *incarnation*,
//! the name of this run and a number; a partition that loses a lease gets another one. The replica is known by its
//! leases alone, so that staying costs a call per heartbeat and partition, however many members there are.
//!
//! Keys of a partition:
//!
//! * `leases:`: incarnation → when its lease runs out, Unix milliseconds; -1 while it is being removed. No key here ends
//!   by itself: a lease that ran out stands until it is swept.
//! * `turns:`: incarnation → the number of its last call that declared something. A replica that was answered more knows
//!   from it that the store has lost some.
//! * `held:INCARNATION`: what it declares, `room user`.
//! * `users:ROOM` and `members:ROOM`: see `members.lua`.
//! * `fence:`: of the last sweeper seen.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use hubbub_shared::{RoomName, UserId};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{Member, MembersPage, Part, Presence, PresenceError, Renewal};
use crate::broker::Author;
use crate::locks::{Locks, LocksError};
use crate::random;
use crate::redis::group::{Bounds, Group};
use crate::redis::keys::PARTITIONS;
use crate::redis::{Access, Partition, Redis, RedisError, Script};

mod sweep;
mod tenure;
#[cfg(test)]
mod tests;

use tenure::{Tenure, Turn};

const MEMBERS: &str = include_str!("redis/members.lua");
// Presence takes no more memory than connections have, and a store without memory still has to learn who left.
static DECLARE: Script = Script::new(Access::Tidy, &[MEMBERS, include_str!("redis/declare.lua")]);
static RENEW: Script = Script::new(Access::Tidy, &[MEMBERS, include_str!("redis/renew.lua")]);
static OVERDUE: Script = Script::new(Access::Tidy, &[include_str!("redis/overdue.lua")]);
static REMOVE: Script = Script::new(Access::Tidy, &[MEMBERS, include_str!("redis/remove.lua")]);
static PAGE: Script = Script::new(Access::Read, &[include_str!("redis/page.lua")]);

/// How many partitions share a call where their keys may.
const PARTITIONS_PER_CALL: usize = 64;
/// How many declarations of a partition may go in one call, and how many may wait for theirs.
const DECLARING: Bounds = Bounds { call: 64, call_bytes: 64 * 1024, at_once: 1, waiting: 16_384 };
/// How long a heartbeat waits for an answer, as a part of the lease: a server that stands still must not keep the others
/// from being renewed, nor from being swept.
const PATIENCE: u64 = 5;
/// Characters of the name of a run: 59 bits.
const RUN_CHARACTERS: usize = 10;

/// A replica's end of presence in Redis. Dropping it is like the death of the replica: its leases run out.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct RedisPresence {
    leases: Arc<Leases>,
    locks: Arc<dyn Locks>,
    declaring: Group<Declaration, u64>,
}

/// A replica's leases, one in each partition.
#[derive(Debug)]
struct Leases {
    redis: Arc<Redis>,
    /// Which replica this is, and which life of it.
    run: String,
    lease_ms: u64,
    tenures: Vec<Mutex<Tenure>>,
}

#[derive(Debug)]
struct Declaration {
    room: RoomName,
    member: Author,
    connections: u32,
}

/// A user as a room's hash of members holds him.
#[derive(Debug, Deserialize)]
struct Stored {
    name: Option<String>,
    by: HashMap<String, u32>,
}

impl RedisPresence {
    /// Attaches a replica; its first lease begins with the first renewal. Whoever has the lock `presence-sweep` sweeps.
    pub fn attach(redis: Arc<Redis>, locks: Arc<dyn Locks>, lease: Duration, tasks: TaskTracker) -> Self {
        let deadline = redis.deadline();
        let leases = Arc::new(Leases {
            redis,
            run: random::word(RUN_CHARACTERS),
            lease_ms: lease.as_millis() as u64,
            tenures: (0..PARTITIONS).map(|_| Mutex::default()).collect(),
        });
        let declare = {
            let leases = leases.clone();
            move |at: usize, declarations| {
                let leases = leases.clone();
                async move { leases.declare(at as u8, declarations).await }.boxed()
            }
        };
        let weigh = |declaration: &Declaration| {
            let name = declaration.member.name.as_ref().map_or(0, |name| name.len());
            declaration.room.as_str().len() + declaration.member.user.as_str().len() + name
        };
        let declaring = Group::new(PARTITIONS, DECLARING, deadline, weigh, tasks, Box::new(declare));
        Self { leases, locks, declaring }
    }

    async fn page(&self, room: &RoomName, after: Option<&UserId>, limit: usize) -> Result<MembersPage, PresenceError> {
        let redis = &self.leases.redis;
        let at = redis.keys().room(room);
        let keys = ["users", "members"].map(|what| redis.keys().key(at, what, room.as_str()));
        let args = vec![Value::from(after.map_or("", UserId::as_str)), number(limit as u64)];
        let answer: Vec<Value> = redis.run(&PAGE, at, keys.into(), args).await?;
        Ok(read_page(answer).ok_or_else(|| RedisError::Broken("a page of members of another shape".to_owned()))?)
    }
}

#[async_trait]
impl Presence for RedisPresence {
    async fn declare(&self, room: &RoomName, member: &Author, connections: u32) -> Result<u64, PresenceError> {
        let declaration = Declaration { room: room.clone(), member: member.clone(), connections };
        Ok(self.declaring.ask(self.part(room).0.into(), declaration).await?)
    }

    async fn members(
        &self,
        room: &RoomName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<MembersPage, PresenceError> {
        self.page(room, after, limit).await
    }

    async fn count(&self, room: &RoomName) -> Result<u64, PresenceError> {
        Ok(self.page(room, None, 0).await?.count)
    }

    fn part(&self, room: &RoomName) -> Part {
        Part(self.leases.redis.keys().room(room).number() as u8)
    }

    async fn renew(&self) -> Renewal {
        let calls = self.leases.calls().into_iter().map(async |parts| {
            let renewed = self.leases.renew(parts.clone()).await;
            (parts, renewed)
        });
        let mut renewal = Renewal::default();
        let mut errors = HashSet::new();
        for (parts, renewed) in join_all(calls).await {
            if let Err(error) = renewed {
                renewal.unanswered.extend(parts.map(|part| Part(part as u8)));
                // Said once, and not for each part.
                if errors.insert(error.to_string()) {
                    say(&error);
                }
            }
        }
        let lost = |tenure: &Mutex<Tenure>| tenure.lock().take_lost();
        renewal.lost = (0..=u8::MAX).filter(|&at| lost(&self.leases.tenures[usize::from(at)])).map(Part).collect();
        renewal
    }

    async fn sweep(&self) -> Result<usize, PresenceError> {
        self.leases.sweep(self.locks.as_ref()).await
    }

    async fn resign(&self) -> Result<(), PresenceError> {
        let given_up = (0..=u8::MAX).filter_map(|at| {
            let incarnation = self.leases.tenures[usize::from(at)].lock().resign()?;
            Some(async move { self.leases.remove(at, &incarnation, None).await.map(drop) })
        });
        let all: Result<(), RedisError> = join_all(given_up).await.into_iter().collect();
        Ok(all?)
    }
}

impl Leases {
    /// All partitions, as they may share calls.
    fn calls(&self) -> Vec<Range<usize>> {
        let together = if self.redis.is_cluster() { 1 } else { PARTITIONS_PER_CALL };
        (0..PARTITIONS).step_by(together).map(|first| first..first + together).collect()
    }

    fn key(&self, at: u8, what: &str, name: &str) -> String {
        self.redis.keys().key(Partition::Room(at), what, name)
    }

    /// Extends the leases in some partitions that may share a call.
    async fn renew(&self, parts: Range<usize>) -> Result<(), RedisError> {
        let at = Partition::Room(parts.start as u8);
        let (mut asked, mut keys) = (Vec::new(), Vec::new());
        let mut args = vec![number(self.lease_ms)];
        for part in parts.clone() {
            let renewing = self.tenures[part].lock().renew(&self.run);
            keys.extend(["leases", "turns"].map(|what| self.key(part as u8, what, "")));
            args.push(Value::from(renewing.incarnation.as_deref().unwrap_or_default()));
            args.push(number(renewing.answered));
            args.push(Value::from(&*renewing.new));
            asked.push(renewing);
        }
        let answer: Vec<u64> = self.patiently(self.redis.run(&RENEW, at, keys, args)).await?;
        let Some((&now_ms, go_on)) = answer.split_first().filter(|(_, go_on)| go_on.len() == asked.len()) else {
            return Err(RedisError::Broken("a renewal of another shape".to_owned()));
        };
        for ((part, renewing), goes_on) in parts.zip(asked).zip(go_on) {
            self.tenures[part].lock().renewed(renewing, *goes_on == 1, now_ms, self.break_ms());
        }
        Ok(())
    }

    fn patiently<'a, T: Send + 'a>(
        &self,
        call: impl Future<Output = Result<T, RedisError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, RedisError>> {
        let patience = Duration::from_millis(self.lease_ms / PATIENCE);
        timeout(patience, call).map(|answer| answer.unwrap_or(Err(RedisError::Unavailable))).boxed()
    }

    /// The shortest time without an answer after which a replica cannot tell who stood still.
    fn break_ms(&self) -> u64 {
        self.lease_ms / 2
    }

    /// Declares in one partition; answers how many users are in each room then.
    async fn declare(&self, at: u8, declarations: Vec<Declaration>) -> Result<Vec<u64>, RedisError> {
        let tenure = &self.tenures[usize::from(at)];
        let is_new = tenure.lock().is_new();
        if is_new {
            self.renew(at.into()..usize::from(at) + 1).await?;
        }
        let turn = tenure.lock().declare();
        let (counts, users) = self.send(at, &turn, &declarations).await?;
        tenure.lock().declared(&turn, counts);
        Ok(users)
    }

    /// Sends declarations; answers whether they count, and how many users are in each room then.
    async fn send(&self, at: u8, turn: &Turn, declarations: &[Declaration]) -> Result<(bool, Vec<u64>), RedisError> {
        let incarnation = turn.incarnation.as_deref().unwrap_or_default();
        let mut keys = vec![self.key(at, "leases", ""), self.key(at, "turns", ""), self.key(at, "held", incarnation)];
        let mut args = vec![incarnation.into(), number(turn.turn), number(turn.answered)];
        for Declaration { room, member, connections } in declarations {
            keys.extend(["users", "members"].map(|what| self.key(at, what, room.as_str())));
            let channel = self.redis.keys().channel(Partition::Room(at), "room", room.as_str());
            let (has_name, name) = member.name.as_deref().map_or((0, ""), |name| (1, name));
            args.extend([room.as_str().into(), channel.name.into(), Value::from(member.user.as_str())]);
            args.extend([number(u64::from(*connections)), has_name.into(), name.into()]);
        }
        let mut answer: Vec<u64> = self.redis.ask(&DECLARE, Partition::Room(at), keys, args).await?;
        if answer.len() != declarations.len() + 1 {
            return Err(RedisError::Broken("declarations answered in another shape".to_owned()));
        }
        Ok((answer.remove(0) == 1, answer))
    }
}

fn number(number: u64) -> Value {
    Value::from(number.to_string())
}

fn read_page(answer: Vec<Value>) -> Option<MembersPage> {
    let mut answer = answer.into_iter();
    let (count, more) = (answer.next()?.as_u64()?, answer.next()?.as_u64()? == 1);
    let mut members = Vec::new();
    while let Some(user) = answer.next() {
        let stored: Stored = serde_json::from_slice(answer.next()?.as_bytes()?).ok()?;
        let author = Author { user: UserId::new(&user.as_str()?).ok()?, name: stored.name.map(Arc::from) };
        let connections = stored.by.values().fold(0_u32, |sum, connections| sum.saturating_add(*connections));
        members.push(Member { author, connections });
    }
    Some(MembersPage { count, members, more })
}

/// Tells the operator what does not mend itself.
fn say(error: &RedisError) {
    match error {
        RedisError::Unavailable | RedisError::Full => {}
        RedisError::Refused(_) | RedisError::Broken(_) => tracing::error!(%error, "presence is out of reach"),
    }
}

impl From<RedisError> for PresenceError {
    fn from(error: RedisError) -> Self {
        say(&error);
        Self::Unavailable
    }
}

impl From<LocksError> for PresenceError {
    fn from(error: LocksError) -> Self {
        match error {
            LocksError::Unavailable => Self::Unavailable,
        }
    }
}
