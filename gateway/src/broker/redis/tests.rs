//! The broker on a real Redis under the promises of all brokers, and under its own.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use hubbub_testbed::RedisServer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::broker::conformance::model::a_log_is_like_its_model;
use crate::broker::conformance::model::plan::plans;
use crate::broker::conformance::{Fixture, Replica, broker_conformance};
use crate::broker::news;
use crate::redis::testing;

mod cluster;
mod frames;
mod incomplete;
mod sharing;
mod troubled;

const START_MS: u64 = 1_800_000_000_000;
const DEDUPE_WINDOW: Duration = Duration::from_mins(5);
const DEADLINE: Duration = Duration::from_secs(5);

/// Forgets the entries after a number, as a failover to a replica that lagged does.
static REWIND: Script = Script::new(
    Access::Write,
    &[
        ROOM,
        "local log, seq = open(KEYS[1], KEYS[2], KEYS[3], now_ms()), tonumber(ARGV[1])
         local newest = slice(log, seq, seq)[1]
         for later = seq + 1, log.seq do
           local items = call('XRANGE', log.log_key, later, later)
           if items[1] then
             local _, _, _, cost = read_h(items[1][2][2])
             log.bytes = log.bytes - cost
           end
           call('XDEL', log.log_key, later .. '-0')
           log.gone = log.gone - call('HDEL', log.gone_key, later)
         end
         call('XSETID', log.log_key, seq .. '-0')
         local tag, count, time_ms, _, sum = read_h(newest[1])
         log.seq, log.tag, log.count, log.time_ms, log.sum = seq, tag, count, time_ms, sum
         log.kept_changed = true
         save(log)
         return 1",
    ],
);

/// A Redis for which time stands still, and the connections of some processes to it.
struct World {
    server: RedisServer,
    processes: Vec<Arc<Redis>>,
    next: AtomicUsize,
    now_ms: AtomicU64,
    _stop: DropGuard,
}

/// Replicas that all end together.
struct Visit {
    world: Arc<World>,
    stop: CancellationToken,
    _stop: DropGuard,
}

type Attached = Replica<RedisBroker>;

/// Connects to a Redis, for which time stands still.
fn connect(url: &str, deadline: Duration, stop: &CancellationToken) -> Arc<Redis> {
    let redis = testing::start(url, deadline, &TaskTracker::new(), stop);
    redis.set_now_ms(Some(START_MS));
    redis
}

/// Attaches a replica.
fn attach(redis: Arc<Redis>, stop: &CancellationToken) -> Attached {
    let (sender, mut receivers) = news::channel(1, 100_000);
    let bus = redis.listen(Arc::new(BusEar::new(sender)), &TaskTracker::new(), stop.clone());
    let broker = RedisBroker::attach(redis, Arc::new(bus), DEDUPE_WINDOW, TaskTracker::new());
    Replica { broker, news: receivers.remove(0) }
}

impl World {
    fn on(server: RedisServer, processes: usize, deadline: Duration) -> Arc<Self> {
        let stop = CancellationToken::new();
        let processes = (0..processes).map(|_| connect(&server.url(), deadline, &stop)).collect();
        let now_ms = AtomicU64::new(START_MS);
        Arc::new(Self { server, processes, next: AtomicUsize::new(0), now_ms, _stop: stop.drop_guard() })
    }

    fn visit(self: &Arc<Self>) -> Visit {
        let stop = CancellationToken::new();
        Visit { world: self.clone(), stop: stop.clone(), _stop: stop.drop_guard() }
    }

    fn redis(&self) -> &Arc<Redis> {
        &self.processes[0]
    }

    fn key(&self, part: &str, room: &RoomName) -> String {
        let keys = self.redis().keys();
        keys.key(keys.room(room), part, room.as_str())
    }

    fn cli(&self, arguments: &[&str]) -> String {
        self.server.cli(arguments).unwrap()
    }
}

impl Fixture for Visit {
    type Broker = RedisBroker;

    async fn replica(&self) -> Attached {
        let number = self.world.next.fetch_add(1, Ordering::Relaxed);
        attach(self.world.processes[number % self.world.processes.len()].clone(), &self.stop)
    }

    async fn pass_ms(&self, ms: u64) {
        let now_ms = self.world.now_ms.fetch_add(ms, Ordering::Relaxed) + ms;
        self.world.processes.iter().for_each(|redis| redis.set_now_ms(Some(now_ms)));
    }

    fn now_ms(&self) -> u64 {
        self.world.now_ms.load(Ordering::Relaxed)
    }

    fn dedupe_window_ms(&self) -> u64 {
        DEDUPE_WINDOW.as_millis() as u64
    }

    async fn lose_log(&self, room: &RoomName) {
        let about = self.world.server.call(&["KEYS", &self.world.key("about", room).replace("}:", "}:*")]).unwrap();
        let about: Vec<_> = about.list().iter().map(ToString::to_string).collect();
        let lost = ["log", "meta", "gone", "read"].map(|part| self.world.key(part, room));
        let arguments: Vec<_> = ["DEL"].into_iter().chain(lost.iter().chain(&about).map(String::as_str)).collect();
        self.world.cli(&arguments);
    }

    async fn rewind(&self, room: &RoomName, seq: u64) {
        let redis = self.world.redis();
        let keys = ["log", "meta", "gone"].map(|part| self.world.key(part, room)).into();
        let _: u64 = redis.run(&REWIND, redis.keys().room(room), keys, vec![number(seq)]).await.unwrap();
    }
}

fn visit() -> Visit {
    World::on(RedisServer::start(), 2, DEADLINE).visit()
}

broker_conformance! {
    fixture: crate::broker::redis::tests::visit,
    ordinary: tokio::test,
    parallel: tokio::test(flavor = "multi_thread", worker_threads = 4),
}

#[test]
fn a_log_is_like_its_model_whatever_is_asked_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let world = World::on(RedisServer::start(), 1, DEADLINE);
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let follow = |(retention, steps)| {
        runtime.block_on(a_log_is_like_its_model(world.visit(), retention, steps));
        Ok(())
    };
    runner.run(&plans(), follow).unwrap();
}
