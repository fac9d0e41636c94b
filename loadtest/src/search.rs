//! The highest rate that a scenario holds, by runs at one rate after another.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::report::Report;
use crate::run::{self, INTERRUPTS, RunError};
use crate::verdict::Verdict;

/// What the 99th percentile may be where the scenario does not say.
const P99_MS_MAX: f64 = 250.0;
/// How much of what was due must have been delivered while it was due.
const SHARE_MIN: f64 = 0.95;
/// The rate is doubled or halved until one rate holds and its double does not, and the gap then halved so often: what is
/// found is right to 3 %.
const HALVINGS: u32 = 5;
const DOUBLINGS_MAX: u32 = 16;
/// A rate that does not hold leaves much on its way, which is not waited for as long as in a run.
const DRAIN_MAX: Duration = Duration::from_secs(15);

/// One run at one rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) messages_per_second: f64,
    pub(crate) deliveries_per_second: f64,
    pub(crate) delivered_p99_ms: f64,
    /// How much of a processor the busiest thread of the load generator used.
    pub(crate) busiest_thread_share: f64,
    /// Messages that were answered with an error, entries that were passed over, and connections that ended.
    #[serde(default)]
    pub(crate) refused: u64,
    #[serde(default)]
    pub(crate) skipped: u64,
    #[serde(default)]
    pub(crate) closes: u64,
    pub(crate) held: bool,
}

/// Doubles the rate of the plan until it does not hold, or halves it until it does, and then closes in. The report is that
/// of the highest rate that held, or of the last run if none did.
pub(crate) fn find_highest(mut plan: Plan) -> Result<Report, RunError> {
    check(&plan)?;
    let pass = &mut plan.pass;
    pass.delivered_p99_ms.get_or_insert(P99_MS_MAX);
    // A gateway that refuses, passes over or sends away what is too much for it does not hold the rate.
    pass.skipped.get_or_insert(0);
    pass.closes.get_or_insert(0);
    plan.drain = plan.drain.min(DRAIN_MAX);
    let mut steps: Vec<Step> = Vec::new();
    let mut best: Option<Report> = None;
    search(plan.messages_per_second, |rate| -> Result<_, RunError> {
        let mut plan = plan.clone();
        plan.messages_per_second = rate;
        // Every run has rooms of its own.
        plan.room_prefix = format!("{}{}-", plan.room_prefix, steps.len());
        let report = run::run(plan)?;
        let held = has_held(&report);
        let goes_on = report.connections.came > 0 && report.messages.due > 0 && !is_interrupted();
        steps.push(Step {
            messages_per_second: rate,
            deliveries_per_second: report.deliveries.per_second,
            delivered_p99_ms: report.latencies.delivered.p99_ms,
            busiest_thread_share: report.generator.busiest_thread_share,
            refused: report.messages.refused,
            skipped: report.ledger.seen.skipped,
            closes: report.closes.values().sum(),
            held,
        });
        if held || !best.as_ref().is_some_and(has_held) {
            best = Some(report);
        }
        Ok(goes_on.then_some(held))
    })?;
    let mut report = match best {
        Some(report) => report,
        // There is always a first attempt.
        None => run::run(plan)?,
    };
    report.search = steps;
    if is_interrupted() {
        report.interrupted = true;
        report.verdict = Verdict::of(&report);
    }
    Ok(report)
}

/// There must be a rate that can be another one.
fn check(plan: &Plan) -> Result<(), RunError> {
    for (flag, is_set) in
        [("idle", plan.messages_per_second <= 0.0), ("missed", plan.missed > 0), ("listen", plan.listen)]
    {
        if is_set {
            return Err(RunError::NoRate(flag));
        }
    }
    Ok(())
}

/// Attempts one rate after the other. Each answers whether it held, or that there is to be no other.
fn search<E>(first: f64, mut attempt: impl FnMut(f64) -> Result<Option<bool>, E>) -> Result<(), E> {
    let (mut rate, mut low, mut high) = (first, None, None);
    for _ in 0..DOUBLINGS_MAX {
        match attempt(rate)? {
            Some(true) => low = Some(rate),
            Some(false) => high = Some(rate),
            None => return Ok(()),
        }
        rate = match (low, high) {
            (Some(low), None) => low * 2.0,
            (None, Some(high)) => high / 2.0,
            (Some(_), Some(_)) | (None, None) => break,
        };
    }
    let (Some(mut low), Some(mut high)) = (low, high) else {
        return Ok(());
    };
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        match attempt(middle)? {
            Some(true) => low = middle,
            Some(false) => high = middle,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Whether all was well, and what was due was delivered while it was due.
fn has_held(report: &Report) -> bool {
    let due_per_second = report.deliveries.due as f64 / report.plan.duration.as_secs_f64();
    report.verdict.passed && report.deliveries.per_second >= SHARE_MIN * due_per_second
}

fn is_interrupted() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;
    use crate::report::Measured;
    use crate::shared::Shared;

    /// The highest rate that held, and how many were attempted, of a server that holds up to `capacity`.
    fn find(first: f64, capacity: f64) -> (f64, u32) {
        let (mut highest, mut attempts) = (0.0_f64, 0);
        let found: Result<(), ()> = search(first, |rate| {
            attempts += 1;
            let held = rate <= capacity;
            if held {
                highest = highest.max(rate);
            }
            Ok(Some(held))
        });
        found.unwrap();
        (highest, attempts)
    }

    #[test]
    fn the_highest_rate_is_found_to_three_percent_from_below_and_from_above() {
        for (first, capacity) in [(20.0, 1_000.0), (20.0, 1_290.0), (1_500.0, 1_000.0), (1.0, 2.0), (1_000.0, 50.0)] {
            let (highest, attempts) = find(first, capacity);
            assert!(highest <= capacity && highest > capacity * 0.96, "{highest} of {capacity}");
            assert!(attempts < 15, "{attempts}");
        }
    }

    /// A run of ten clients in a room that were given so many deliveries a second of the 200 that were due.
    fn report(deliveries_per_second: f64) -> Report {
        let plan = Plan::new(RunArguments::parse_words("-n 10 --rate 20 -d 1s")).unwrap();
        let mut report = Report::new(&Shared::new(plan).unwrap(), Measured::default(), Vec::new());
        report.deliveries.per_second = deliveries_per_second;
        report.verdict = Verdict { passed: true, ..Verdict::default() };
        report
    }

    #[test]
    fn a_rate_holds_only_if_what_its_messages_make_is_delivered_and_not_what_became_of_some_of_them() {
        assert!(has_held(&report(199.0)));
        let mut half = report(100.0);
        // Half of them were refused, and made no deliveries.
        (half.messages.sent, half.deliveries.total) = (20, 100);
        assert!(!has_held(&half));
    }

    #[test]
    fn without_a_rate_there_is_nothing_to_search_for() {
        for (line, flag) in [
            ("--idle", "--idle"),
            ("reconnect-storm", "--missed"),
            ("--listen --run a", "--listen"),
            ("idle", "--idle"),
        ] {
            let plan = Plan::new(RunArguments::parse_words(line)).unwrap();
            let error = find_highest(plan).unwrap_err().to_string();
            assert!(error.contains(flag), "{line}: {error}");
        }
    }

    #[test]
    fn a_search_of_what_never_holds_comes_to_an_end() {
        let mut attempts = 0;
        let found: Result<(), ()> = search(1.0, |_| {
            attempts += 1;
            Ok(Some(false))
        });
        assert_eq!((found, attempts), (Ok(()), DOUBLINGS_MAX));
    }

    #[test]
    fn a_search_that_is_interrupted_attempts_nothing_more() {
        let mut attempts = 0;
        let found: Result<(), ()> = search(1.0, |_| {
            attempts += 1;
            Ok((attempts < 3).then_some(true))
        });
        assert_eq!((found, attempts), (Ok(()), 3));
    }
}
