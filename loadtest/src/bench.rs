//! Hubbub beside others, all measured by this generator in one run: in each round every server once, so that what the
//! machine does besides strikes all alike.

mod contender;
mod figures;
mod many;
mod memory;
mod metrics;
mod page;
mod part;
mod place;
mod process;
mod results;
mod step;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use thiserror::Error;

use self::contender::{Setup, Site};
pub(crate) use self::many::{ManyArguments, many};
use self::page::PageError;
use self::part::Part;
use self::place::Place;
use self::results::{Measured, Results};
use self::step::Outcome;
use crate::machine::Machine;

/// What is measured.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArguments {
    /// Which comparisons; all of them if not given
    #[arg(long, value_enum, value_name = "PARTS", value_delimiter = ',')]
    parts: Vec<Part>,
    /// How often each server is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only write the page anew, from what was measured before
    #[arg(long)]
    write_only: bool,
    /// Begin with an empty page, and forget what was measured before
    #[arg(long, conflicts_with = "write_only")]
    anew: bool,
    /// The folder of the repository
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// The folder of what was built
    #[arg(long, value_name = "FOLDER", default_value = "target")]
    target: PathBuf,
    /// Where the results are written to, between two marks, with pictures in the folder `images` and the figures in
    /// `bench-peers.json` beside it
    #[arg(long, value_name = "FILE", default_value = "docs/performance.md")]
    page: PathBuf,
    /// Flags for the generator that change every scenario, to try things out in the small
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Why there are no results.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the results of before could not be read from {0}: {1}")]
    Results(PathBuf, io::Error),
    #[error(transparent)]
    Page(#[from] PageError),
}

/// What is kept of all measurements, beside the page that is made of it.
const RESULTS: &str = "bench-peers.json";

/// Measures, keeps what was found, and writes the page after each part. A line says what is under way.
pub(crate) fn bench(arguments: &BenchArguments, out: &mut impl Write) -> Result<(), BenchError> {
    let site = Site::new(&arguments.root, &arguments.target)?;
    let file = arguments.page.with_file_name(RESULTS);
    let mut results = Results::default();
    if !arguments.anew {
        results = Results::load(&file).map_err(|error| BenchError::Results(file.clone(), error))?;
    }
    // Before hours of measuring, and not after them.
    match page::check(&results, &arguments.page) {
        Err(PageError::WouldLose { .. }) if arguments.anew => {}
        checked => checked?,
    }
    let here = Machine::here();
    if !arguments.write_only {
        let mut parts = arguments.parts.clone();
        if parts.is_empty() {
            parts.extend_from_slice(<Part as clap::ValueEnum>::value_variants());
        }
        let mut clock = Clock::new(&parts, arguments.rounds);
        for part in parts {
            let rounds = measure(part, arguments, &site, &mut clock, out)?;
            results.put(Measured { part, place: Place::here(&site.root), flags: arguments.flags.clone(), rounds });
            results.save(&file)?;
            page::write(&results, &here, &arguments.page)?;
        }
    }
    page::write(&results, &here, &arguments.page)?;
    Ok(())
}

/// All rounds of one part. A server that cannot be measured is told of and left out.
fn measure(
    part: Part,
    arguments: &BenchArguments,
    site: &Site,
    clock: &mut Clock,
    out: &mut impl Write,
) -> io::Result<Vec<Vec<(Setup, Outcome)>>> {
    let mut rounds = Vec::new();
    for round in 1..=arguments.rounds {
        let mut outcomes = Vec::new();
        for &setup in part.setups() {
            writeln!(out, "{} {}: {setup}, round {round} of {}", clock.left(), part.title(), arguments.rounds)?;
            let outcome = match step::measure(part, setup, site, &arguments.flags) {
                Ok(outcome) => outcome,
                Err(error) => Outcome { faults: vec![error.to_string()], ..Outcome::default() },
            };
            clock.passed(part);
            writeln!(out, "  {}", say(part, &outcome))?;
            outcomes.push((setup, outcome));
        }
        rounds.push(outcomes);
    }
    Ok(rounds)
}

/// What was found, in a line.
fn say(part: Part, outcome: &Outcome) -> String {
    let figures = part.figures().iter().filter_map(|figure| {
        let (name, unit) = figure.name();
        Some(format!("{name} {} {unit}", crate::plot::short(*outcome.figures.get(figure)?)).trim_end().to_owned())
    });
    let faults = outcome.faults.iter().map(|fault| format!("FAILED: {fault}"));
    figures.chain(faults).collect::<Vec<_>>().join("; ")
}

/// Guesses how much time is left, from how the first guesses turned out.
struct Clock {
    started: Instant,
    passed_s: u64,
    all_s: u64,
}

impl Clock {
    fn new(parts: &[Part], rounds: usize) -> Self {
        let each = parts.iter().map(|part| part.seconds() * part.setups().len() as u64 * rounds as u64);
        Self { started: Instant::now(), passed_s: 0, all_s: each.sum() }
    }

    fn passed(&mut self, part: Part) {
        self.passed_s += part.seconds();
    }

    fn left(&self) -> String {
        let guess = Duration::from_secs(self.all_s - self.passed_s);
        let left = match self.passed_s {
            0 => guess,
            passed => guess.mul_f64(self.started.elapsed().as_secs_f64() / passed as f64),
        };
        format!("[about {} min left]", left.as_secs().div_ceil(60))
    }
}
