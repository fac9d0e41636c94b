//! Many at once.

use tokio::task::JoinSet;

use super::*;

const PUBLISHERS: u64 = 8;
const EACH: u64 = 150;

pub(crate) async fn concurrent_publishers_share_one_order_that_every_replica_hears(fixture: impl Fixture) {
    let rooms = [a_room(), a_room(), a_room()];
    let mut listeners = [fixture.replica().await, fixture.replica().await];
    for room in &rooms {
        for listener in &listeners {
            listener.broker.subscribe(room).await.unwrap();
        }
    }
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (replica, rooms) = (fixture.replica().await, rooms.clone());
        publishers.spawn(async move {
            let mut own: [Vec<Position>; 3] = Default::default();
            for number in 0..EACH {
                let room = ((publisher + number) % 3) as usize;
                let said = format!("{publisher} {number}");
                own[room].push(replica.append(message(&rooms[room], &format!("user{publisher}"), &said)).await);
            }
            own
        });
    }
    let own = publishers.join_all().await;

    let mut logs = Vec::new();
    for room in &rooms {
        let log = listeners[0].kept(room).await;
        assert_eq!(seqs(&log), (1..=log.len() as u64).collect::<Vec<_>>());
        for pair in log.windows(2) {
            assert_eq!(pair[0].pos.tag, pair[1].prev);
            assert_eq!(pair[0].count + 1, pair[1].count);
        }
        logs.push(log);
    }
    assert_eq!(logs.iter().map(Vec::len).sum::<usize>() as u64, PUBLISHERS * EACH);
    for own in &own {
        for (own, log) in own.iter().zip(&logs) {
            assert!(own.is_sorted_by(|a, b| a.seq < b.seq), "a publisher's entries stand in the order it sent them");
            assert!(own.iter().all(|pos| log[pos.seq as usize - 1].pos == *pos), "each stands where it was said to");
        }
    }
    for listener in &mut listeners {
        // One queue brings all rooms, so the end of the last room is the end of all.
        let mut heard = Vec::new();
        for room in &rooms {
            heard.extend(listener.heard(room).await);
        }
        for (room, log) in rooms.iter().zip(&logs) {
            let entries = heard.iter().filter(|envelope| envelope.room == *room).cloned();
            let entries: Vec<_> = entries.filter_map(|envelope| entry_of(envelope.payload)).collect();
            assert_eq!(entries, *log);
        }
    }
}

pub(crate) async fn concurrent_retries_of_one_key_append_once(fixture: impl Fixture) {
    let room = a_room();
    for key in 0..20_u64 {
        let mut tries = JoinSet::new();
        for _ in 0..PUBLISHERS {
            let (replica, room) = (fixture.replica().await, room.clone());
            tries.spawn(async move {
                let key = user_key("ada", &format!("k{key}"));
                replica.publish(Publish { key, ..message(&room, "ada", "hi") }).await
            });
        }
        let answers = tries.join_all().await;
        let appended = answers.iter().filter(|answer| matches!(answer, Published::Appended { .. })).count();
        assert_eq!(appended, 1);
        for answer in answers {
            let (Published::Appended { pos, .. } | Published::Duplicate { pos, .. }) = answer else {
                panic!("refused");
            };
            assert_eq!(pos.seq, key + 1);
        }
    }
}

pub(crate) async fn a_page_is_of_one_moment_however_hard_others_publish(fixture: impl Fixture) {
    let room = a_room();
    let mut publishers = JoinSet::new();
    for publisher in 0..4 {
        let (replica, room) = (fixture.replica().await, room.clone());
        publishers.spawn(async move {
            let entry_bytes = Entry::cost_bytes_of(&Body::Message { data: text("secret") }, None) as u64;
            let retention = Retention { bytes: 50 * entry_bytes, ..KEEP_ALL };
            let name = format!("user{publisher}");
            for _ in 0..EACH {
                let target = replica.append(Publish { retention, ..message(&room, &name, "secret") }).await;
                // Others may have pushed it out already.
                replica.publish(Publish { retention, ..delete(&room, &name, &target) }).await;
            }
        });
    }
    let reader = fixture.replica().await;
    let mut since = Position::start();
    while !publishers.is_empty() {
        while publishers.try_join_next().is_some() {}
        for range in [Range::Newest, Range::After(since.clone())] {
            let page = reader.page(&room, range.clone(), ALL).await;
            let (head, entries) = (&page.head, &page.entries);
            assert!(entries.windows(2).all(|pair| pair[0].pos.tag == pair[1].prev));
            if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                assert_eq!(last.pos, head.pos, "the page reaches the head that it shows");
                assert!(!matches!(&range, Range::After(pos) if pos.seq >= first.pos.seq));
            }
            for entry in entries {
                let Body::Delete { target } = &entry.body else { continue };
                let target = entries.iter().find(|entry| entry.pos == *target);
                assert!(target.is_none_or(|target| target.body == Body::Message { data: None }));
            }
            since = head.pos.clone();
        }
        tokio::task::yield_now().await;
    }
}
