use super::*;

#[test]
fn a_dead_master_is_replaced() {
    let sentinel = Sentinel::start();
    let master = sentinel.master();
    master.cli(&["SET", "a", "b"]).unwrap();
    master.cli(&["WAIT", "2", "1000"]).unwrap();
    master.kill();
    let next = sentinel.wait_for_another_master(master);
    assert_eq!(next.cli(&["GET", "a"]).unwrap(), "b");
    next.cli(&["SET", "a", "c"]).unwrap();
}

#[test]
fn a_master_makes_way_in_peace() {
    let sentinel = Sentinel::start();
    let (master, next) = (sentinel.master(), sentinel.fail_over());
    assert_ne!(master.port(), next.port());
}

#[test]
fn what_the_replicas_did_not_get_is_lost_with_the_master() {
    let sentinel = Sentinel::start();
    sentinel.cut_off_replicas();
    sentinel.master().cli(&["SET", "a", "b"]).unwrap();
    let next = sentinel.promote_the_cut_off();
    assert_eq!(next.cli(&["GET", "a"]).unwrap(), "");
}
