//! The highest rate that a scenario holds, by runs at one rate after another.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::report::Report;
use crate::run::{self, INTERRUPTS, RunError};

/// What the 99th percentile may be where the scenario does not say.
const P99_MS_MAX: f64 = 250.0;
/// How much of what was due must have been delivered while it was due.
const SHARE_MIN: f64 = 0.95;
/// The rate is doubled until it does not hold, and the gap then halved so often: what is found is right to 3 %.
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
    pub(crate) held: bool,
}

/// Doubles the rate of the plan until it does not hold, and then closes in. The report is that of the highest rate that
/// held, or of the last run if none did.
pub(crate) fn find_highest(plan: Plan) -> Result<Report, RunError> {
    let limit_ms = plan.pass.delivered_p99_ms.unwrap_or(P99_MS_MAX);
    let mut steps: Vec<Step> = Vec::new();
    let mut best: Option<Report> = None;
    search(plan.messages_per_second, |rate| -> Result<_, RunError> {
        let mut plan = plan.clone();
        plan.messages_per_second = rate;
        plan.drain = plan.drain.min(DRAIN_MAX);
        plan.pass.delivered_p99_ms = Some(limit_ms);
        // Every run has rooms of its own.
        plan.room_prefix = format!("{}{}-", plan.room_prefix, steps.len());
        let report = run::run(plan)?;
        let held = has_held(&report);
        steps.push(Step {
            messages_per_second: rate,
            deliveries_per_second: report.deliveries.per_second,
            delivered_p99_ms: report.latencies.delivered.p99_ms,
            busiest_thread_share: report.generator.busiest_thread_share,
            held,
        });
        if held || !best.as_ref().is_some_and(has_held) {
            best = Some(report);
        }
        Ok(if is_interrupted() { None } else { Some(held) })
    })?;
    let mut report = match best {
        Some(report) => report,
        // There is always a first attempt.
        None => run::run(plan)?,
    };
    report.search = steps;
    Ok(report)
}

/// Attempts one rate after the other. Each answers whether it held, or that there is to be no other.
fn search<E>(first: f64, mut attempt: impl FnMut(f64) -> Result<Option<bool>, E>) -> Result<(), E> {
    let (mut low, mut high) = (0.0, first);
    for _ in 0..DOUBLINGS_MAX {
        match attempt(high)? {
            Some(true) => (low, high) = (high, high * 2.0),
            Some(false) => break,
            None => return Ok(()),
        }
    }
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

fn has_held(report: &Report) -> bool {
    let deliveries_per_message = report.deliveries.total as f64 / report.messages.sent.max(1) as f64;
    let due_per_second = report.plan.messages_per_second * deliveries_per_message;
    report.verdict.passed && report.messages.unsent == 0 && report.deliveries.per_second >= SHARE_MIN * due_per_second
}

fn is_interrupted() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (first, capacity) in [(20.0, 1_000.0), (20.0, 1_290.0), (1_500.0, 1_000.0), (1.0, 2.0)] {
            let (highest, attempts) = find(first, capacity);
            assert!(highest <= capacity && highest > capacity * 0.96, "{highest} of {capacity}");
            assert!(attempts < 15, "{attempts}");
        }
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
