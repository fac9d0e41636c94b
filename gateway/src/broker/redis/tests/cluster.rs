//! Rooms on several masters, of which one may be away or in the middle of a move.

use futures_util::future::join_all;
use hubbub_testbed::{Cluster, until};

use super::*;
use crate::broker::BrokerError;
use crate::broker::conformance::{a_room, message, seqs, user, user_key};

/// A cluster, and a replica of its own.
struct Many {
    cluster: Cluster,
    redis: Arc<Redis>,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl Many {
    fn start(deadline: Duration) -> Self {
        let cluster = tokio::task::block_in_place(|| Cluster::start(3, 0));
        let stop = CancellationToken::new();
        let redis = connect(&cluster.url(), deadline, &stop);
        Self { cluster, redis, stop: stop.clone(), _stop: stop.drop_guard() }
    }

    fn slot_of(&self, room: &RoomName) -> u16 {
        self.redis.keys().room(room).slot()
    }

    /// A room on this master.
    fn room_on(&self, master: usize) -> RoomName {
        std::iter::repeat_with(a_room).find(|room| self.cluster.master_of_slot(self.slot_of(room)) == master).unwrap()
    }
}

/// Publishes as a client does, until there is an answer.
async fn until_appended(replica: &Attached, publish: impl Fn() -> Publish) -> Position {
    loop {
        match replica.broker.publish(publish()).await {
            Ok(Published::Appended { pos, .. } | Published::Duplicate { pos, .. }) => return pos,
            Ok(Published::Refused(refusal)) => panic!("{refusal:?}"),
            Err(BrokerError::Unavailable) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_of_all_masters_are_asked_for_together_and_answered_in_order() {
    let many = Many::start(DEADLINE);
    let mut replica = attach(many.redis.clone(), &many.stop);
    let rooms: Vec<_> = std::iter::repeat_with(a_room).take(40).collect();
    for room in &rooms {
        replica.broker.subscribe(room).await.unwrap();
    }
    let publish = async |(count, room)| replica.append_messages(room, count).await;
    let positions = join_all((1..=3).cycle().zip(&rooms).map(publish)).await;
    let heads = replica.broker.heads(&rooms).await;
    for (head, positions) in heads.into_iter().zip(&positions) {
        assert_eq!(Some(&head.unwrap().pos), positions.last());
    }
    let unread = replica.broker.unread(&user("bob"), &rooms).await.unwrap();
    assert!(unread.iter().zip(&positions).all(|(unread, positions)| unread.unread == positions.len() as u64));
    for (room, positions) in rooms.iter().zip(&positions).take(6) {
        assert_eq!(replica.kept(room).await.len(), positions.len());
    }
    // A signal comes after all that was published in its room before.
    let heard = replica.heard(&rooms[0]).await;
    let own = heard.iter().filter(|envelope| envelope.room == rooms[0]).count();
    assert_eq!(own, positions[0].len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_away_is_missed_in_its_rooms_alone() {
    let many = Many::start(Duration::from_millis(500));
    let replica = attach(many.redis.clone(), &many.stop);
    let rooms = [0, 1, 2].map(|master| many.room_on(master));
    for room in &rooms {
        until_appended(&replica, || Publish { key: user_key("ada", "k"), ..message(room, "ada", "hi") }).await;
    }
    many.cluster.node(1).pause();
    // More calls for the one that is away than it is asked at once must not take more time, nor anything from the others.
    let away = std::iter::repeat_with(|| many.room_on(1)).take(80);
    let asked: Vec<_> = rooms.iter().cloned().chain(away).collect();
    let start = std::time::Instant::now();
    let heads = replica.broker.heads(&asked).await;
    assert!(start.elapsed() < Duration::from_millis(900), "the deadline is kept: {:?}", start.elapsed());
    let seqs_of = |heads: &[Result<Head, BrokerError>]| -> Vec<_> {
        heads.iter().map(|head| head.as_ref().ok().map(|head| head.pos.seq)).collect()
    };
    assert_eq!(seqs_of(&heads)[..4], [Some(1), None, Some(1), None]);
    let away = replica.broker.publish(message(&rooms[1], "ada", "lost?")).await;
    assert!(matches!(away, Err(BrokerError::Unavailable)), "{away:?}");
    for room in [&rooms[0], &rooms[2]] {
        replica.append(message(room, "ada", "ho")).await;
        assert_eq!(seqs(&replica.kept(room).await), [1, 2]);
    }
    let others = [rooms[2].clone(), rooms[0].clone()];
    assert_eq!(seqs_of(&replica.broker.heads(&others).await), [Some(2), Some(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_moves_to_another_master_loses_and_doubles_nothing() {
    let many = Many::start(Duration::from_secs(1));
    let replica = attach(many.redis.clone(), &many.stop);
    let room = many.room_on(0);
    let next = AtomicUsize::new(0);
    let publish = async || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let key = format!("k{number}");
        until_appended(&replica, || Publish { key: user_key("ada", &key), ..message(&room, "ada", &key) }).await
    };
    for _ in 0..5 {
        publish().await;
    }
    let migration = many.cluster.begin_migration(many.slot_of(&room), 1);
    // Some of the keys are here and some there, and what is asked meanwhile has to wait for the rest.
    for _ in 0..3 {
        migration.move_a_key();
    }
    let moved = async {
        tokio::task::block_in_place(|| {
            until("a call to be told to try again", || many.cluster.node(0).info("errorstat_TRYAGAIN"));
            while migration.move_a_key() {}
            migration.finish();
        });
    };
    let (during, ()) = tokio::join!(publish(), moved);
    assert_eq!(during.seq, 6);
    publish().await;
    let kept = replica.kept(&room).await;
    assert_eq!(seqs(&kept), (1..=7).collect::<Vec<_>>());
    let keys: Vec<_> = kept.iter().filter_map(|entry| entry.key.as_deref()).collect();
    assert_eq!(keys, ["k0", "k1", "k2", "k3", "k4", "k5", "k6"]);
}
