//! The gateway's own way: many publishers of one replica at the broker's trait.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hubbub::broker::redis::{BusEar, RedisBroker};
use hubbub::broker::{
    Author, Authority, Body, Broker, DedupeKey, DedupeScope, News, NewsReceiver, Publish, Published, Retention, news,
};
use hubbub::ids::{ConnectionId, Origin};
use hubbub::random;
use hubbub::redis::{Redis, RedisMetrics, RedisSettings};
use hubbub_shared::{Data, RoomName, UserId};
use hubbub_testbed::RedisServer;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::script::Captured;
use super::{Measured, Scenario};

/// Publishes under way at once: as many clients of one replica speak.
const PUBLISHERS: usize = 1_024;
/// Rooms of each publisher, where there are many.
const ROOMS_EACH: usize = 10;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_millis(1_600);
/// What a message says, with its quotes.
const DATA_BYTES: usize = 200;
/// What the rooms of a default configuration keep.
const RETENTION: Retention = Retention { entries: 1_000, bytes: 1 << 20, age_ms: 604_800_000 };
/// What `redis-benchmark` puts other digits for in every command.
pub(crate) const VARIES: &str = "__rand_int__";

/// Whether the bus brings back what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hearing {
    Nobody,
    /// The replica has the rooms open, and every entry is read again.
    Itself,
}

struct Replica {
    broker: RedisBroker,
    news: Vec<NewsReceiver>,
    _stop: DropGuard,
}

pub(crate) fn room(number: usize) -> RoomName {
    RoomName::new(&format!("bench-{number}")).unwrap()
}

fn replica(server: &RedisServer) -> Replica {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let settings = RedisSettings {
        url: server.url().parse().unwrap(),
        prefix: "hb".to_owned(),
        tls: None,
        deadline: Duration::from_secs(5),
        metrics: RedisMetrics::default(),
    };
    let redis = Redis::start(settings, &tasks, &stop).unwrap();
    let (sender, news) = news::channel(1, 1 << 16);
    let bus = redis.listen(Arc::new(BusEar::new(sender)), &tasks, stop.clone());
    let broker = RedisBroker::attach(redis, Arc::new(bus), Duration::from_mins(5), tasks);
    Replica { broker, news, _stop: stop.drop_guard() }
}

/// What one publisher says, in turn.
struct Publisher {
    user: UserId,
    origin: ConnectionId,
    rooms: Vec<RoomName>,
    data: Data,
    keyed: bool,
}

impl Publisher {
    fn new(number: usize, scenario: Scenario) -> Self {
        let rooms = scenario.rooms;
        let own = if rooms == 1 {
            vec![0]
        } else {
            (0..ROOMS_EACH).map(|k| (number + k * rooms / ROOMS_EACH) % rooms).collect()
        };
        Self {
            user: UserId::new(&format!("user-{number}")).unwrap(),
            origin: ConnectionId::random(),
            rooms: own.into_iter().map(room).collect(),
            data: Data::from_json(&format!("\"{}\"", "x".repeat(DATA_BYTES - 2))).unwrap(),
            keyed: scenario.keyed,
        }
    }

    fn publish(&self, number: u64, key: &str) -> Publish {
        let scope = DedupeScope::User(self.user.clone());
        Publish {
            room: self.rooms[number as usize % self.rooms.len()].clone(),
            from: Some(Author { user: self.user.clone(), name: None }),
            key: self.keyed.then(|| DedupeKey { scope, key: Arc::from(key) }),
            body: Body::Message { data: Some(self.data.clone()) },
            authority: Authority::Member,
            slow_mode_ms: 0,
            refuse_after_ms: None,
            retention: RETENTION,
            origin: Some(Origin { connection: self.origin, request: number }),
            tag: random::tag(),
            epoch: random::tag(),
        }
    }
}

/// Publishes from all sides, and looks after a while how far that came.
pub(crate) async fn measure(server: &RedisServer, scenario: Scenario, hearing: Hearing) -> Measured {
    server.cli(&["FLUSHALL", "SYNC"]).unwrap();
    let Replica { broker, news, _stop } = replica(server);
    let broker = Arc::new(broker);
    if hearing == Hearing::Itself {
        let rooms: Vec<_> = (0..scenario.rooms).map(room).collect();
        join_all(rooms.iter().map(|room| broker.subscribe(room))).await.into_iter().for_each(Result::unwrap);
    }
    let (appended, heard) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let tasks = TaskTracker::new();
    let end = CancellationToken::new();
    for number in 0..PUBLISHERS {
        let (broker, appended, end) = (broker.clone(), appended.clone(), end.clone());
        let publisher = Publisher::new(number, scenario);
        tasks.spawn(async move {
            for count in 0_u64.. {
                if end.is_cancelled() {
                    return;
                }
                let published = broker.publish(publisher.publish(count, &format!("{count:012}"))).await.unwrap();
                assert!(matches!(published, Published::Appended { .. }), "{published:?}");
                appended.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for mut news in news {
        let heard = heard.clone();
        tokio::spawn(async move {
            while let Some(news) = news.next().await {
                assert!(matches!(news, News::Envelope(_)), "the bus lost something");
                heard.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::time::sleep(WARM_UP).await;
    let counted = if hearing == Hearing::Itself { &heard } else { &appended };
    let before = Reading::now(server, counted);
    tokio::time::sleep(MEASURED).await;
    let after = Reading::now(server, counted);
    end.cancel();
    tasks.close();
    tasks.wait().await;
    after.since(&before)
}

/// Two publishes as the server sees them: the text of the script, and the call that everything after it is like.
pub(crate) async fn captured(server: &RedisServer, scenario: Scenario) -> Captured {
    server.cli(&["FLUSHALL", "SYNC"]).unwrap();
    let replica = replica(server);
    let publisher = Publisher::new(0, scenario);
    // Whoever connects first looks about; only then the scripts are forgotten.
    replica.broker.publish(publisher.publish(0, "first")).await.unwrap();
    server.cli(&["SCRIPT", "FLUSH"]).unwrap();
    let mut monitor = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let mut lines = BufReader::new(monitor).lines();
    lines.next().unwrap().unwrap();
    for key in ["second", VARIES] {
        replica.broker.publish(publisher.publish(0, key)).await.unwrap();
    }
    let publishes = lines.map(Result::unwrap).filter(|line| line.contains("bench-0") && !line.contains(" lua] "));
    let publishes: Vec<_> = publishes.take(3).collect();
    // Not known, sent as text, and then known.
    Captured::of(&publishes[1], &publishes[2], room(0).as_str())
}

/// What is counted and used up at one moment.
pub(crate) struct Reading {
    at: Instant,
    publishes: u64,
    redis_us: f64,
    client_us: f64,
    calls: u64,
}

impl Reading {
    fn now(server: &RedisServer, publishes: &AtomicU64) -> Self {
        let (redis_us, calls) = of_redis(server);
        let publishes = publishes.load(Ordering::Relaxed);
        Self { at: Instant::now(), publishes, redis_us, client_us: of_this_process(Whose::Own), calls }
    }

    fn since(&self, before: &Self) -> Measured {
        let publishes = (self.publishes - before.publishes) as f64;
        Measured {
            per_s: publishes / (self.at - before.at).as_secs_f64(),
            redis_us: (self.redis_us - before.redis_us) / publishes,
            client_us: (self.client_us - before.client_us) / publishes,
            calls: (self.calls - before.calls) as f64 / publishes,
        }
    }
}

/// Processor time of the server so far, and the calls of scripts by their digests.
pub(crate) fn of_redis(server: &RedisServer) -> (f64, u64) {
    let seconds = |field: &str| server.info(field).unwrap().parse::<f64>().unwrap();
    let stat = server.info("cmdstat_evalsha").unwrap_or_default();
    let calls = stat.split(',').find_map(|field| field.strip_prefix("calls=")?.parse().ok()).unwrap_or(0);
    ((seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6, calls)
}

/// Whose processor time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    /// All threads of this process.
    Own,
    /// The processes that it started and that have ended.
    Children,
}

/// Processor time so far, in microseconds.
pub(crate) fn of_this_process(whose: Whose) -> f64 {
    /// What Linux counts in, everywhere.
    const TICKS_PER_S: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ');
    let first = match whose {
        Whose::Own => 11,
        Whose::Children => 13,
    };
    fields.skip(first).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_S * 1e6
}
