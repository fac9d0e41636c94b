//! Partitions on several masters, of which one may be away.

use std::collections::BTreeSet;

use hubbub_testbed::Cluster;

use super::*;
use crate::broker::conformance::author;
use crate::redis::keys::PARTITIONS;

/// A cluster for which time stands still, and replicas that hear nothing.
struct World {
    cluster: Cluster,
    redis: Arc<Redis>,
    now_ms: AtomicU64,
    stop: CancellationToken,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    fn start(replicas_per_master: usize) -> Self {
        let cluster = tokio::task::block_in_place(|| Cluster::start(3, replicas_per_master));
        let stop = CancellationToken::new();
        let redis = connect(&cluster.url(), &stop);
        Self { cluster, redis, now_ms: AtomicU64::new(START_MS), stop }
    }

    async fn replica(&self) -> RedisPresence {
        let locks = Arc::new(RedisLocks::new(self.redis.clone()));
        let presence = RedisPresence::attach(self.redis.clone(), locks, LEASE, TaskTracker::new());
        while !presence.renew().await.unanswered.is_empty() {}
        presence
    }

    fn pass_ms(&self, ms: u64) {
        self.redis.set_now_ms(Some(self.now_ms.fetch_add(ms, Ordering::Relaxed) + ms));
    }

    fn master_of(&self, room: &RoomName) -> usize {
        self.cluster.master_of_slot(self.redis.keys().room(room).slot())
    }

    /// A room on this master.
    fn room_on(&self, master: usize) -> RoomName {
        std::iter::repeat_with(a_room).find(|room| self.master_of(room) == master).unwrap()
    }

    /// The parts that this master has.
    fn parts_of(&self, master: usize) -> BTreeSet<Part> {
        let parts = Partition::rooms().filter(|part| self.cluster.master_of_slot(part.slot()) == master);
        parts.map(|part| Part(part.number() as u8)).collect()
    }
}

async fn names(presence: &RedisPresence, room: &RoomName) -> Vec<String> {
    let page = presence.members(room, None, 100).await.unwrap();
    page.members.into_iter().map(|member| member.author.user.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_away_is_missed_in_its_parts_alone_and_the_others_are_swept() {
    let world = World::start(0);
    let (sweeper, dead) = (world.replica().await, world.replica().await);
    // The lock of the sweepers stays in reach.
    let lock = world.redis.keys().user("presence-sweep");
    let away = (0..3).find(|master| *master != world.cluster.master_of_slot(lock.slot())).unwrap();
    let rooms = [0, 1, 2].map(|master| world.room_on(master));
    for room in &rooms {
        sweeper.declare(room, &author("ada"), 1).await.unwrap();
        dead.declare(room, &author("bob"), 1).await.unwrap();
    }
    drop(dead);
    let parts = world.parts_of(away);
    assert!((PARTITIONS / 4..PARTITIONS / 2).contains(&parts.len()));
    let missed = Renewal { lost: BTreeSet::new(), unanswered: parts };
    world.cluster.node(away).pause();
    for _ in 0..3 {
        world.pass_ms(3_000);
        assert_eq!(sweeper.renew().await, missed);
    }
    assert_eq!(sweeper.sweep().await.unwrap(), 1);
    for (master, room) in rooms.iter().enumerate().filter(|(master, _)| *master != away) {
        assert_eq!(names(&sweeper, room).await, ["ada"], "on master {master}");
    }
    world.cluster.node(away).resume();
    let mut renewal = sweeper.renew().await;
    while !renewal.unanswered.is_empty() {
        renewal = sweeper.renew().await;
    }
    assert_eq!(renewal, Renewal::default(), "what was away for no longer than a lease lost nothing");
    // There it is in touch only now.
    for _ in 0..3 {
        assert_eq!(sweeper.sweep().await.unwrap(), 0);
        assert_eq!(names(&sweeper, &rooms[away]).await, ["ada", "bob"]);
        world.pass_ms(3_000);
        assert_eq!(sweeper.renew().await, Renewal::default());
    }
    assert_eq!(sweeper.sweep().await.unwrap(), 1);
    assert_eq!(names(&sweeper, &rooms[away]).await, ["ada"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_that_became_master_never_heard_of_is_told_again() {
    let world = World::start(1);
    let (one, two, room) = (world.replica().await, world.replica().await, a_room());
    one.declare(&room, &author("ada"), 1).await.unwrap();
    two.declare(&room, &author("eve"), 1).await.unwrap();
    let slot = world.redis.keys().room(&room).slot();
    tokio::task::block_in_place(|| world.cluster.cut_off_replicas(slot));
    assert_eq!(one.declare(&room, &author("bob"), 1).await.unwrap(), 3);
    tokio::task::block_in_place(|| world.cluster.promote_the_cut_off(slot));
    while one.count(&room).await.is_err() {}
    assert_eq!(names(&one, &room).await, ["ada", "eve"]);
    for (replica, lost) in [(&one, vec![one.part(&room)]), (&two, vec![])] {
        let mut renewal = replica.renew().await;
        while !renewal.unanswered.is_empty() {
            assert_eq!(renewal.lost.len(), 0);
            renewal = replica.renew().await;
        }
        assert_eq!(renewal.lost.into_iter().collect::<Vec<_>>(), lost);
    }
    for name in ["ada", "bob"] {
        one.declare(&room, &author(name), 1).await.unwrap();
    }
    assert_eq!(names(&two, &room).await, ["ada", "bob", "eve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_stays_behind_in_a_slot_that_moves_while_it_is_swept() {
    let world = World::start(0);
    let (sweeper, dead) = (world.replica().await, world.replica().await);
    let room = a_room();
    let at = world.redis.keys().room(&room);
    for name in ["ada", "bob"] {
        dead.declare(&room, &author(name), 1).await.unwrap();
    }
    let incarnation = dead.leases.tenures[at.number()].lock().declare().incarnation.unwrap();
    let migration = world.cluster.begin_migration(at.slot(), (world.master_of(&room) + 1) % 3);
    let mut refused = 0;
    while tokio::task::block_in_place(|| migration.move_a_key()) {
        let remove = sweeper.leases.remove(at.number() as u8, &incarnation, None);
        let removed = tokio::time::timeout(Duration::from_millis(300), remove).await;
        refused += usize::from(removed != Ok(Ok(true)));
    }
    tokio::task::block_in_place(|| migration.finish());
    assert!(refused > 0, "the slot was not on its way while it was swept");
    while sweeper.leases.remove(at.number() as u8, &incarnation, None).await != Ok(true) {}
    assert_eq!(names(&sweeper, &room).await, [""; 0]);
    assert_eq!(sweeper.count(&room).await.unwrap(), 0);
}
