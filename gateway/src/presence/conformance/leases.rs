//! Replicas that die, and replicas that only seemed to.

use super::*;

pub(crate) async fn a_replica_that_renews_keeps_what_it_declared<F: Fixture>(fixture: F) {
    let (mut one, two, room) = (fixture.replica().await, fixture.replica().await, a_room());
    one.subscribe(&room).await;
    two.declare(&room, "ada", 1).await;
    for _ in 0..10 {
        pass_alive(&fixture, &[&one, &two], fixture.lease_ms()).await;
        assert_eq!(one.presence.sweep().await.unwrap(), 0);
    }
    assert_eq!(one.members(&room).await, [("ada".to_owned(), 1)]);
    assert_eq!(one.changes(&room).await, [came("ada", 1)]);
}

pub(crate) async fn a_lease_that_ran_out_is_swept_with_its_declarations_and_nobody_elses<F: Fixture>(fixture: F) {
    let (mut one, mut two) = (fixture.replica().await, fixture.replica().await);
    let (dead, room, other) = (fixture.replica().await, a_room(), a_room());
    for replica in [&one, &two] {
        replica.subscribe(&room).await;
        replica.subscribe(&other).await;
    }
    one.declare(&room, "ada", 1).await;
    two.declare(&room, "bob", 1).await;
    for name in ["ada", "eve"] {
        dead.declare(&room, name, 1).await;
    }
    dead.declare(&other, "mia", 2).await;
    dead.declare(&other, "eve", 1).await;
    dead.declare(&other, "eve", 0).await;
    drop(dead);
    pass_alive(&fixture, &[&one, &two], fixture.lease_ms()).await;
    assert_eq!(one.presence.sweep().await.unwrap(), 1);
    assert_eq!(one.presence.sweep().await.unwrap(), 0);
    assert_eq!(two.presence.sweep().await.unwrap(), 0);
    assert_eq!(one.members(&room).await, [("ada".to_owned(), 1), ("bob".to_owned(), 1)]);
    assert_eq!(one.members(&other).await, []);
    for replica in [&mut one, &mut two] {
        // One queue brings both rooms, so the end of the second is read after the end of the first.
        let heard = replica.listener.heard(&room).await;
        let told = |room| heard.iter().cloned().filter_map(|envelope| change_in(envelope, room)).collect::<Vec<_>>();
        assert_eq!(told(&room), [came("ada", 1), came("bob", 2), came("eve", 3), went("eve", 2)]);
        assert_eq!(told(&other), [came("mia", 1), came("eve", 2), went("eve", 1), went("mia", 0)]);
    }
}

pub(crate) async fn a_lease_stands_until_its_last_millisecond<F: Fixture>(fixture: F) {
    let (sweeper, other, room) = (fixture.replica().await, fixture.replica().await, a_room());
    other.declare(&room, "ada", 1).await;
    pass_alive(&fixture, &[&sweeper, &other], fixture.lease_ms()).await;
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms() - 1).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    assert_eq!(sweeper.members(&room).await, [("ada".to_owned(), 1)]);
    fixture.pass_ms(1).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.members(&room).await, []);
}

pub(crate) async fn a_swept_replica_cannot_declare_into_the_past<F: Fixture>(fixture: F) {
    let (mut sweeper, slow, room) = (fixture.replica().await, fixture.replica().await, a_room());
    sweeper.subscribe(&room).await;
    slow.declare(&room, "ada", 1).await;
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms()).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    // The replica does not know yet that it was swept.
    assert_eq!(slow.declare(&room, "ada", 1).await, 0);
    assert_eq!(slow.declare(&room, "bob", 1).await, 0);
    assert_eq!(sweeper.members(&room).await, []);
    assert!(slow.has_lost(&room).await);
    assert_eq!(slow.presence.renew().await, Renewal::default());
    assert_eq!(sweeper.members(&room).await, []);
    assert_eq!(sweeper.changes(&room).await, [came("ada", 1), went("ada", 0)]);
}

pub(crate) async fn a_swept_replica_declares_everything_again<F: Fixture>(fixture: F) {
    let (mut sweeper, slow, room) = (fixture.replica().await, fixture.replica().await, a_room());
    sweeper.subscribe(&room).await;
    slow.declare(&room, "ada", 2).await;
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms()).await;
    sweeper.presence.sweep().await.unwrap();
    assert!(slow.has_lost(&room).await);
    assert_eq!(slow.declare(&room, "ada", 2).await, 1);
    assert_eq!(sweeper.changes(&room).await, [came("ada", 1), went("ada", 0), came("ada", 1)]);
    // It has a whole lease again, and can be swept again.
    fixture.pass_ms(fixture.lease_ms() / 3).await;
    assert!(!sweeper.has_lost(&room).await);
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms()).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.members(&room).await, []);
    assert!(slow.has_lost(&room).await);
}

pub(crate) async fn who_was_out_of_touch_sweeps_nobody_for_one_whole_lease<F: Fixture>(fixture: F) {
    let (sweeper, other, room) = (fixture.replica().await, fixture.replica().await, a_room());
    pass_alive(&fixture, &[&sweeper, &other], fixture.lease_ms()).await;
    other.declare(&room, "ada", 1).await;
    // As if the whole machine had stood still: both leases have run out.
    fixture.pass_ms(3 * fixture.lease_ms()).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    assert!(!sweeper.has_lost(&room).await);
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms() - 1).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    fixture.pass_ms(1).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.members(&room).await, []);
}

pub(crate) async fn half_a_lease_without_touch_is_enough_not_to_sweep<F: Fixture>(fixture: F) {
    let (sweeper, other, room) = (fixture.replica().await, fixture.replica().await, a_room());
    other.declare(&room, "ada", 1).await;
    pass_alive(&fixture, &[&sweeper, &other], fixture.lease_ms()).await;
    // The store goes away just when the other one was to renew, and is back before the sweeper's lease has run out.
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms() / 3).await;
    fixture.pass_ms(fixture.lease_ms() * 2 / 3).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    assert!(!sweeper.has_lost(&room).await);
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    assert!(!other.has_lost(&room).await);
    assert_eq!(sweeper.members(&room).await, [("ada".to_owned(), 1)]);
}

pub(crate) async fn who_just_came_sweeps_nobody_for_one_whole_lease<F: Fixture>(fixture: F) {
    let (dead, room) = (fixture.replica().await, a_room());
    dead.declare(&room, "ada", 1).await;
    drop(dead);
    fixture.pass_ms(2 * fixture.lease_ms()).await;
    let sweeper = fixture.replica().await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    pass_alive(&fixture, &[&sweeper], fixture.lease_ms() - 1).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 0);
    fixture.pass_ms(1).await;
    assert_eq!(sweeper.presence.sweep().await.unwrap(), 1);
    assert_eq!(sweeper.members(&room).await, []);
}

pub(crate) async fn a_replica_that_resigns_is_gone_at_once<F: Fixture>(fixture: F) {
    let (mut one, two, room) = (fixture.replica().await, fixture.replica().await, a_room());
    one.subscribe(&room).await;
    one.declare(&room, "ada", 1).await;
    two.declare(&room, "ada", 1).await;
    two.declare(&room, "bob", 1).await;
    two.presence.resign().await.unwrap();
    two.presence.resign().await.unwrap();
    assert_eq!(two.declare(&room, "eve", 1).await, 1);
    assert_eq!(one.members(&room).await, [("ada".to_owned(), 1)]);
    assert_eq!(one.changes(&room).await, [came("ada", 1), came("bob", 2), went("bob", 1)]);
}

pub(crate) async fn what_has_resigned_is_not_swept<F: Fixture>(fixture: F) {
    let (one, two, room) = (fixture.replica().await, fixture.replica().await, a_room());
    two.declare(&room, "ada", 1).await;
    two.presence.resign().await.unwrap();
    pass_alive(&fixture, &[&one], fixture.lease_ms()).await;
    assert_eq!(one.presence.sweep().await.unwrap(), 0);
}
