//! Whether a run was good, and if not, why: one sentence for each fault.

use serde::{Deserialize, Serialize};

use crate::limit::Limit;
use crate::report::Report;
use crate::servers::{Used, sum};

/// A thread that uses more of a processor may be too late for what came.
const BUSY: f64 = 0.9;

/// The judgement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
        verdict.judge_presence(report);
        verdict.judge_counts(report);
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
            self.faults.push(if report.plan.listen {
                format!(
                    "{} deliveries of what the other process was to send never came; {allowed} were allowed, and its own \
                     report says how much it had acknowledged",
                    ledger.lost
                )
            } else {
                format!("{} acknowledged deliveries were lost; {allowed} were allowed", ledger.lost)
            });
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
            self.faults.push("not everything had arrived when the time to wait for it was over".to_owned());
        }
        if report.messages.due > 0 && report.messages.acknowledged == 0 {
            self.faults.push("no message was acknowledged".to_owned());
        }
        self.fault_if(report.messages.unsent, "messages were due and not sent before the time was over");
        if report.interrupted {
            self.faults.push("the run was interrupted".to_owned());
        }
    }

    fn judge_presence(&mut self, report: &Report) {
        if let Some(presence) = &report.presence {
            self.fault_if(presence.missing, "members were there in the end and nobody was told");
            self.fault_if(presence.ghosts, "members were told to be there in the end and were not");
            self.fault_if(presence.miscounted, "rooms were told to have another number of members than they had");
        }
        if let Some(returns) = &report.returns {
            let (back, recovered) = (report.latencies.returned.count, report.latencies.recovered.count);
            self.fault_if(returns.clients - back, "clients that were cut did not come back");
            self.fault_if(returns.clients - recovered, "clients that were cut did not get back all they missed");
        }
    }

    /// What should not happen, as often as it may.
    fn judge_counts(&mut self, report: &Report) {
        let pass = &report.plan.pass;
        for (count, what, allowed) in [
            (report.messages.refused, "messages were answered with an error", Some(pass.refused.unwrap_or(0))),
            (report.ledger.seen.skipped, "entries were passed over by a reset", pass.skipped),
            (report.closes.values().sum(), "connections ended that the scenario did not end", pass.closes),
            (report.failures.values().sum(), "connections could not be opened at once", pass.failed_connections),
        ] {
            if let Some(allowed) = allowed.filter(|allowed| count > *allowed) {
                self.faults.push(format!("{count} {what}; {allowed} were allowed"));
            }
        }
    }

    fn judge_thresholds(&mut self, report: &Report) {
        let pass = &report.plan.pass;
        let Used { connecting, sending } = &report.servers;
        let delivered = &report.latencies.delivered;
        for (what, reached, limit) in [
            (
                "ms is the 99th percentile of the delivery latency",
                (delivered.count > 0).then_some(delivered.p99_ms),
                pass.delivered_p99_ms.map(Limit::AtMost),
            ),
            (
                "deliveries were made per second",
                Some(report.deliveries.per_second),
                pass.deliveries_per_second.map(Limit::AtLeast),
            ),
            (
                "clients were let in per second",
                Some(report.connections.handshakes_per_second),
                pass.handshakes_per_second.map(Limit::AtLeast),
            ),
            (
                "µs of processor time were taken per delivery",
                sum(sending, |figures| figures.cpu_us_per_delivery),
                pass.cpu_us_per_delivery.map(Limit::AtMost),
            ),
            (
                "system calls were made per delivery",
                sum(sending, |figures| figures.system_calls_per_delivery),
                pass.system_calls_per_delivery.map(Limit::AtMost),
            ),
            (
                "KiB of resident memory were taken per connection",
                sum(connecting, |figures| figures.resident_bytes_per_connection.map(|bytes| bytes / 1024.0)),
                pass.resident_kib_per_connection.map(Limit::AtMost),
            ),
            (
                "times as long was the return with missed messages",
                report.returns.as_ref().and_then(|returns| returns.ratio),
                pass.recovery_ratio.map(Limit::AtMost),
            ),
        ] {
            let Some(limit) = limit.filter(|limit| !reached.is_some_and(|reached| limit.is_met(reached))) else {
                continue;
            };
            let asked = match limit {
                Limit::AtMost(limit) => format!("{limit} were allowed"),
                Limit::AtLeast(limit) => format!("at least {limit} were asked for"),
            };
            self.faults.push(match reached {
                Some(reached) => format!("{reached:.2} {what}; {asked}"),
                None => format!("it could not be found how many {what}; {asked}"),
            });
        }
    }

    fn doubt(&mut self, report: &Report) {
        let held_back = &report.latencies.held_back;
        if held_back.p99_ms > 5.0 {
            self.doubts.push(format!(
                "1 % of the messages left {:.1} ms late or later: the load generator, or a gateway that stopped reading, \
                 could not keep up, and the latencies contain that",
                held_back.p99_ms
            ));
        }
        if report.generator.busiest_thread_share > BUSY {
            self.doubts.push(format!(
                "a thread of the load generator used {:.0} % of a processor: it may be what held the server back",
                report.generator.busiest_thread_share * 100.0
            ));
        }
        let closes: u64 = report.closes.values().sum();
        if closes > 0 {
            self.doubts.push(format!(
                "{closes} connections ended that the scenario did not end; what was due meanwhile is in the latencies from \
                 the moment it was due"
            ));
        }
        if report.ledger.seen.skipped > 0 {
            self.doubts.push(format!(
                "{} entries never came because the gateway passed over them, which it said with a reset",
                report.ledger.seen.skipped
            ));
        }
        if report.ledger.forked {
            self.doubts.push("a room's log began anew; what was lost in it cannot be told".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
