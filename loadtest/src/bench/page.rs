//! The results as a part of `docs/performance.md`, with a picture for each comparison.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use thiserror::Error;

use super::part::{Bar, Figure, Part};
use super::results::{Measured, Results, median};
use crate::limit::Limit;
use crate::machine::Machine;
use crate::plot::{self, Bars, short};

/// What the results stand between.
const BEGIN: &str = "<!-- bench-peers: begin; written by `make bench-peers` -->";
const END: &str = "<!-- bench-peers: end -->";

/// With these words each section says by which command it was made, and so of which part it is.
const COMMAND: &str = "`make bench-peers ARGS='--parts ";

/// A generator that uses as much of its processor may be what holds the server back.
const BUSY: f64 = 0.9;

/// Why the page cannot take the results.
#[derive(Debug, Error)]
pub(crate) enum PageError {
    #[error("the page could not be written: {0}")]
    Io(#[from] io::Error),
    #[error("{} has no lines `{BEGIN}` and `{END}` for the results to stand between", .0.display())]
    NoMarks(PathBuf),
    #[error(
        "{} shows results that the file beside it does not hold, so they would be lost: {}; bring that file back, or \
         begin with an empty page by --anew",
        page.display(),
        parts.join(", ")
    )]
    WouldLose { page: PathBuf, parts: Vec<String> },
}

/// Whether the page can take the results, and loses nothing by it.
pub(crate) fn check(results: &Results, page: &Path) -> Result<(), PageError> {
    let text = std::fs::read_to_string(page)?;
    let (_, shown, _) = divide(&text).ok_or_else(|| PageError::NoMarks(page.to_owned()))?;
    let known: BTreeSet<String> = results.parts.iter().map(|measured| measured.part.name()).collect();
    let shown = shown.split(COMMAND).skip(1).filter_map(|rest| rest.split([' ', '\'']).next());
    let parts: Vec<String> = shown.filter(|part| !known.contains(*part)).map(str::to_owned).collect();
    if parts.is_empty() { Ok(()) } else { Err(PageError::WouldLose { page: page.to_owned(), parts }) }
}

/// Writes the results into the page, and the pictures into `images` beside it. This machine is the one that the sections
/// are held against.
pub(crate) fn write(results: &Results, here: &Machine, page: &Path) -> Result<(), PageError> {
    let text = std::fs::read_to_string(page)?;
    let (before, _, after) = divide(&text).ok_or_else(|| PageError::NoMarks(page.to_owned()))?;
    let images = page.with_file_name("images");
    std::fs::create_dir_all(&images)?;
    for measured in &results.parts {
        if let Some(svg) = picture(measured)? {
            std::fs::write(images.join(format!("bench-{}.svg", measured.part.name())), svg)?;
        }
    }
    Ok(std::fs::write(page, format!("{before}{BEGIN}\n\n{}\n{END}{after}", markdown(results, here)))?)
}

/// What stands before the results, they, and what stands after them.
fn divide(page: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (results, after) = rest.split_once(END)?;
    Some((before, results, after))
}

/// A picture of what the part is about first, where several servers were measured.
fn picture(measured: &Measured) -> io::Result<Option<String>> {
    let figure = measured.part.figures()[0];
    let (name, unit) = figure.name();
    let bars = measured.part.setups().iter().filter_map(|&setup| {
        let values = measured.values(setup, figure);
        let ends = (values.len() > 1)
            .then(|| values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value))));
        Some(plot::Bar { name: setup.to_string(), value: median(&values)?, ends })
    });
    let bars: Vec<plot::Bar> = bars.collect();
    if bars.len() < 2 {
        return Ok(None);
    }
    let svg = Bars { unit, bars }.draw().map_err(io::Error::other)?;
    Ok(Some(plot::standalone(&svg, &format!("{}: {name}", measured.part.title()))))
}

fn markdown(results: &Results, here: &Machine) -> String {
    let bars = Part::value_variants().iter().flat_map(|&part| {
        let measured = results.parts.iter().find(|measured| measured.part == part);
        part.bars().into_iter().map(move |bar| judgement(part, measured, &bar))
    });
    let summary = ["| asked for | found | |".to_owned(), "|---|---:|---|".to_owned()].into_iter().chain(bars);
    summary.chain(results.parts.iter().flat_map(|measured| section(measured, here))).collect::<Vec<_>>().join("\n")
        + "\n"
}

/// A row of the summary: what is asked, what was found, and whether that is enough.
fn judgement(part: Part, measured: Option<&Measured>, bar: &Bar) -> String {
    let (name, unit) = bar.figure.name();
    let what = match bar.against {
        Some(against) => format!("{name}, {} by {against}", bar.setup.contender),
        None => format!("{name}, {}", bar.setup),
    };
    let unit = if bar.against.is_none() && !unit.is_empty() { format!(" {unit}") } else { String::new() };
    let limit = match bar.limit {
        Limit::AtMost(limit) => format!("≤ {limit}"),
        Limit::AtLeast(limit) => format!("≥ {limit}"),
    };
    let found = measured.and_then(|measured| measured.at_bar(bar));
    let failed = measured.map(|measured| measured.failed(bar)).unwrap_or_default();
    let verdict = match (failed.first(), found) {
        (Some(setup), _) => format!("✗ does not count: a run of {setup} failed"),
        (None, Some(value)) if bar.limit.is_met(value) => "✓".to_owned(),
        (None, Some(_)) => "✗".to_owned(),
        (None, None) => "not measured".to_owned(),
    };
    let found = found.map_or_else(|| "–".to_owned(), |value| short(value) + &unit);
    format!("| {}: {what} {limit}{unit} | {found} | {verdict} |", part.name().replace('-', " "))
}

/// The lines of one part: its table, its picture, and how it was measured.
fn section(measured: &Measured, here: &Machine) -> Vec<String> {
    let part = measured.part;
    let names = part.figures().iter().map(|figure| match figure.name() {
        (name, "") => name.to_owned(),
        (name, unit) => format!("{name}, {unit}"),
    });
    let row = |name: &str, cells: Vec<String>| format!("| {name} | {} |", cells.join(" | "));
    let mut lines = vec![String::new(), format!("### {}", part.title()), String::new()];
    lines.push(row("", names.collect()));
    lines.push(row("---", vec!["---:".to_owned(); part.figures().len()]));
    lines.extend(part.setups().iter().map(|&setup| {
        let cells = part.figures().iter().map(|&figure| cell(&measured.values(setup, figure)));
        row(&setup.to_string(), cells.collect())
    }));
    if part.setups().len() > 1 {
        lines.extend([String::new(), format!("![{}](images/bench-{}.svg)", part.title(), part.name())]);
    }
    lines.extend([String::new(), how(measured), faults(measured)]);
    lines.extend(limits(measured));
    if measured.place.machine.processor != here.processor {
        lines.push(format!(
            "Measured on another processor than this page was last written on ({}): what is not a ratio does not compare \
             with what was measured there.",
            here.processor
        ));
    }
    lines
}

/// When, where and by which command it was measured.
fn how(measured: &Measured) -> String {
    let place = &measured.place;
    let machine = &place.machine;
    let flags = match &*measured.flags {
        [] => String::new(),
        flags => format!(" -- {}", flags.join(" ")),
    };
    format!(
        "{COMMAND}{} --rounds {}{flags}'`, on {}, at {}: {} × {}, {} GiB, Linux {}, Redis {}, Node.js {}.",
        measured.part.name(),
        measured.rounds.len(),
        place.date,
        place.commit,
        machine.processors,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        place.redis,
        place.node,
    )
}

/// The middle one of the rounds, and where they differ the lowest and the highest.
fn cell(values: &[f64]) -> String {
    let Some(middle) = median(values) else { return "–".to_owned() };
    let ends = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
    let (low, high) = (short(ends.0), short(ends.1));
    if low == high { short(middle) } else { format!("{} <sub>{low}–{high}</sub>", short(middle)) }
}

/// Where a rate may be the generator's limit and not the server's.
fn limits(measured: &Measured) -> Option<String> {
    let shares = measured.part.setups().iter().filter_map(|&setup| {
        let share = median(&measured.values(setup, Figure::GeneratorShare))?;
        (share >= BUSY).then(|| format!("{:.0} % with {setup}", share * 100.0))
    });
    let shares: Vec<String> = shares.collect();
    (!shares.is_empty()).then(|| {
        format!(
            "The generator used nearly all of its processor ({}): that rate may be the generator's limit, and the server's \
             higher.",
            shares.join(", ")
        )
    })
}

/// What the ledgers and thresholds had against runs.
fn faults(measured: &Measured) -> String {
    let runs = measured.rounds.iter().flatten();
    let faults: BTreeSet<String> =
        runs.flat_map(|(setup, outcome)| outcome.faults.iter().map(move |fault| format!("{setup}: {fault}"))).collect();
    if faults.is_empty() {
        return "Every run's ledger was clean.".to_owned();
    }
    format!("Runs that failed: {}.", faults.into_iter().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests;
