//! What came out of a run, for programs. Every field stays what it is; new ones may join them, and reports of before are read
//! all the same.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::gathered::{Gathered, PresenceReport};
use crate::latency::LatencyReport;
use crate::ledger::RoomResult;
use crate::machine::Machine;
use crate::phase::Phase;
use crate::plan::Plan;
use crate::search::Step;
use crate::servers::{Look, Per, Used, used};
use crate::shared::Shared;
use crate::verdict::Verdict;
use crate::worker::{Mark, Marks, Outcome};

/// Runs with more messages do not list what became of each.
const BROADCASTS_MAX: usize = 100;

/// What the run itself measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Until everybody was in their rooms, or the time for it was over.
    pub(crate) connect: Duration,
    pub(crate) sending: Duration,
    /// Whether all was answered and delivered.
    pub(crate) settled: bool,
    /// How the servers stood: before the first connection, when everybody was in their rooms, when the first message was
    /// due, and when all was answered and delivered.
    pub(crate) at_first: Vec<Look>,
    pub(crate) connected: Vec<Look>,
    pub(crate) at_start: Vec<Look>,
    pub(crate) at_end: Vec<Look>,
    /// What this program itself takes when everybody is connected.
    pub(crate) resident_bytes: u64,
    pub(crate) phases: Vec<PhaseTime>,
    pub(crate) interrupted: bool,
}

/// How long a phase took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PhaseTime {
    pub(crate) phase: Phase,
    pub(crate) ms: u64,
}

/// The report of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    #[serde(default)]
    pub(crate) made: Made,
    pub(crate) plan: Plan,
    #[serde(default)]
    pub(crate) interrupted: bool,
    /// In the order in which they came.
    #[serde(default)]
    pub(crate) phases: Vec<PhaseTime>,
    #[serde(default)]
    pub(crate) connections: Connections,
    #[serde(default)]
    pub(crate) messages: Messages,
    #[serde(default)]
    pub(crate) deliveries: Deliveries,
    #[serde(default)]
    pub(crate) latencies: LatencyReport,
    /// What the processes of `--pid` used.
    #[serde(default)]
    pub(crate) servers: Used,
    /// What this program itself used.
    #[serde(default)]
    pub(crate) generator: Generator,
    /// How those came back who were cut.
    pub(crate) returns: Option<Returns>,
    pub(crate) presence: Option<PresenceReport>,
    /// When each message was delivered, where there are few.
    #[serde(default)]
    pub(crate) broadcasts: Vec<Broadcast>,
    /// All records of the stages that were reached, as `HdrHistogram` V2 in base64, so that those of several processes or
    /// rounds can be added.
    #[serde(default)]
    pub(crate) histograms: BTreeMap<String, String>,
    /// All rooms together.
    #[serde(default)]
    pub(crate) ledger: RoomResult,
    #[serde(default)]
    pub(crate) rooms: Vec<NamedRoom>,
    /// `error` frames by code.
    #[serde(default)]
    pub(crate) errors: BTreeMap<String, u64>,
    /// Ends of connections by code.
    #[serde(default)]
    pub(crate) closes: BTreeMap<String, u64>,
    /// Connections that could not be opened, by reason.
    #[serde(default)]
    pub(crate) failures: BTreeMap<String, u64>,
    /// What the gateway said of itself.
    #[serde(default)]
    pub(crate) notices: BTreeMap<String, u64>,
    /// Frames that the protocol does not allow where they came.
    #[serde(default)]
    pub(crate) breaches: BTreeMap<String, u64>,
    /// The steps of a search for the highest rate; the rest of the report is of the last one that held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) search: Vec<Step>,
    pub(crate) verdict: Verdict,
}

/// When, by what and on what the report was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Made {
    /// In UTC, when the run had ended.
    pub(crate) at: String,
    /// The version of this program.
    pub(crate) version: String,
    pub(crate) machine: Machine,
}

impl Made {
    fn now() -> Self {
        Self {
            at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: Machine::here(),
        }
    }
}

/// What became of the clients.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
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
    /// Clients that were let in and joined their rooms, for each second of that.
    pub(crate) handshakes_per_second: f64,
}

/// What became of the messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
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
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Deliveries {
    /// All entries that came to anybody, replayed ones included.
    pub(crate) total: u64,
    /// What there is to come if every message reaches every member of its room.
    #[serde(default)]
    pub(crate) due: u64,
    /// Those among them whose latency was not taken: what makes up for an absence that the scenario wanted, what came to slow
    /// readers, and what is not of this run.
    #[serde(default)]
    pub(crate) untimed: u64,
    /// Per second, while messages were sent.
    pub(crate) per_second: f64,
    /// From the end of the sending until the last entry came; 0 if that was before.
    pub(crate) drain_ms: u64,
    /// Whether everything was answered and delivered in time.
    pub(crate) settled: bool,
}

/// What this program used, which is the proof that it was not what held the server back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Generator {
    pub(crate) threads: u64,
    /// Until everybody was connected.
    pub(crate) connect_cpu_ms: u64,
    /// From the first message until everything was answered and delivered.
    pub(crate) cpu_ms: u64,
    pub(crate) cpu_us_per_delivery: Option<f64>,
    /// How much of a processor the busiest thread used while messages were sent; 1 is all of it.
    pub(crate) busiest_thread_share: f64,
    pub(crate) resident_bytes: u64,
}

/// How those came back who were cut.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Returns {
    /// How many were cut, each time.
    pub(crate) clients: u64,
    /// Messages that each of them missed.
    pub(crate) missed: u64,
    /// Until all were back in their rooms, with nothing missed.
    pub(crate) plain_ms: f64,
    /// Until all were back and had all that they missed.
    pub(crate) recovered_ms: f64,
    /// The second divided by the first, if all were back both times.
    pub(crate) ratio: Option<f64>,
}

/// When a message was due and delivered, in microseconds of Unix time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Broadcast {
    pub(crate) message: u64,
    pub(crate) due_unix_us: u64,
    pub(crate) first_unix_us: u64,
    pub(crate) last_unix_us: u64,
    pub(crate) deliveries: u64,
}

/// What became of one room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NamedRoom {
    pub(crate) room: String,
    #[serde(flatten)]
    pub(crate) result: RoomResult,
}

impl Report {
    pub(crate) fn new(shared: &Shared, measured: Measured, outcomes: Vec<Outcome>) -> Self {
        let Gathered { tallies, latencies, marks, rooms, spreads, delivered_at, presence } =
            Gathered::new(shared, outcomes);
        let plan = shared.plan.clone();
        let (histograms, latencies) = (latencies.histograms(), latencies.report());
        let mut ledger = RoomResult::default();
        for room in &rooms {
            ledger.add(room);
        }
        let due = if plan.listen { 0 } else { shared.schedule.count() };
        let between = |from: fn(&Marks) -> Mark, to: fn(&Marks) -> Mark| {
            marks.iter().map(|each| to(each).deliveries.saturating_sub(from(each).deliveries)).sum::<u64>()
        };
        let deliveries = between(|each| each.start, |each| each.settled);
        let per = Per { messages: tallies.sent, deliveries, connections: 0 };
        let connecting = Per { connections: tallies.came, ..Per::default() };
        let is_listed = spreads.len() <= BROADCASTS_MAX;
        let broadcasts = spreads.iter().enumerate().filter(|(_, spread)| is_listed && spread.deliveries > 0);
        let generator = generator(&marks, deliveries, &measured);
        let mut report = Self {
            made: Made::now(),
            histograms,
            interrupted: measured.interrupted,
            phases: measured.phases,
            connections: Connections {
                clients: plan.clients as u64,
                came: tallies.came,
                stayed: tallies.stayed,
                opened: tallies.welcomed,
                churned: tallies.churned,
                connect_ms: measured.connect.as_millis() as u64,
                handshakes_per_second: per_second(tallies.came, measured.connect),
            },
            messages: Messages {
                due,
                sent: tallies.sent,
                unsent: due.saturating_sub(tallies.sent),
                acknowledged: ledger.acknowledged,
                refused: tallies.refused,
                unanswered: tallies.unanswered,
                sent_again: tallies.sent_again,
                duplicates: tallies.duplicates,
            },
            deliveries: Deliveries {
                total: tallies.deliveries,
                due: shared.deliveries_due(),
                untimed: tallies.deliveries.saturating_sub(latencies.delivered.count),
                per_second: per_second(between(|each| each.start, |each| each.end), measured.sending),
                drain_ms: drained(shared, delivered_at).as_millis() as u64,
                settled: measured.settled,
            },
            servers: Used {
                connecting: used(&measured.at_first, &measured.connected, connecting),
                sending: used(&measured.at_start, &measured.at_end, per),
            },
            generator,
            returns: (plan.missed > 0).then(|| returns(&plan, &latencies)),
            presence,
            broadcasts: broadcasts
                .map(|(message, spread)| Broadcast {
                    message: message as u64,
                    due_unix_us: spread.due_us,
                    first_unix_us: spread.first_us,
                    last_unix_us: spread.last_us,
                    deliveries: spread.deliveries,
                })
                .collect(),
            ledger,
            rooms: (rooms.into_iter().enumerate())
                .map(|(number, result)| NamedRoom { room: plan.room(number), result })
                .collect(),
            errors: tallies.errors.into_counts(),
            closes: tallies.closes.into_counts(),
            failures: tallies.failures.into_counts(),
            notices: tallies.notices.into_counts(),
            breaches: tallies.breaches.into_counts(),
            search: Vec::new(),
            verdict: Verdict::default(),
            latencies,
            plan,
        };
        report.verdict = Verdict::of(&report);
        report
    }
}

fn drained(shared: &Shared, delivered_at: Option<Instant>) -> Duration {
    let ended = shared.ended.get().zip(delivered_at);
    ended.map_or(Duration::ZERO, |(ended, delivered_at)| delivered_at.saturating_duration_since(*ended))
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn generator(marks: &[Marks], deliveries: u64, measured: &Measured) -> Generator {
    let cpu = |from: Mark, to: Mark| to.cpu.saturating_sub(from.cpu);
    let sending: Duration = marks.iter().map(|each| cpu(each.start, each.settled)).sum();
    let busiest = marks.iter().map(|each| cpu(each.start, each.end)).max().unwrap_or_default();
    Generator {
        threads: marks.len() as u64,
        connect_cpu_ms: marks.iter().map(|each| each.connected.cpu.as_millis() as u64).sum(),
        cpu_ms: sending.as_millis() as u64,
        cpu_us_per_delivery: (deliveries > 0).then(|| sending.as_secs_f64() * 1e6 / deliveries as f64),
        busiest_thread_share: match measured.sending.as_secs_f64() {
            0.0 => 0.0,
            seconds => busiest.as_secs_f64() / seconds,
        },
        resident_bytes: measured.resident_bytes,
    }
}

fn returns(plan: &Plan, latencies: &LatencyReport) -> Returns {
    let clients = (plan.clients - plan.senders) as u64;
    let (plain, recovered) = (latencies.returned, latencies.recovered);
    let all_were_back = plain.count == clients && recovered.count == clients;
    Returns {
        clients,
        missed: plan.missed,
        plain_ms: plain.max_ms,
        recovered_ms: recovered.max_ms,
        ratio: (all_were_back && plain.max_ms > 0.0).then(|| recovered.max_ms / plain.max_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;

    #[test]
    fn the_last_delivery_is_as_late_as_it_came_and_not_as_late_as_it_was_looked_for() {
        let shared = Shared::new(Plan::new(RunArguments::parse_words("")).unwrap()).unwrap();
        let ended = Instant::now();
        assert_eq!(drained(&shared, Some(ended)), Duration::ZERO, "the sending has not ended");
        shared.ended.set(ended).unwrap();
        let later = Duration::from_micros(1_500);
        for (delivered_at, drain) in
            [(None, Duration::ZERO), (Some(shared.opened), Duration::ZERO), (Some(ended + later), later)]
        {
            assert_eq!(drained(&shared, delivered_at), drain);
        }
    }
}
