//! Whether a run was good, and if not, why: one sentence for each fault.

use serde::{Deserialize, Serialize};

use crate::report::Report;

/// The judgement.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) passed: bool,
    /// What makes the run fail.
    pub(crate) faults: Vec<String>,
    /// What does not, but puts the figures in doubt.
    pub(crate) doubts: Vec<String>,
}

impl Verdict {
    /// Judges a report by its promises and by the thresholds of its plan.
    pub(crate) fn of(report: &Report) -> Self {
        let mut verdict = Self::default();
        verdict.judge_promises(report);
        verdict.judge_connections(report);
        verdict.judge_thresholds(report);
        verdict.doubt(report);
        verdict.passed = verdict.faults.is_empty();
        verdict
    }

    fn fault_if(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.faults.push(format!("{count} {what}"));
        }
    }

    fn judge_promises(&mut self, report: &Report) {
        let ledger = &report.ledger;
        let allowed = report.plan.pass.lost.unwrap_or(0);
        if ledger.lost > allowed {
            self.faults.push(format!("{} acknowledged deliveries were lost; {allowed} were allowed", ledger.lost));
        }
        if ledger.seen.holes > allowed {
            self.fault_if(ledger.seen.holes, "seqs were left out without a reset");
        }
        self.fault_if(ledger.seen.doubled, "entries came twice on one subscription");
        self.fault_if(ledger.seen.disordered, "entries came out of order");
        self.fault_if(ledger.seen.misplaced, "entries, resets or replays came where they cannot be");
        self.fault_if(ledger.contradicted, "entries differed from what others saw under the same seq");
        self.fault_if(ledger.appended_twice, "messages stand in the log twice, although they carried a key");
        self.fault_if(ledger.overtaken, "messages overtook an earlier one of their sender");
        self.fault_if(report.messages.unanswered, "messages were never answered");
        self.fault_if(report.breaches.values().sum(), "frames broke the protocol");
    }

    fn judge_connections(&mut self, report: &Report) {
        let connections = &report.connections;
        self.fault_if(connections.clients - connections.came, "clients were never let in");
        self.fault_if(
            connections.came.saturating_sub(connections.stayed),
            "clients were not in their rooms at the end",
        );
        // Somebody who was never answered is named above.
        if connections.stayed > 0 && !report.deliveries.settled && report.messages.unanswered == 0 {
            self.faults.push(format!("not everything had arrived {} ms after the end", report.deliveries.drain_ms));
        }
        if report.messages.due > 0 && report.messages.acknowledged == 0 {
            self.faults.push("no message was acknowledged".to_owned());
        }
    }

    fn judge_thresholds(&mut self, report: &Report) {
        let p99_ms = report.latencies.delivered.p99_ms;
        if let Some(max_ms) = report.plan.pass.delivered_p99_ms
            && p99_ms > max_ms
        {
            self.faults
                .push(format!("the 99th percentile of the delivery latency is {p99_ms:.1} ms; {max_ms} were allowed"));
        }
    }

    fn doubt(&mut self, report: &Report) {
        let (held_back, messages) = (&report.latencies.held_back, &report.messages);
        if held_back.p99_ms > 5.0 {
            self.doubts.push(format!(
                "1 % of the messages left {:.1} ms late or later: the load generator, or a gateway that stopped reading, \
                 could not keep up, and the latencies contain that",
                held_back.p99_ms
            ));
        }
        if messages.unsent > 0 {
            self.doubts.push(format!("{} messages were due and not sent before the time was over", messages.unsent));
        }
        if messages.refused > 0 {
            self.doubts.push(format!("{} messages were answered with an error and not tried again", messages.refused));
        }
        if report.ledger.forked {
            self.doubts.push("a room's log began anew; what was lost in it cannot be told".to_owned());
        }
        if report.interrupted {
            self.doubts.push("the run was interrupted".to_owned());
        }
    }
}
