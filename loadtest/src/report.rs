//! What came out of a run, for programs. Every field stays what it is; new ones may join them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::latency::Percentiles;
use crate::ledger::RoomResult;
use crate::plan::Plan;
use crate::player::Outcome;
use crate::run::Shared;
use crate::schedule::Schedule;
use crate::servers::Used;
use crate::verdict::Verdict;

/// What the run itself measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Until everybody was in their rooms, or the time for it was over.
    pub(crate) connect: Duration,
    pub(crate) sending: Duration,
    pub(crate) deliveries_while_sending: u64,
    /// From the end of the sending until all was answered and delivered, or the time for it was over.
    pub(crate) drained: Duration,
    /// Whether all was answered and delivered.
    pub(crate) settled: bool,
    pub(crate) servers: Used,
    pub(crate) interrupted: bool,
}

/// The report of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) plan: Plan,
    pub(crate) interrupted: bool,
    pub(crate) connections: Connections,
    pub(crate) messages: Messages,
    pub(crate) deliveries: Deliveries,
    pub(crate) latencies: LatencyReport,
    /// What the processes of `--pid` used.
    pub(crate) servers: Used,
    /// All rooms together.
    pub(crate) ledger: RoomResult,
    pub(crate) rooms: Vec<NamedRoom>,
    /// `error` frames by code.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Ends of connections by code.
    pub(crate) closes: BTreeMap<String, u64>,
    /// Connections that could not be opened, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// What the gateway said of itself.
    pub(crate) notices: BTreeMap<String, u64>,
    /// Frames that the protocol does not allow where they came.
    pub(crate) breaches: BTreeMap<String, u64>,
    pub(crate) verdict: Verdict,
}

/// What became of the clients.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Connections {
    pub(crate) clients: u64,
    /// Clients that were ever welcome.
    pub(crate) came: u64,
    /// Clients that were connected and in all of their rooms at the end.
    pub(crate) stayed: u64,
    /// Connections that were welcome, those of clients who came back included.
    pub(crate) opened: u64,
    /// Times that a churning client left and came back.
    pub(crate) churned: u64,
    /// Until everybody was in their rooms.
    pub(crate) connect_ms: u64,
}

/// What became of the messages.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Messages {
    /// Due within the duration.
    pub(crate) due: u64,
    /// Handed to a socket.
    pub(crate) sent: u64,
    /// Due, but not sent before the time was over.
    pub(crate) unsent: u64,
    pub(crate) acknowledged: u64,
    /// Answered with an error.
    pub(crate) refused: u64,
    /// Sent and never answered.
    pub(crate) unanswered: u64,
    /// Sent again with the same key, because the connection had ended first.
    pub(crate) sent_again: u64,
    /// Acknowledgements that named an earlier entry.
    pub(crate) duplicates: u64,
}

/// What arrived.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Deliveries {
    /// All entries that came to anybody, replayed ones included.
    pub(crate) total: u64,
    /// Per second, while messages were sent.
    pub(crate) per_second: f64,
    /// From the end of the sending until everything had arrived.
    pub(crate) drain_ms: u64,
    /// Whether everything was answered and delivered in time.
    pub(crate) settled: bool,
}

/// The percentiles of every stage.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LatencyReport {
    pub(crate) connected: Percentiles,
    pub(crate) joined: Percentiles,
    pub(crate) acknowledged: Percentiles,
    pub(crate) delivered: Percentiles,
    pub(crate) held_back: Percentiles,
}

/// What became of one room.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NamedRoom {
    pub(crate) room: String,
    #[serde(flatten)]
    pub(crate) result: RoomResult,
}

impl Report {
    pub(crate) fn new(shared: &Shared, measured: Measured, schedule: Schedule, outcomes: &[Outcome]) -> Self {
        let (tallies, latencies) = (&shared.tallies, &shared.latencies);
        let rooms: Vec<NamedRoom> = shared
            .rooms
            .iter()
            .map(|room| NamedRoom { room: room.name.clone(), result: room.ledger.lock().result() })
            .collect();
        let mut ledger = RoomResult::default();
        for room in &rooms {
            ledger.add(&room.result);
        }
        let count = |of: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| of(outcome)).count() as u64;
        let mut report = Self {
            interrupted: measured.interrupted,
            connections: Connections {
                clients: shared.plan.clients as u64,
                came: count(|outcome| outcome.came),
                stayed: count(|outcome| outcome.stayed),
                opened: tallies.welcomed.get(),
                churned: tallies.churned.get(),
                connect_ms: measured.connect.as_millis() as u64,
            },
            messages: Messages {
                due: schedule.count(),
                sent: tallies.sent.get(),
                unsent: schedule.count().saturating_sub(tallies.sent.get()),
                acknowledged: ledger.acknowledged,
                refused: tallies.refused.get(),
                unanswered: outcomes.iter().map(|outcome| outcome.unanswered).sum(),
                sent_again: tallies.sent_again.get(),
                duplicates: tallies.duplicates.get(),
            },
            deliveries: Deliveries {
                total: tallies.deliveries.get(),
                per_second: match measured.sending.as_secs_f64() {
                    0.0 => 0.0,
                    seconds => measured.deliveries_while_sending as f64 / seconds,
                },
                drain_ms: measured.drained.as_millis() as u64,
                settled: measured.settled,
            },
            latencies: LatencyReport {
                connected: latencies.connected.percentiles(),
                joined: latencies.joined.percentiles(),
                acknowledged: latencies.acknowledged.percentiles(),
                delivered: latencies.delivered.percentiles(),
                held_back: latencies.held_back.percentiles(),
            },
            servers: measured.servers,
            ledger,
            rooms,
            errors: tallies.errors.counts(),
            closes: tallies.closes.counts(),
            failures: tallies.failures.counts(),
            notices: tallies.notices.counts(),
            breaches: tallies.breaches.counts(),
            verdict: Verdict::default(),
            plan: shared.plan.clone(),
        };
        report.verdict = Verdict::of(&report);
        report
    }

    /// Writes the report as JSON.
    pub(crate) fn save(&self, path: &Path) -> std::io::Result<()> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        std::fs::write(path, json)
    }
}
