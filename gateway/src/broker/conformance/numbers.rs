//! Numbers, tags, epochs and counts.

use hubbub_shared::client_frame::ReactionOp;

use super::*;

pub(crate) async fn numbers_begin_at_one_and_rise_by_one_in_each_room(fixture: impl Fixture) {
    let replica = fixture.replica().await;
    let (red, blue) = (a_room(), a_room());
    for seq in 1..=5 {
        for room in [&red, &blue] {
            assert_eq!(replica.append(message(room, "ada", "hi")).await.seq, seq);
        }
    }
    assert_eq!(seqs(&replica.kept(&red).await), [1, 2, 3, 4, 5]);
}

pub(crate) async fn every_entry_carries_the_tag_of_its_predecessor(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let tags: Vec<_> = (0..4).map(|_| random::tag()).collect();
    for tag in &tags {
        let pos = replica.append(Publish { tag: tag.clone(), ..message(&room, "ada", "hi") }).await;
        assert_eq!(pos.tag, *tag);
    }
    let entries = replica.kept(&room).await;
    assert_eq!(&*entries[0].prev, "");
    for (tag, entry) in tags.iter().zip(&entries[1..]) {
        assert_eq!(entry.prev, *tag);
        assert_eq!(entry.before().tag, *tag);
    }
}

pub(crate) async fn the_first_publish_makes_the_epoch_and_later_ones_keep_it(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    assert_eq!(replica.head(&room).await.pos, Position::start());
    let positions = replica.append_messages(&room, 3).await;
    let first = message(&room, "ada", "hi");
    let epoch = positions[0].epoch.clone();
    assert_ne!(first.epoch, epoch);
    assert_eq!(replica.append(first).await.epoch, epoch);
    assert!(positions.iter().all(|pos| pos.epoch == epoch));
    assert_eq!(replica.head(&room).await.pos.epoch, epoch);

    let (other, epoch) = (a_room(), random::tag());
    let pos = replica.append(Publish { epoch: epoch.clone(), ..message(&other, "ada", "hi") }).await;
    assert_eq!(pos.epoch, epoch);
}

pub(crate) async fn messages_are_counted_and_other_entries_are_not(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let one = replica.append(message(&room, "ada", "one")).await;
    replica.append(edit(&room, "ada", &one, "uno")).await;
    replica.append(react(&room, "bob", &one, "👍", ReactionOp::Add)).await;
    replica.append(message(&room, "ada", "two")).await;
    replica.append(delete(&room, "ada", &one)).await;
    let counts: Vec<_> = replica.kept(&room).await.iter().map(|entry| entry.count).collect();
    assert_eq!(counts, [1, 1, 1, 2, 2]);
    let head = replica.head(&room).await;
    assert_eq!((head.pos.seq, head.count, head.first_seq), (5, 2, 1));
}

pub(crate) async fn what_was_appended_is_in_the_log_as_it_was_given(fixture: impl Fixture) {
    let (replica, room) = (fixture.replica().await, a_room());
    let target = replica.append(message(&room, "ada", "hi")).await;
    let bodies = [
        Body::Message { data: Some(Data::from_json("[1e999,\"\\u0000\",null]").unwrap()) },
        Body::Edit { target: target.clone(), data: text("ho") },
        Body::Reaction { target: target.clone(), emoji: Arc::from("👍"), op: ReactionOp::Add },
        Body::Reaction { target: target.clone(), emoji: Arc::from("👍"), op: ReactionOp::Remove },
        Body::Message { data: text("from nobody") },
        Body::Delete { target },
    ];
    for (index, body) in bodies.into_iter().enumerate() {
        let nobody = index == 4;
        let from = (!nobody).then(|| author("ada"));
        let asked = Publish {
            from: from.clone(),
            key: user_key("ada", &format!("k{index}")),
            ..publish(&room, "ada", body.clone())
        };
        fixture.pass_ms(7).await;
        let now_ms = fixture.now_ms();
        let Published::Appended { pos, time_ms } = replica.publish(asked).await else {
            panic!("{body:?} was not appended");
        };
        let entries = replica.kept(&room).await;
        let entry = &entries[index + 1];
        assert_eq!((&entry.pos, entry.time_ms), (&pos, time_ms));
        assert_eq!(time_ms, now_ms);
        assert_eq!((&entry.from, &entry.body), (&from, &body));
        assert_eq!(entry.key.as_deref(), Some(format!("k{index}").as_str()));
    }
}
