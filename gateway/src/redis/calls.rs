//! Calls to Redis: on the master of a slot, within the deadline, never applied twice.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fred::clients::{Client, Pipeline};
use fred::interfaces::{ClientLike as _, PubsubInterface as _};
use fred::types::config::Options;
use fred::types::{ClusterHash, CustomCommand, FromValue, Key, Value};
use futures_util::FutureExt as _;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::{Desk, Question};
use super::script::{Failure, Prepared, Script};
use super::shard::{Access, Shard};
use super::topology::{Finder, Topology};
use super::url::{HostPort, RedisUrl};
use super::wire::{Login, Tls};
use super::{Bus, Channel, Ear, Keys, Partition, RedisError, RedisMetrics, bus};

/// The wait before a server is asked again that said it cannot yet, or where nobody has the slot.
const AGAIN: Duration = Duration::from_millis(25);

/// fred ends a call at the deadline; if it ever should not, ours ends it so much later.
const LATE: Duration = Duration::from_millis(50);

/// How to reach Redis.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Where it is.
    pub url: RedisUrl,
    /// What the names of all keys and channels begin with.
    pub prefix: String,
    /// How to speak TLS, where the URL asks for it.
    pub tls: Option<Tls>,
    /// How long a call may take.
    pub deadline: Duration,
    /// What is counted.
    pub metrics: RedisMetrics,
}

/// Redis, whichever servers it consists of at the moment.
#[derive(Debug)]
pub struct Redis {
    keys: Keys,
    access: Access,
    deadline: Duration,
    topology: Finder,
    shards: RwLock<HashMap<HostPort, Arc<Shard>>>,
    runtime: tokio::runtime::Handle,
    metrics: RedisMetrics,
    desk: Desk,
    #[cfg(test)]
    frozen_ms: AtomicU64,
}

impl Redis {
    /// Begins to look for the servers and to connect; nothing is waited for. Its tasks end with `stop`.
    pub fn start(settings: RedisSettings, tasks: &TaskTracker, stop: &CancellationToken) -> io::Result<Arc<Self>> {
        let RedisSettings { url, prefix, tls, deadline, metrics } = settings;
        let topology = Finder::start(&url, tls.clone(), tasks, stop.clone());
        let runtime = runtime_for_fred(tasks, stop.clone())?;
        let is_cluster = url.is_cluster();
        let redis = Arc::new_cyclic(|redis| Self {
            keys: Keys::new(&prefix, url.database),
            access: Access { url, tls },
            deadline,
            topology,
            shards: RwLock::default(),
            runtime,
            metrics,
            desk: Desk::new(redis.clone(), is_cluster, deadline, tasks.clone()),
            #[cfg(test)]
            frozen_ms: AtomicU64::new(0),
        });
        tasks.spawn(follow_topology(redis.clone(), stop.clone()));
        Ok(redis)
    }

    /// The names of keys and channels.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How long a call may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Begins to hear what is published in the channels that are subscribed, on all masters, until `stop`.
    pub fn listen(self: &Arc<Self>, ear: Arc<dyn Ear>, tasks: &TaskTracker, stop: CancellationToken) -> Bus {
        let redis = self.clone();
        let publish: bus::Publish = Arc::new(move |channel, payload| {
            let redis = redis.clone();
            async move { redis.publish(&channel, payload).await }.boxed()
        });
        let parts = bus::Parts {
            finder: self.topology.clone(),
            is_cluster: self.is_cluster(),
            login: Login::to_servers(&self.access.url, self.access.tls.clone()),
            keys: self.keys.clone(),
            publish,
            ear: Arc::new(Counting { ear, metrics: self.metrics.clone() }),
            deadline: self.deadline,
        };
        Bus::start(parts, tasks, stop)
    }

    /// Which server has which slot.
    pub fn topology(&self) -> watch::Receiver<Arc<Topology>> {
        self.topology.found()
    }

    /// Asks for the topology to be looked at now.
    pub(super) fn refresh(&self) {
        self.topology.refresh();
    }

    /// Whether keys of different partitions may not share a call.
    pub fn is_cluster(&self) -> bool {
        self.access.url.is_cluster()
    }

    /// Runs a script on the master that has the partition.
    pub async fn run<R: FromValue>(
        &self,
        script: &'static Script,
        at: Partition,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<R, RedisError> {
        match self.frozen_clock() {
            Some(clock) => self.evaluate(&script.prepare(&clock), at, keys, args).await,
            None => self.evaluate(script.prepared(), at, keys, args).await,
        }
    }

    /// Runs a script as [`Redis::run`] does, in one call with others that are asked meanwhile: for what every
    /// connection asks.
    pub async fn ask<R: FromValue>(
        &self,
        script: &'static Script,
        at: Partition,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<R, RedisError> {
        converted(self.desk.ask(Question { script, at, keys, args }).await?)
    }

    pub(super) async fn evaluate<R: FromValue>(
        &self,
        script: &Prepared,
        at: Partition,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<R, RedisError> {
        let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
        converted(self.until_done(at, |attempt| evaluate(script, attempt, keys.clone(), args.clone())).await?)
    }

    /// Tells the subscribers of a channel; answers how many there were at the server that has its slot.
    pub async fn publish(&self, channel: &Channel, payload: Bytes) -> Result<u64, RedisError> {
        let tell = |attempt| tell(attempt, channel.name.clone(), payload.clone());
        converted(self.until_done(channel.partition, tell).await?)
    }

    /// Tries until the call is done or there is nothing more to try, or the deadline has passed. Only what a server
    /// refused before it did anything is tried again.
    async fn until_done<F>(&self, at: Partition, call: impl Fn(Attempt) -> F) -> Result<Value, RedisError>
    where
        F: Future<Output = Result<Value, fred::error::Error>>,
    {
        let start = Instant::now();
        let outcome = self.attempts(at, start + self.deadline, call).await;
        self.metrics.called(&outcome, start.elapsed());
        outcome
    }

    async fn attempts<F>(
        &self,
        at: Partition,
        deadline: Instant,
        call: impl Fn(Attempt) -> F,
    ) -> Result<Value, RedisError>
    where
        F: Future<Output = Result<Value, fred::error::Error>>,
    {
        let (mut unknown, mut asked) = (false, None);
        loop {
            let shard = self.shard(at, asked.take().as_ref());
            let Some((shard, asking)) = shard else {
                self.again(deadline).await?;
                continue;
            };
            let client = match timeout_at(deadline, shard.client()).await {
                Ok(client) => client?,
                Err(_) => return Err(RedisError::Unavailable),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RedisError::Unavailable);
            }
            // fred drops a command that it has not yet sent when its own timeout ends it, and at no other time.
            let options = Options { timeout: Some(left), max_attempts: Some(1), ..Options::default() };
            let answer = timeout_at(deadline + LATE, call(Attempt { client, options, unknown, asking }));
            match answer.await.map_err(|_| RedisError::Unavailable)? {
                Ok(value) => return Ok(value),
                Err(error) => match Failure::of(&error) {
                    Failure::Unknown if !unknown => unknown = true,
                    Failure::Unknown => return Err(RedisError::Broken(error.details().to_owned())),
                    Failure::Ask(address) => asked = Some(address),
                    Failure::Moved => self.again(deadline).await?,
                    Failure::Later => later(deadline).await?,
                    Failure::Final(error) => return Err(error),
                },
            }
        }
    }

    /// Looks where the slots are now, before another try.
    async fn again(&self, deadline: Instant) -> Result<(), RedisError> {
        let mut topology = self.topology();
        topology.mark_unchanged();
        self.refresh();
        _ = timeout_at((Instant::now() + 4 * AGAIN).min(deadline), topology.changed()).await;
        if Instant::now() >= deadline { Err(RedisError::Unavailable) } else { Ok(()) }
    }

    /// The shard of a partition, or the one that a server said to ask; with whether that one has to be told.
    fn shard(&self, at: Partition, asked: Option<&HostPort>) -> Option<(Arc<Shard>, bool)> {
        if let Some(address) = asked {
            return Some((self.shard_at(address), true));
        }
        let owner = self.topology.found().borrow().master(at.slot())?.clone();
        Some((self.shard_at(&owner), false))
    }

    fn shard_at(&self, address: &HostPort) -> Arc<Shard> {
        if let Some(shard) = self.shards.read().get(address) {
            return shard.clone();
        }
        let mut shards = self.shards.write();
        let begin = || Shard::start(address.clone(), self.access.clone(), &self.runtime);
        shards.entry(address.clone()).or_insert_with(begin).clone()
    }

    /// The masters' shards; fewer than there should be where a slot has no master.
    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        let topology = self.topology.found().borrow().clone();
        topology.masters().iter().map(|address| self.shard_at(address)).collect()
    }

    /// Makes time stand still for all scripts, or go on as it does.
    #[cfg(test)]
    pub(crate) fn set_now_ms(&self, now_ms: Option<u64>) {
        self.frozen_ms.store(now_ms.unwrap_or(0), Ordering::Release);
    }

    /// The clock of all scripts where time stands still, which it does for tests alone.
    #[cfg(test)]
    pub(super) fn frozen_clock(&self) -> Option<String> {
        let now_ms = self.frozen_ms.load(Ordering::Acquire);
        (now_ms > 0).then(|| format!("local function now_ms() return {now_ms} end"))
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests have it from there")]
    pub(super) fn frozen_clock(&self) -> Option<String> {
        None
    }
}

/// Counts what is heard.
struct Counting {
    ear: Arc<dyn Ear>,
    metrics: RedisMetrics,
}

impl Ear for Counting {
    fn heard(&self, channel: &str, payload: Bytes) {
        self.metrics.bus_messages.inc();
        self.ear.heard(channel, payload);
    }

    fn missed(&self) {
        self.metrics.bus_gaps.inc();
        self.ear.missed();
    }
}

/// One try of a call.
struct Attempt {
    client: Client,
    options: Options,
    /// The server does not know the script.
    unknown: bool,
    /// The server does not have the slot yet, and answers this once if it is told so.
    asking: bool,
}

async fn evaluate(
    script: &Prepared,
    attempt: Attempt,
    keys: Vec<Key>,
    args: Vec<Value>,
) -> Result<Value, fred::error::Error> {
    let Attempt { client, options, unknown, asking } = attempt;
    // Who is asked for the first time while a slot is on its way does not know the scripts.
    let (name, script) = if unknown || asking { ("EVAL", &script.text) } else { ("EVALSHA", &script.digest) };
    // fred's own methods for scripts are those of the client without its options: they know of no timeout, and so send
    // what nobody waits for any more.
    let evaluate = CustomCommand::new_static(name, ClusterHash::Random, false);
    let count = keys.len().to_string();
    let keys = keys.into_iter().map(Value::from);
    let all: Vec<Value> = [Value::from(script), Value::from(count)].into_iter().chain(keys).chain(args).collect();
    let client = client.with_options(&options);
    if asking {
        // Both commands go out together, so that nobody else's comes between.
        let pipeline = Pipeline::from(client);
        let ask = CustomCommand::new_static("ASKING", ClusterHash::Random, false);
        () = pipeline.custom(ask, Vec::<Value>::new()).await?;
        () = pipeline.custom(evaluate, all).await?;
        return pipeline.last().await;
    }
    client.custom(evaluate, all).await
}

fn converted<R: FromValue>(value: Value) -> Result<R, RedisError> {
    value.convert().map_err(|error| RedisError::Broken(error.details().to_owned()))
}

async fn tell(attempt: Attempt, channel: String, payload: Bytes) -> Result<Value, fred::error::Error> {
    attempt.client.with_options(&attempt.options).spublish(channel, payload).await
}

async fn later(deadline: Instant) -> Result<(), RedisError> {
    if Instant::now() + AGAIN >= deadline {
        return Err(RedisError::Unavailable);
    }
    sleep(AGAIN).await;
    Ok(())
}

/// Where fred's tasks run. Among the threads of a runtime that has several, each command would be a write of its own, so
/// they get a thread apart; where there is one thread, another would only have to be woken for each command and answer.
fn runtime_for_fred(tasks: &TaskTracker, stop: CancellationToken) -> io::Result<tokio::runtime::Handle> {
    let ours = tokio::runtime::Handle::current();
    if ours.metrics().num_workers() == 1 {
        return Ok(ours);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    tasks.spawn_blocking(move || runtime.block_on(stop.cancelled()));
    Ok(handle)
}

/// Connects to new masters before anybody asks them, and lets go of those that are none any more.
async fn follow_topology(redis: Arc<Redis>, stop: CancellationToken) {
    let mut topology = redis.topology();
    loop {
        let masters = topology.borrow_and_update().masters().to_vec();
        for master in &masters {
            redis.shard_at(master);
        }
        let gone: Vec<_> = redis.shards.write().extract_if(|address, _| !masters.contains(address)).collect();
        drop(gone);
        tokio::select! {
            () = stop.cancelled() => break,
            changed = topology.changed() => if changed.is_err() { break },
        }
    }
    redis.shards.write().clear();
}

#[cfg(test)]
mod tests;
