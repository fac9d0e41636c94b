//! The broker for many replicas: logs and bus in Redis.
//!
//! What a room's log consists of there is written at the head of `redis/room.lua`. Everything that must be one step is
//! one script; a publish appends and tells the bus in it. Publishes that come while others of their lane are under way
//! go together in the next call, in the order in which they came, each with an answer of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::{FromValue, Value};
use futures_util::future::try_join_all;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use hubbub_shared::{Position, RoomName, UserId};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::{
    Broker, BrokerError, Envelope, Head, Marker, PageLimit, Publish, Published, Range, Reading, Standing,
    StandingChange, Unread,
};
use crate::ids::Origin;
use crate::redis::group::{Bounds, Group};
use crate::redis::keys::PARTITIONS;
use crate::redis::{Access, Bus, Channel, Keys, Partition, Redis, RedisError, Script};

mod batch;
mod body;
mod ear;
mod envelope;
mod reading;
#[cfg(test)]
mod tests;

use batch::{Batch, Question};
pub use ear::BusEar;

const ROOM: &str = include_str!("redis/room.lua");
const MARKERS: &str = include_str!("redis/markers.lua");
const STANDINGS: &str = include_str!("redis/standings.lua");
static PUBLISH: Script = Script::new(Access::Write, &[ROOM, MARKERS, STANDINGS, include_str!("redis/publish.lua")]);
static READ: Script = Script::new(Access::Tidy, &[ROOM, include_str!("redis/read.lua")]);
static HEADS: Script = Script::new(Access::Tidy, &[ROOM, include_str!("redis/heads.lua")]);
static MARK_READ: Script = Script::new(Access::Write, &[ROOM, MARKERS, include_str!("redis/mark_read.lua")]);
static UNREAD: Script = Script::new(Access::Tidy, &[ROOM, MARKERS, include_str!("redis/unread.lua")]);
static STANDING: Script = Script::new(Access::Read, &[STANDINGS, include_str!("redis/standing.lua")]);
// Who must be silenced must be so in a store without memory too.
static SET_STANDING: Script = Script::new(Access::Tidy, &[STANDINGS, include_str!("redis/set_standing.lua")]);

/// What may go in one call, and how many publishes of a lane may wait for theirs.
const PUBLISHING: Bounds = Bounds { call: 64, call_bytes: 256 * 1024, at_once: 4, waiting: 4_096 };
/// Lanes where all keys may share a call: few, so that many publishes do.
const LANES: usize = 2;
/// How many rooms are asked for in one call, and how many such calls one server has at once. A room costs it no less in
/// larger calls, and what else is asked of it meanwhile waits behind them.
const ROOMS_PER_CALL: usize = 32;
const CALLS_AT_ONCE: usize = 8;
/// The keys of a log.
const LOG_PARTS: [&str; 3] = ["log", "meta", "gone"];
/// Larger numbers are taken for this one, as scripts write no more digits. In milliseconds it is 300 years.
const NUMBER_MAX: u64 = 10_000_000_000_000;

/// One replica's end of the logs and the bus in Redis.
#[derive(Debug)]
pub struct RedisBroker {
    redis: Arc<Redis>,
    bus: Arc<Bus>,
    publishing: Group<Question, Published>,
    lanes: usize,
}

impl RedisBroker {
    /// Attaches a replica; what the bus brings goes to the [`BusEar`] with which it was started. Publishes run on tasks
    /// of `tasks`.
    pub fn attach(redis: Arc<Redis>, bus: Arc<Bus>, dedupe_window: Duration, tasks: TaskTracker) -> Self {
        let lanes = if redis.is_cluster() { PARTITIONS } else { LANES };
        let window_ms = dedupe_window.as_millis() as u64;
        let call = {
            let redis = redis.clone();
            move |_lane, questions| publish_together(redis.clone(), questions, window_ms).boxed()
        };
        let publishing = Group::new(lanes, PUBLISHING, redis.deadline(), Question::len_bytes, tasks, Box::new(call));
        Self { redis, bus, publishing, lanes }
    }

    fn room(&self, room: &RoomName) -> RoomKeys<'_> {
        RoomKeys { keys: self.redis.keys(), at: self.redis.keys().room(room), name: room.as_str().to_owned() }
    }

    fn channel(&self, room: &RoomName) -> Channel {
        self.room(room).channel()
    }

    /// Asks a script about one room.
    async fn ask<R: FromValue>(
        &self,
        script: &'static Script,
        room: &RoomName,
        parts: &[&str],
        args: Vec<Value>,
    ) -> Result<R, BrokerError> {
        let room = self.room(room);
        let keys = parts.iter().map(|part| room.key(part)).collect();
        Ok(self.redis.ask(script, room.at, keys, args).await?)
    }

    /// Asks for the heads of many rooms in as few calls as there can be, in the order of the rooms. No server waits for
    /// another, so one that is away fails its own rooms alone.
    async fn heads_of_all(&self, rooms: &[RoomName]) -> Vec<Result<Vec<Value>, BrokerError>> {
        const WORDS: usize = 5;
        let deadline = Instant::now() + self.redis.deadline();
        let call = |indices: Vec<usize>| {
            let call = async move {
                let asked: Vec<_> = indices.iter().map(|&index| self.room(&rooms[index])).collect();
                let keys = asked.iter().flat_map(|room| LOG_PARTS.map(|part| room.key(part))).collect();
                let answer: Result<Vec<Value>, _> = self.redis.run(&HEADS, asked[0].at, keys, Vec::new()).await;
                let answer = answer.and_then(|answer| {
                    let fits = answer.len() == indices.len() * WORDS;
                    fits.then_some(answer).ok_or_else(|| reading::other_shape("the heads of some rooms"))
                });
                (indices, answer.map_err(BrokerError::from))
            };
            call.boxed()
        };
        let servers = self.calls_by_server(rooms).into_iter();
        let mut calls =
            stream::select_all(servers.map(|calls| stream::iter(calls).map(call).buffer_unordered(CALLS_AT_ONCE)));
        // What nobody has come to by the deadline stays as it is here.
        let mut answers = vec![Err(BrokerError::Unavailable); rooms.len()];
        while let Ok(Some((indices, answer))) = timeout_at(deadline, calls.next()).await {
            let mut answer = answer.map(Vec::into_iter);
            for index in indices {
                answers[index] = match &mut answer {
                    Ok(values) => Ok(values.by_ref().take(WORDS).collect()),
                    Err(error) => Err(error.clone()),
                };
            }
        }
        answers
    }

    /// The indices of the rooms of each call, by the server that is called.
    fn calls_by_server(&self, rooms: &[RoomName]) -> Vec<Vec<Vec<usize>>> {
        let topology = self.redis.topology().borrow().clone();
        let mut servers: HashMap<Option<usize>, HashMap<Option<Partition>, Vec<usize>>> = HashMap::new();
        for (index, room) in rooms.iter().enumerate() {
            let at = self.redis.keys().room(room);
            let partition = self.redis.is_cluster().then_some(at);
            servers.entry(topology.owner(at.slot())).or_default().entry(partition).or_default().push(index);
        }
        let calls = |together: HashMap<_, Vec<usize>>| {
            together.values().flat_map(|rooms| rooms.chunks(ROOMS_PER_CALL).map(<[usize]>::to_vec)).collect()
        };
        servers.into_values().map(calls).collect()
    }
}

/// The names of a room's keys and of its channel.
struct RoomKeys<'a> {
    keys: &'a Keys,
    at: Partition,
    name: String,
}

impl RoomKeys<'_> {
    fn key(&self, part: &str) -> String {
        self.keys.key(self.at, part, &self.name)
    }

    fn channel(&self) -> Channel {
        self.keys.channel(self.at, "room", &self.name)
    }
}

/// Makes publishes in one call.
async fn publish_together(
    redis: Arc<Redis>,
    questions: Vec<Question>,
    window_ms: u64,
) -> Result<Vec<Published>, RedisError> {
    let batch = Batch::of(redis.keys(), &questions, window_ms);
    let answers: Vec<Value> = redis.run(&PUBLISH, batch.at, batch.keys, batch.args).await?;
    batch::read_answers(&questions, &batch.rooms, &answers)
        .ok_or_else(|| reading::other_shape("the answer to a publish"))
}

fn number(number: u64) -> Value {
    Value::from(number.min(NUMBER_MAX).to_string())
}

/// A position as arguments: epoch, seq and tag.
fn position(pos: &Position) -> [Value; 3] {
    [Value::from(&*pos.epoch), Value::from(pos.seq.to_string()), Value::from(&*pos.tag)]
}

#[async_trait]
impl Broker for RedisBroker {
    async fn publish(&self, publish: Publish) -> Result<Published, BrokerError> {
        let lane = self.redis.keys().room(&publish.room).number() % self.lanes;
        Ok(self.publishing.ask(lane, Question::of(publish)).await?)
    }

    async fn emit(&self, envelope: Envelope) -> Result<(), BrokerError> {
        let channel = self.channel(&envelope.room);
        self.redis.publish(&channel, envelope::encode(&envelope)).await?;
        Ok(())
    }

    async fn subscribe(&self, room: &RoomName) -> Result<(), BrokerError> {
        Ok(self.bus.subscribe(&self.channel(room)).await?)
    }

    async fn unsubscribe(&self, room: &RoomName) {
        self.bus.unsubscribe(&self.channel(room));
    }

    async fn read(&self, room: &RoomName, range: Range, limit: PageLimit) -> Result<Reading, BrokerError> {
        let (word, pos) = match &range {
            Range::Newest => ("newest", &Position::start()),
            Range::Before(pos) => ("before", pos),
            Range::After(pos) => ("after", pos),
        };
        let mut args = vec![Value::from(word)];
        args.extend(position(pos));
        args.extend([number(limit.entries as u64), number(limit.bytes as u64)]);
        // A page may be long, and is nothing that a connection asks for alone.
        let room = self.room(room);
        let keys = LOG_PARTS.map(|part| room.key(part)).into();
        let answer = self.redis.run(&READ, room.at, keys, args).await?;
        Ok(reading::reading(answer, &range)?)
    }

    async fn heads(&self, rooms: &[RoomName]) -> Vec<Result<Head, BrokerError>> {
        let answers = self.heads_of_all(rooms).await;
        answers.into_iter().map(|answer| Ok(reading::head(&answer?)?)).collect()
    }

    async fn mark_read(
        &self,
        room: &RoomName,
        user: &UserId,
        pos: &Position,
        origin: Option<Origin>,
    ) -> Result<Marker, BrokerError> {
        let mut args = vec![Value::from(user.as_str())];
        args.extend(position(pos));
        args.extend([Value::from(self.channel(room).name), Value::from(envelope::end_of_receipt(origin))]);
        let answer: Vec<Value> = self.ask(&MARK_READ, room, &["log", "meta", "gone", "read"], args).await?;
        Ok(reading::marker(&answer)?)
    }

    async fn unread(&self, user: &UserId, rooms: &[RoomName]) -> Result<Vec<Unread>, BrokerError> {
        let unread = async |room| {
            let args = vec![Value::from(user.as_str())];
            let answer: Vec<Value> = self.ask(&UNREAD, room, &["log", "meta", "gone", "read"], args).await?;
            Ok(reading::unread(&answer)?)
        };
        try_join_all(rooms.iter().map(unread)).await
    }

    async fn standing(&self, room: &RoomName, user: &UserId) -> Result<Standing, BrokerError> {
        let args = vec![Value::from(user.as_str())];
        let (banned, muted): (u64, u64) = self.ask(&STANDING, room, &["standing"], args).await?;
        Ok(Standing { banned: banned == 1, muted: muted == 1 })
    }

    async fn set_standing(&self, room: &RoomName, user: &UserId, change: StandingChange) -> Result<(), BrokerError> {
        let (which, until_ms) = match change {
            StandingChange::Ban { until_ms } => ("ban", until_ms),
            StandingChange::Unban => ("ban", 0),
            StandingChange::Mute { until_ms } => ("mute", until_ms),
            StandingChange::Unmute => ("mute", 0),
        };
        // For ever is a number that no clock reaches, and is written in full.
        let args = vec![Value::from(user.as_str()), Value::from(which), Value::from(until_ms.to_string())];
        self.ask(&SET_STANDING, room, &["standing", "meta"], args).await
    }
}

impl From<RedisError> for BrokerError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unavailable => Self::Unavailable,
            RedisError::Full => Self::Full,
            RedisError::Refused(_) | RedisError::Broken(_) => {
                tracing::error!(%error, "the room logs are out of reach");
                Self::Unavailable
            }
        }
    }
}
