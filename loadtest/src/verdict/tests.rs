use super::*;
use crate::command::RunArguments;
use crate::pass::Pass;
use crate::plan::Plan;
use crate::report::{Measured, Returns};
use crate::servers::{Figures, Usage};
use crate::shared::Shared;

/// A run in which everything went well, of ten clients and twenty messages.
fn report() -> Report {
    let plan = Plan::new(RunArguments::parse_words("-n 10 --rate 20 -d 1s")).unwrap();
    let shared = Shared::new(plan).unwrap();
    let mut report = Report::new(&shared, Measured { settled: true, ..Measured::default() }, Vec::new());
    let (connections, messages) = (&mut report.connections, &mut report.messages);
    (connections.came, connections.stayed) = (connections.clients, connections.clients);
    (messages.sent, messages.acknowledged, messages.unsent) = (messages.due, messages.due, 0);
    report
}

/// The faults of the run where it is changed like this.
fn faults(change: impl FnOnce(&mut Report)) -> Vec<String> {
    let mut report = report();
    change(&mut report);
    let verdict = Verdict::of(&report);
    assert_eq!(verdict.passed, verdict.faults.is_empty());
    verdict.faults
}

fn figures(of: impl FnOnce(&mut Figures)) -> Vec<Usage> {
    let mut figures = Figures {
        cpu_user_us: 0,
        cpu_system_us: 0,
        resident_bytes: 0,
        resident_peak_bytes: 0,
        resident_grown_bytes: 0,
        threads: 1,
        system_calls: None,
        cpu_us_per_message: None,
        cpu_us_per_delivery: None,
        cpu_us_per_connection: None,
        system_calls_per_message: None,
        system_calls_per_delivery: None,
        resident_bytes_per_connection: None,
    };
    of(&mut figures);
    vec![Usage { pid: 1, name: "gateway".to_owned(), figures: Some(figures) }]
}

#[test]
fn a_run_in_which_everything_went_well_passes() {
    assert_eq!(faults(|_| {}), [""; 0]);
}

#[test]
fn no_deliveries_and_no_handshakes_are_less_than_any_that_were_asked_for() {
    let asked = Pass { deliveries_per_second: Some(10.0), handshakes_per_second: Some(5.0), ..Pass::default() };
    for reached in [0.0, 4.0] {
        let found = faults(|report| {
            report.plan.pass = asked.clone();
            (report.deliveries.per_second, report.connections.handshakes_per_second) = (reached, reached);
        });
        assert_eq!(
            found,
            [
                format!("{reached:.2} deliveries were made per second; at least 10 were asked for"),
                format!("{reached:.2} clients were let in per second; at least 5 were asked for"),
            ]
        );
    }
    let found = faults(|report| {
        report.plan.pass = asked;
        (report.deliveries.per_second, report.connections.handshakes_per_second) = (10.0, 5.0);
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_percentile_of_nothing_is_not_low() {
    let found = faults(|report| report.plan.pass.delivered_p99_ms = Some(250.0));
    assert_eq!(
        found,
        ["it could not be found how many ms is the 99th percentile of the delivery latency; 250 were allowed"]
    );
}

#[test]
fn memory_that_shrank_is_less_than_what_was_allowed() {
    for (bytes, fails) in [(-4096.0, false), (0.0, false), (10_240.0, false), (10_241.0, true)] {
        let found = faults(|report| {
            report.plan.pass.resident_kib_per_connection = Some(10.0);
            report.servers.connecting = figures(|figures| figures.resident_bytes_per_connection = Some(bytes));
        });
        assert_eq!(!found.is_empty(), fails, "{bytes}: {found:?}");
    }
}

#[test]
fn a_return_that_took_too_long_or_that_was_not_complete_fails() {
    for (ratio, word) in [(Some(5.0), None), (Some(5.5), Some("5.50 times")), (None, Some("could not be found"))] {
        let found = faults(|report| {
            report.plan.pass.recovery_ratio = Some(5.0);
            report.returns = Some(Returns { clients: 0, missed: 1, plain_ms: 1.0, recovered_ms: 1.0, ratio });
        });
        assert_eq!(found.len(), usize::from(word.is_some()), "{found:?}");
        assert!(word.is_none_or(|word| found[0].contains(word)), "{found:?}");
    }
}

#[test]
fn a_message_that_was_refused_fails_the_run_unless_that_is_allowed() {
    assert_eq!(
        faults(|report| report.messages.refused = 3),
        ["3 messages were answered with an error; 0 were allowed"]
    );
    let found = faults(|report| {
        report.messages.refused = 3;
        report.plan.pass.refused = Some(3);
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_was_passed_over_and_who_was_sent_away_is_told_and_fails_where_less_was_allowed() {
    let happen = |report: &mut Report| {
        report.ledger.seen.skipped = 7;
        report.closes.insert("1006".to_owned(), 2);
    };
    assert_eq!(faults(happen), [""; 0]);
    let mut told = report();
    happen(&mut told);
    let doubts = Verdict::of(&told).doubts.join("\n");
    assert!(doubts.contains("7 entries") && doubts.contains("2 connections"), "{doubts}");
    let found = faults(|report| {
        happen(report);
        (report.plan.pass.skipped, report.plan.pass.closes) = (Some(6), Some(0));
    });
    assert_eq!(
        found,
        [
            "7 entries were passed over by a reset; 6 were allowed",
            "2 connections ended that the scenario did not end; 0 were allowed"
        ]
    );
}

#[test]
fn a_run_that_was_interrupted_or_did_not_send_everything_does_not_pass() {
    assert_eq!(faults(|report| report.interrupted = true), ["the run was interrupted"]);
    assert_eq!(
        faults(|report| report.messages.unsent = 1),
        ["1 messages were due and not sent before the time was over"]
    );
}
