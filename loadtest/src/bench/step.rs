//! One server, one measurement.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::contender::{Contender, Running, Setup, Site};
use super::part::{Figure, Part, Way};
use super::process::{StartError, command};
use super::{figures, metrics};
use crate::report::Report;

/// The processor of a server that runs alone, and that of the generator beside it. Replicas and their Redis share all.
const SERVER: usize = 0;
const GENERATOR: usize = 1;
/// Replicas find each other meanwhile.
const SETTLE: Duration = Duration::from_secs(5);

/// What one measurement found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) figures: BTreeMap<Figure, f64>,
    /// Why it does not count: what the ledger or a threshold had against it.
    pub(crate) faults: Vec<String>,
}

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the generator could not be run: {0}")]
    Generator(std::io::Error),
    #[error("the generator made no report: {0}")]
    NoReport(String),
    #[error("the search found no rate that holds")]
    NoRate,
}

/// Starts the servers anew, puts the load on them and lets go of them.
pub(crate) fn measure(part: Part, setup: Setup, site: &Site, flags: &[String]) -> Result<Outcome, StepError> {
    let mut flags = flags.to_vec();
    if part.way() == Way::Half {
        let highest = generate("find-highest", part, setup, site, &flags)?.0;
        if !highest.verdict.passed {
            return Err(StepError::NoRate);
        }
        flags.extend(["--rate".to_owned(), (highest.plan.messages_per_second / 2.0).to_string()]);
    }
    let verb = if part.way() == Way::Highest { "find-highest" } else { "run" };
    let (report, log_reads) = generate(verb, part, setup, site, &flags)?;
    let mut figures = figures::of(&report, setup.replicas.max(1));
    if let Some(reads) = log_reads {
        let replicas = setup.replicas.max(1) as f64;
        figures.insert(Figure::LogReadsPerRoomAndReplica, reads / replicas / report.plan.rooms as f64);
    }
    Ok(Outcome { figures, faults: report.verdict.faults })
}

/// Runs the generator against freshly started servers. With the report come the reads of logs, where they matter.
fn generate(
    verb: &str,
    part: Part,
    setup: Setup,
    site: &Site,
    flags: &[String],
) -> Result<(Report, Option<f64>), StepError> {
    let is_alone = setup.replicas == 0;
    let running = setup.start(site, is_alone.then_some(SERVER))?;
    if !is_alone {
        std::thread::sleep(SETTLE);
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let follows = part == Part::Storm && setup.contender == Contender::Hubbub;
        let log_reads =
            follows.then(|| scope.spawn(|| metrics::log_reads_from_first_message(&running.ports, &is_over)));
        let report = run(verb, part, setup, site, &running, flags);
        is_over.store(true, Ordering::Release);
        let log_reads = log_reads.and_then(|thread| thread.join().ok().flatten());
        Ok((report?, log_reads))
    })
}

fn run(
    verb: &str,
    part: Part,
    setup: Setup,
    site: &Site,
    running: &Running,
    flags: &[String],
) -> Result<Report, StepError> {
    let json = site.logs.join("report.json");
    let mut generator = command(&site.generator, (setup.replicas == 0).then_some(GENERATOR));
    generator.arg(verb).args(part.scenario()).args(flags);
    generator.args(["--language", setup.contender.language(), "--url", &running.urls(), "--pid", &running.pids()]);
    read_report(generator.arg("--json").arg(&json), &json)
}

/// Runs a generator and reads what it found.
pub(super) fn read_report(generator: &mut std::process::Command, json: &Path) -> Result<Report, StepError> {
    let output = generator.output().map_err(StepError::Generator)?;
    // 1 is a run that failed, which has a report all the same.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(StepError::NoReport(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = std::fs::read(json).map_err(StepError::Generator)?;
    serde_json::from_slice(&text).map_err(|error| StepError::NoReport(error.to_string()))
}
