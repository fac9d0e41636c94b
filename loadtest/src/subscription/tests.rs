use hubbub_shared::server_frame::{Joined, ResetReason, UnrecoveredReason};

use super::*;

fn pos(seq: u64) -> Arc<str> {
    format!("k3-{seq}-t").into()
}

fn head(seq: u64) -> Joined {
    Joined {
        id: None,
        room: "room".to_owned(),
        seq,
        pos: pos(seq).to_string(),
        recovered: None,
        reason: None,
        replayed: 0,
        members: None,
        read: 0,
        unread: 0,
    }
}

fn recovered(seq: u64, replayed: u64) -> Joined {
    Joined { recovered: Some(true), replayed, ..head(seq) }
}

/// In the room, with its head at `seq`.
fn joined_at(seq: u64) -> Subscription {
    let mut subscription = Subscription::new();
    assert_eq!(subscription.join(), None);
    subscription.joined(&head(seq));
    subscription
}

fn feed(subscription: &mut Subscription, seqs: &[u64]) -> Vec<Fit> {
    seqs.iter().map(|&seq| subscription.entry(seq, &pos(seq))).collect()
}

#[test]
fn entries_in_order_leave_nothing_to_say() {
    let mut subscription = joined_at(41);
    assert_eq!(feed(&mut subscription, &[42, 43, 44]), [Fit::Next; 3]);
    assert_eq!(subscription.seen(), Seen { deliveries: 3, ..Seen::default() });
    subscription.interrupt();
    assert_eq!(subscription.join(), Some(pos(44)));
}

#[test]
fn a_hole_is_found_and_measured() {
    let mut subscription = joined_at(0);
    assert_eq!(feed(&mut subscription, &[1, 4, 5]), [Fit::Next, Fit::AfterHole, Fit::Next]);
    assert_eq!(subscription.seen(), Seen { deliveries: 3, holes: 2, ..Seen::default() });
    assert_eq!(subscription.missing(), [2..=3]);
}

#[test]
fn a_double_is_found() {
    let mut subscription = joined_at(0);
    assert_eq!(feed(&mut subscription, &[1, 2, 2, 1, 3])[2..4], [Fit::Doubled; 2]);
    assert_eq!(subscription.seen(), Seen { deliveries: 5, doubled: 2, ..Seen::default() });
}

#[test]
fn a_swap_is_disorder_and_no_hole() {
    let mut subscription = joined_at(0);
    let fits = feed(&mut subscription, &[1, 3, 2, 4]);
    assert_eq!(fits, [Fit::Next, Fit::AfterHole, Fit::Disordered, Fit::Next]);
    assert_eq!(subscription.seen(), Seen { deliveries: 4, disordered: 1, ..Seen::default() });
}

#[test]
fn a_hole_that_is_filled_backwards_is_disorder_and_then_a_double() {
    let mut subscription = joined_at(0);
    feed(&mut subscription, &[5, 4, 2, 3, 1, 3]);
    assert_eq!(subscription.seen(), Seen { deliveries: 6, disordered: 4, doubled: 1, ..Seen::default() });
}

#[test]
fn a_reset_says_where_it_goes_on_and_makes_no_hole() {
    let mut subscription = joined_at(0);
    feed(&mut subscription, &[1, 2]);
    subscription.reset(10, &pos(10), ResetReason::Lag);
    assert_eq!(feed(&mut subscription, &[11]), [Fit::Next]);
    assert_eq!(subscription.seen(), Seen { deliveries: 3, skipped: 8, resets_lag: 1, ..Seen::default() });
}

#[test]
fn a_reset_to_a_log_that_began_anew_is_followed() {
    let mut subscription = joined_at(100);
    subscription.reset(3, "k4-3-t", ResetReason::Reset);
    assert_eq!(subscription.entry(4, &"k4-4-t".into()), Fit::Next);
    assert_eq!(subscription.seen(), Seen { deliveries: 1, resets_reset: 1, ..Seen::default() });
}

#[test]
fn the_position_moves_to_the_head_when_the_replay_is_handled() {
    let mut subscription = joined_at(41);
    subscription.interrupt();
    subscription.join();
    subscription.joined(&recovered(44, 3));
    feed(&mut subscription, &[42, 43]);
    assert!(subscription.is_replaying());
    feed(&mut subscription, &[44]);
    assert!(!subscription.is_replaying());
    feed(&mut subscription, &[45]);
    assert_eq!(subscription.seen(), Seen { deliveries: 4, replayed: 3, recovered: 1, ..Seen::default() });
}

#[test]
fn a_replay_that_breaks_off_goes_on_where_it_was() {
    let mut subscription = joined_at(41);
    subscription.interrupt();
    subscription.join();
    subscription.joined(&recovered(44, 3));
    feed(&mut subscription, &[42]);
    subscription.interrupt();
    assert_eq!(subscription.join(), Some(pos(42)));
    subscription.joined(&recovered(44, 2));
    assert_eq!(feed(&mut subscription, &[43, 44, 45]), [Fit::Next; 3]);
    assert_eq!(subscription.seen().misplaced, 0);
}

#[test]
fn a_reset_in_a_replay_ends_it() {
    let mut subscription = joined_at(41);
    subscription.interrupt();
    subscription.join();
    subscription.joined(&recovered(44, 3));
    feed(&mut subscription, &[42]);
    subscription.reset(50, &pos(50), ResetReason::Trimmed);
    assert!(!subscription.is_replaying());
    assert_eq!(feed(&mut subscription, &[51]), [Fit::Next]);
}

#[test]
fn a_recovery_that_leaves_something_out_is_a_hole() {
    let mut subscription = joined_at(41);
    subscription.interrupt();
    subscription.join();
    subscription.joined(&recovered(44, 0));
    assert_eq!(subscription.seen(), Seen { holes: 3, misplaced: 1, recovered: 1, ..Seen::default() });
}

#[test]
fn an_unrecovered_resume_says_so_and_makes_no_hole() {
    let mut subscription = joined_at(41);
    subscription.interrupt();
    subscription.join();
    subscription.joined(&Joined {
        recovered: Some(false),
        reason: Some(UnrecoveredReason::Trimmed),
        replayed: 2,
        ..head(60)
    });
    assert_eq!(feed(&mut subscription, &[59, 60, 61]), [Fit::Next; 3]);
    let seen = Seen { deliveries: 3, replayed: 2, skipped: 17, unrecovered_trimmed: 1, ..Seen::default() };
    assert_eq!(subscription.seen(), seen);
}

#[test]
fn a_sent_in_its_entry_s_place_moves_the_position() {
    let mut subscription = joined_at(0);
    let turn = subscription.turn().unwrap();
    assert_eq!(subscription.sent_in_place(turn, 1, &pos(1)), Some(Fit::Next));
    assert_eq!(feed(&mut subscription, &[2]), [Fit::Next]);
    assert_eq!(subscription.sent_in_place(turn, 4, &pos(4)), Some(Fit::AfterHole));
    assert_eq!(subscription.seen().holes, 1);
}

#[test]
fn an_entry_after_the_sent_in_its_place_is_a_double() {
    let mut subscription = joined_at(0);
    subscription.sent_in_place(1, 1, &pos(1));
    assert_eq!(feed(&mut subscription, &[1]), [Fit::Doubled]);
}

#[test]
fn a_sent_behind_its_entry_or_of_another_subscription_moves_nothing() {
    let mut subscription = joined_at(0);
    feed(&mut subscription, &[1]);
    assert_eq!(subscription.sent_in_place(1, 1, &pos(1)), None);
    subscription.leave();
    assert_eq!(subscription.turn(), None, "a request behind a leave finds the room not joined");
    subscription.interrupt();
    subscription.join();
    subscription.joined(&recovered(1, 0));
    assert_eq!(subscription.sent_in_place(1, 2, &pos(2)), None);
    assert_eq!(subscription.seq(), 1);
}

#[test]
fn what_comes_outside_a_subscription_is_misplaced() {
    let mut subscription = Subscription::new();
    assert_eq!(subscription.entry(1, &pos(1)), Fit::Outside);
    subscription.join();
    assert_eq!(subscription.entry(1, &pos(1)), Fit::Outside, "nothing of the room comes before its joined");
    subscription.joined(&head(1));
    subscription.leave();
    assert_eq!(subscription.entry(2, &pos(2)), Fit::Next, "until left, entries may come");
    subscription.interrupt();
    assert_eq!(subscription.entry(3, &pos(3)), Fit::Outside);
    subscription.reset(9, &pos(9), ResetReason::Lag);
    subscription.joined(&head(9));
    assert_eq!(subscription.seen(), Seen { deliveries: 1, misplaced: 5, ..Seen::default() });
}

#[test]
fn what_ended_for_good_stays_ended() {
    let mut subscription = joined_at(0);
    subscription.end();
    subscription.interrupt();
    assert_eq!(subscription.state(), State::Ended);
    assert!(!subscription.is_owed_the_rest());
}
