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
    let first = plan.messages_per_second;
    let mut steps = Vec::new();
    let mut best: Option<Report> = None;
    let mut attempt = |rate: f64| -> Result<bool, RunError> {
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
        Ok(held)
    };
    let (mut low, mut high) = (0.0, first);
    for _ in 0..DOUBLINGS_MAX {
        if is_interrupted() || !attempt(high)? {
            break;
        }
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..HALVINGS {
        if is_interrupted() {
            break;
        }
        let middle = f64::midpoint(low, high);
        if attempt(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut report = match best {
        Some(report) => report,
        // Interrupted before the first run.
        None => run::run(plan)?,
    };
    report.search = steps;
    Ok(report)
}

fn has_held(report: &Report) -> bool {
    let deliveries_per_message = report.deliveries.total as f64 / report.messages.sent.max(1) as f64;
    let due_per_second = report.plan.messages_per_second * deliveries_per_message;
    report.verdict.passed && report.messages.unsent == 0 && report.deliveries.per_second >= SHARE_MIN * due_per_second
}

fn is_interrupted() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > 0
}
