use hubbub_testbed::{Cluster, RedisServer, Sentinel};

use super::*;

/// A search that ends with the test.
struct Looking {
    finder: Finder,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Looking {
    fn at(url: &str) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let url: RedisUrl = url.parse().unwrap();
        let finder = Finder::start(&url, None, &tasks, stop.clone());
        Self { finder, stop, tasks }
    }

    /// Waits until this is so of what was found, and says how long it took.
    async fn until(&self, wanted: impl Fn(&Topology) -> bool) -> Duration {
        let began = Instant::now();
        let mut found = self.finder.found();
        let waiting = found.wait_for(|topology| wanted(topology));
        let is_found = tokio::time::timeout(Duration::from_secs(15), waiting).await.is_ok();
        let (found, trouble) = (self.finder.found(), self.finder.trouble());
        assert!(is_found, "found {:?}, trouble {:?}", found.borrow(), trouble.borrow());
        began.elapsed()
    }

    async fn trouble(&self) -> String {
        let mut trouble = self.finder.trouble();
        let waiting = trouble.wait_for(Option::is_some);
        let told = tokio::time::timeout(Duration::from_secs(15), waiting).await.unwrap().unwrap();
        told.as_ref().unwrap().to_string()
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn at(server: &RedisServer) -> HostPort {
    HostPort::new("127.0.0.1", server.port())
}

fn answer(port: u16, sees_majority: bool, epoch: u64) -> Answer {
    Answer { topology: Topology::single(HostPort::new("h", port)), sees_majority, epoch }
}

fn search() -> Search {
    Search {
        source: Source::Cluster(Nodes::new(Vec::new(), Login::default())),
        found: watch::Sender::new(Arc::new(Topology::unknown())),
        trouble: watch::Sender::new(None),
        wanted: Arc::default(),
        epoch: None,
        doubted: None,
    }
}

#[test]
fn every_slot_has_the_master_of_its_range_or_none() {
    let (a, b) = (HostPort::new("a", 1), HostPort::new("b", 2));
    let topology = Topology::of_ranges(vec![(0, 99, b.clone()), (100, 199, a.clone()), (300, 16_383, b.clone())]);
    assert_eq!(topology.masters(), [a.clone(), b.clone()]);
    assert_eq!(topology.master(0), Some(&b));
    assert_eq!(topology.master(100), Some(&a));
    assert_eq!(topology.master(200), None);
    assert_eq!(topology.master(16_383), Some(&b));
    assert_eq!(Topology::single(a.clone()).master(16_383), Some(&a));
    assert_eq!(Topology::unknown().master(0), None);
}

#[tokio::test(start_paused = true)]
async fn those_who_know_less_are_not_believed_until_nobody_knows_more() {
    let mut search = search();
    let port = |search: &Search| search.found.borrow().masters()[0].port;
    search.take(answer(1, false, 3));
    assert_eq!(port(&search), 1, "any answer is better than none");
    search.take(answer(2, true, 5));
    assert_eq!(port(&search), 2);
    search.take(answer(1, true, 4));
    search.take(answer(1, false, 6));
    assert_eq!(port(&search), 2, "an older epoch, or a minority");
    tokio::time::advance(PATIENCE).await;
    search.take(answer(2, true, 5));
    search.take(answer(1, true, 4));
    assert_eq!(port(&search), 2, "somebody knows more after all");
    tokio::time::advance(PATIENCE).await;
    search.take(answer(1, true, 4));
    assert_eq!(port(&search), 1, "a cluster that was made anew begins at a lower epoch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_server_is_known_before_it_answers_and_is_told_from_what_it_should_not_be() {
    let master = RedisServer::start();
    let looking = Looking::at(&master.url());
    assert_eq!(looking.finder.found().borrow().masters(), [at(&master)]);
    looking.end().await;

    let replica = RedisServer::start_replica_of(&master);
    let looking = Looking::at(&replica.url());
    assert!(looking.trouble().await.contains("is a replica"), "{}", looking.trouble().await);
    replica.cli(&["REPLICAOF", "NO", "ONE"]).unwrap();
    looking.finder.trouble().wait_for(Option::is_none).await.unwrap();
    looking.end().await;

    let cluster = Cluster::start(1, 0);
    let looking = Looking::at(&cluster.node(0).url());
    assert!(looking.trouble().await.contains("write redis-cluster://"));
    looking.end().await;
    let looking = Looking::at(&master.url().replace("redis://", "redis-cluster://"));
    assert!(looking.trouble().await.contains("belongs to no cluster: write redis://"));
    looking.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_as_such() {
    let server = RedisServer::start_with_password("right");
    for (login, says) in [("", "NOAUTH"), (":wrong@", "WRONGPASS")] {
        let looking = Looking::at(&format!("redis://{login}127.0.0.1:{}", server.port()));
        let trouble = looking.trouble().await;
        assert!(trouble.contains(says) && trouble.starts_with("refused"), "{trouble}");
        looking.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_stands_still_is_left_for_the_one_that_sentinel_promotes() {
    let sentinel = tokio::task::block_in_place(Sentinel::start);
    let frozen = sentinel.master();
    let looking = Looking::at(&sentinel.url());
    looking.until(|found| found.masters() == [at(frozen)]).await;
    frozen.pause();
    let took = looking.until(|found| found.masters() != [at(frozen)]).await;
    println!("Sentinel: another master was found {took:?} after the first was frozen");
    let new = tokio::task::block_in_place(|| sentinel.wait_for_another_master(frozen));
    assert_eq!(looking.finder.found().borrow().masters(), [at(new)]);
    looking.end().await;
    frozen.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sentinel_is_enough_to_find_the_others() {
    let sentinel = tokio::task::block_in_place(Sentinel::start);
    let one = sentinel.sentinel(0);
    let service = sentinel.url().rsplit('/').next().unwrap().to_owned();
    let looking = Looking::at(&format!("redis-sentinel://127.0.0.1:{}/{service}", one.port()));
    let old = sentinel.master();
    looking.until(|found| found.masters() == [at(old)]).await;
    one.pause();
    old.kill();
    looking.until(|found| found.masters() != [at(old)]).await;
    looking.end().await;

    let looking = Looking::at(&format!("redis-sentinel://127.0.0.1:{}/nobody", sentinel.sentinel(1).port()));
    assert!(looking.trouble().await.contains("knows no service `nobody`"));
    looking.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_followed_when_the_only_seed_is_killed() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 1));
    let looking = Looking::at(&format!("redis-cluster://127.0.0.1:{}", cluster.node(0).port()));
    looking.until(|found| found.masters().len() == 3).await;
    for slot in [0, 5_000, 10_000, 16_383] {
        let owner = cluster.node(cluster.master_of_slot(slot));
        assert_eq!(looking.finder.found().borrow().master(slot), Some(&at(owner)));
    }
    let slot = (0..16_384).step_by(100).find(|&slot| cluster.master_of_slot(slot) == 0).unwrap();
    let seed = at(cluster.node(0));
    let killed = cluster.kill_master(slot);
    let took = looking.until(|found| found.master(slot).is_some_and(|master| *master != seed)).await;
    println!("Cluster: the new master was found {took:?} after the only seed was killed");
    let new = tokio::task::block_in_place(|| cluster.wait_for_another_master(slot, killed));
    assert_eq!(looking.finder.found().borrow().master(slot), Some(&at(cluster.node(new))));
    looking.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_slot_is_found_at_once_when_it_is_asked_for() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(3, 0));
    let looking = Looking::at(&cluster.url());
    looking.until(|found| found.masters().len() == 3).await;
    let to = (cluster.master_of_slot(7) + 1) % 3;
    tokio::task::block_in_place(|| cluster.migrate_slot(7, to));
    looking.finder.refresh();
    let took = looking.until(|found| found.master(7) == Some(&at(cluster.node(to)))).await;
    println!("Cluster: a moved slot was found after {took:?}");
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    looking.end().await;
}
