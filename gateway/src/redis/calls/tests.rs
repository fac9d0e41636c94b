//! Calls to real servers, while those are well and while they are not. Left to itself fred fails at most of this.

use std::sync::atomic::AtomicBool;

use futures_util::future::join_all;
use hubbub_testbed::{Cluster, RedisServer};

use super::*;
use crate::redis::Access as ScriptAccess;
use crate::redis::testing::{self, Connected};

static COUNT: Script = Script::new(ScriptAccess::Write, &["return redis.call('INCR', KEYS[1])"]);
static COUNTED: Script = Script::new(ScriptAccess::Read, &["return tonumber(redis.call('GET', KEYS[1]) or 0)"]);
static TIME: Script = Script::new(ScriptAccess::Read, &["return now_ms()"]);
static SLOW_MISTAKE: Script = Script::new(ScriptAccess::Read, &["return redis.call('LLEN', KEYS[1], 'too much')"]);

const DEADLINE: Duration = Duration::from_secs(2);
/// After this, a call does not wait for a connection any more.
const PATIENCE_OF_A_CALL: Duration = Duration::from_millis(1_100);
/// Longer than any of these outages may take.
const OUTAGE: Duration = Duration::from_secs(20);

struct World {
    redis: Connected,
}

fn connect(url: &str) -> World {
    World { redis: testing::connect(url) }
}

impl World {
    async fn count(&self, at: Partition) -> Result<u64, RedisError> {
        let key = self.redis.keys().key(at, "count", "of");
        self.redis.run(&COUNT, at, vec![key], Vec::new()).await
    }

    async fn counted(&self, at: Partition) -> Result<u64, RedisError> {
        let key = self.redis.keys().key(at, "count", "of");
        self.redis.run(&COUNTED, at, vec![key], Vec::new()).await
    }

    /// Waits until calls are answered again.
    async fn recovered(&self, at: Partition) {
        let start = Instant::now();
        while self.counted(at).await.is_err() {
            assert!(start.elapsed() < OUTAGE, "calls are not answered again");
            sleep(AGAIN).await;
        }
    }
}

const HERE: Partition = Partition::Room(7);

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_never_applied_twice_though_connections_die() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    let done = AtomicBool::new(false);
    let count = async {
        let mut answered = 0;
        for _ in 0..400 {
            let answers = join_all((0..50).map(|_| world.count(HERE))).await;
            answered += answers.iter().filter(|answer| answer.is_ok()).count() as u64;
        }
        done.store(true, Ordering::Relaxed);
        answered
    };
    let kill = async {
        let mut killed = 0;
        while !done.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(20)).await;
            killed += server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).map_or(0, |_| 1);
        }
        killed
    };
    let (answered, killed) = tokio::join!(count, kill);
    assert!(killed > 3, "the connection was to be killed again and again, not {killed} times");
    world.recovered(HERE).await;
    let counted = world.counted(HERE).await.unwrap();
    // Some were applied without an answer, but none that was asked for once was applied twice.
    assert!((answered..=20_000).contains(&counted), "{answered} were answered, {counted} were applied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_given_up_under_load_and_found_again() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    server.pause();
    let start = Instant::now();
    assert_eq!(world.count(HERE).await, Err(RedisError::Unavailable));
    assert!(start.elapsed() < DEADLINE + Duration::from_millis(500), "a call took {:?}", start.elapsed());
    // Calls that go on all the time do not keep the dead connection alive.
    let shard = world.redis.shards().remove(0);
    while shard.is_well() {
        _ = tokio::time::timeout(Duration::from_millis(50), world.count(HERE)).await;
        assert!(start.elapsed() < Duration::from_secs(6), "the server was to be given up");
    }
    // Who asks now is told at once.
    sleep(PATIENCE_OF_A_CALL).await;
    let asked = Instant::now();
    assert_eq!(world.count(HERE).await, Err(RedisError::Unavailable));
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    server.resume();
    world.recovered(HERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_restarted_is_found_again_and_learns_the_scripts() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    assert_eq!(world.count(HERE).await, Ok(1));
    server.kill();
    server.restart_empty();
    world.recovered(HERE).await;
    assert_eq!(world.count(HERE).await, Ok(1));
    server.cli(&["SCRIPT", "FLUSH"]).unwrap();
    assert_eq!(world.count(HERE).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_break_is_not_seen_outside() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    server.cli(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).unwrap();
    let shard = world.redis.shards().remove(0);
    shard.until(false).await;
    assert_eq!(world.count(HERE).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_memory_refuses_what_writes_and_answers_what_reads() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    assert_eq!(world.count(HERE).await, Err(RedisError::Full));
    assert_eq!(world.counted(HERE).await, Ok(0));
    let shard = world.redis.shards().remove(0);
    shard.until(false).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(world.count(HERE).await, Ok(1));
    shard.until(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_became_a_replica_answers_what_reads_and_is_not_well() {
    let (master, server) = (RedisServer::start(), RedisServer::start());
    let world = connect(&server.url());
    world.recovered(HERE).await;
    let shard = world.redis.shards().remove(0);
    server.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).unwrap();
    shard.until(false).await;
    assert_eq!(world.count(HERE).await, Err(RedisError::Unavailable));
    server.cli(&["REPLICAOF", "NO", "ONE"]).unwrap();
    shard.until(true).await;
    assert_eq!(world.count(HERE).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_no_answer_until_it_is_right() {
    let server = RedisServer::start_with_password("right");
    let wrong = connect(&server.url().replace("right", "wrong"));
    assert_eq!(wrong.counted(HERE).await, Err(RedisError::Unavailable));
    server.cli(&["CONFIG", "SET", "requirepass", "wrong"]).unwrap();
    wrong.recovered(HERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_script_is_told_as_one() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    let answer = world.redis.run::<u64>(&SLOW_MISTAKE, HERE, vec!["hb:x".to_owned()], Vec::new()).await;
    assert!(matches!(answer, Err(RedisError::Broken(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_the_servers_unless_a_test_holds_it() {
    let server = RedisServer::start();
    let world = connect(&server.url());
    world.recovered(HERE).await;
    let time = async || world.redis.run::<u64>(&TIME, HERE, vec!["hb:x".to_owned()], Vec::new()).await.unwrap();
    assert!(time().await > 1_700_000_000_000);
    world.redis.set_now_ms(Some(1_234));
    assert_eq!(time().await, 1_234);
    world.redis.set_now_ms(None);
    assert!(time().await > 1_700_000_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_gone_does_not_delay_the_others() {
    let cluster = Cluster::start(3, 0);
    let world = connect(&cluster.url());
    let mut partitions = Partition::rooms().step_by(17);
    let gone = partitions.next().unwrap();
    let lost = cluster.master_of_slot(gone.slot());
    let others: Vec<_> = partitions.filter(|other| cluster.master_of_slot(other.slot()) != lost).collect();
    for partition in others.iter().chain([&gone]) {
        world.recovered(*partition).await;
    }
    cluster.node(lost).kill();
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(4) {
        let lost = world.count(gone);
        let kept = async {
            for partition in &others {
                let asked = Instant::now();
                assert!(world.count(*partition).await.is_ok(), "{partition:?} {:?} after", start.elapsed());
                slowest = slowest.max(asked.elapsed());
            }
        };
        let (lost, ()) = tokio::join!(lost, kept);
        assert_eq!(lost, Err(RedisError::Unavailable));
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_only_named_node_is_killed_is_still_found() {
    let cluster = Cluster::start(3, 1);
    let named = cluster.master_of_slot(HERE.slot());
    let address = cluster.node(named).url().replace("redis://", "redis-cluster://");
    let world = connect(&address);
    world.recovered(HERE).await;
    cluster.node(named).kill();
    cluster.wait_for_another_master(HERE.slot(), named);
    world.recovered(HERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_follow_a_slot_that_moves_while_they_are_made() {
    let cluster = Cluster::start(3, 0);
    let world = connect(&cluster.url());
    world.recovered(HERE).await;
    let from = cluster.master_of_slot(HERE.slot());
    let done = AtomicBool::new(false);
    let count = async {
        let (mut asked, mut failed) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            asked += 1;
            failed += u64::from(world.count(HERE).await.is_err());
        }
        (asked, failed)
    };
    let move_it = async {
        tokio::task::block_in_place(|| cluster.migrate_slot(HERE.slot(), (from + 1) % 3));
        sleep(Duration::from_millis(300)).await;
        done.store(true, Ordering::Relaxed);
    };
    let ((asked, failed), ()) = tokio::join!(count, move_it);
    assert_eq!(failed, 0, "of {asked}");
    assert_eq!(world.counted(HERE).await, Ok(asked));
    assert_ne!(cluster.master_of_slot(HERE.slot()), from);
}
