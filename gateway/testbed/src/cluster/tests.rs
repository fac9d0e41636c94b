use super::*;

/// The slot of the key `foo`.
const SLOT: u16 = 12_182;

#[test]
fn a_slot_moves_with_its_keys() {
    let cluster = Cluster::start(3, 0);
    assert_eq!(cluster.master_of_slot(SLOT), 2);
    cluster.node(2).cli(&["SET", "foo", "bar"]).unwrap();
    let migration = cluster.begin_migration(SLOT, 0);
    assert_eq!(cluster.node(2).cli(&["GET", "foo"]).unwrap(), "bar");
    assert!(migration.move_a_key() && !migration.move_a_key());
    assert!(cluster.node(2).cli(&["GET", "foo"]).unwrap_err().starts_with("ASK "));
    migration.finish();
    assert_eq!(cluster.node(0).cli(&["GET", "foo"]).unwrap(), "bar");
    assert!(cluster.node(1).cli(&["GET", "foo"]).unwrap_err().starts_with("MOVED "));
    assert_eq!(cluster.master_of_slot(SLOT), 0);
}

#[test]
fn a_replica_that_was_cut_off_takes_its_masters_place_without_the_last_writes() {
    let cluster = Cluster::start(3, 1);
    cluster.node(2).cli(&["SET", "foo", "old"]).unwrap();
    until("the replica to have it", || {
        let acknowledged = cluster.node(2).cli(&["WAIT", "1", "100"]).unwrap();
        (acknowledged == "1").then_some(())
    });
    cluster.cut_off_replicas(SLOT);
    cluster.node(2).cli(&["SET", "foo", "new"]).unwrap();
    let promoted = cluster.promote_the_cut_off(SLOT);
    assert_eq!(promoted, 5);
    assert_eq!(cluster.node(5).cli(&["GET", "foo"]).unwrap(), "old");
    // It comes back as a replica of the one that took its place.
    cluster.node(2).restart();
    cluster.wait_until_well();
    until("the old master to follow", || (cluster.node(2).info("role")? == "slave").then_some(()));
}

#[test]
fn a_replica_takes_its_masters_place_in_peace() {
    let cluster = Cluster::start(3, 1);
    assert_eq!(cluster.fail_over(0), 3);
    assert_eq!(cluster.master_of_slot(0), 3);
}
