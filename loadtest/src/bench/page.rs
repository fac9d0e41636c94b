//! The results as a part of `docs/performance.md`, with a picture for each comparison.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::part::{Bar, Limit};
use super::results::{Measured, Results, median};
use crate::plot::{self, Bars, short};

/// What the results stand between.
const BEGIN: &str = "<!-- bench-peers: begin; written by `make bench-peers` -->";
const END: &str = "<!-- bench-peers: end -->";

/// Writes the results into the page, and the pictures into `images` beside it.
pub(crate) fn write(results: &Results, page: &Path) -> io::Result<()> {
    let images = page.with_file_name("images");
    for measured in &results.parts {
        if let Some(svg) = picture(measured)? {
            std::fs::write(images.join(format!("bench-{}.svg", measured.part.name())), svg)?;
        }
    }
    let text = std::fs::read_to_string(page)?;
    let Some(text) = put_between(&text, &markdown(results)) else {
        return Err(io::Error::other(format!("{} has no lines `{BEGIN}` and `{END}`", page.display())));
    };
    std::fs::write(page, text)
}

/// The page with the results in place of those of before.
fn put_between(page: &str, results: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{results}\n{END}{after}"))
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

fn markdown(results: &Results) -> String {
    let bars = results
        .parts
        .iter()
        .flat_map(|measured| measured.part.bars().into_iter().map(move |bar| judgement(measured, &bar)));
    let summary = ["| asked for | found | |".to_owned(), "|---|---:|---|".to_owned()].into_iter().chain(bars);
    summary.chain(results.parts.iter().flat_map(section)).collect::<Vec<_>>().join("\n") + "\n"
}

/// A row of the summary: what is asked, what was found, and whether that is enough.
fn judgement(measured: &Measured, bar: &Bar) -> String {
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
    let found = measured.at_bar(bar);
    let verdict = match found {
        Some(_) if !measured.is_clean(bar.setup) => "✗ does not count: a run failed",
        Some(value) if bar.limit.is_met(value) => "✓",
        Some(_) => "✗",
        None => "not measured",
    };
    let found = found.map_or_else(|| "–".to_owned(), |value| short(value) + &unit);
    format!("| {}: {what} {limit}{unit} | {found} | {verdict} |", measured.part.name().replace('-', " "))
}

/// The lines of one part: its table, its picture, and how it was measured.
fn section(measured: &Measured) -> Vec<String> {
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
    lines
}

/// When, where and by which command it was measured.
fn how(measured: &Measured) -> String {
    let machine = &measured.machine;
    format!(
        "`make bench-peers ARGS='--parts {}'`, {} rounds, on {}, at {}: {} × {}, {} GiB, Linux {}, Redis {}, Node.js {}.",
        measured.part.name(),
        measured.rounds.len(),
        machine.date,
        machine.commit,
        machine.processors,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.redis,
        machine.node,
    )
}

/// The middle one of the rounds, and where they differ the lowest and the highest.
fn cell(values: &[f64]) -> String {
    let Some(middle) = median(values) else { return "–".to_owned() };
    let ends = values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
    let (low, high) = (short(ends.0), short(ends.1));
    if low == high { short(middle) } else { format!("{} <sub>{low}–{high}</sub>", short(middle)) }
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
mod tests {
    use std::collections::BTreeMap;

    use super::super::contender::{Contender, Setup};
    use super::super::part::{Figure, Part};
    use super::super::step::Outcome;
    use super::*;

    fn outcome(cpu: f64, faults: &[&str]) -> Outcome {
        Outcome {
            figures: BTreeMap::from([(Figure::CpuUsPerDelivery, cpu)]),
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
        }
    }

    fn results(faults: &[&str]) -> Results {
        let round = |floor: f64, hubbub: f64, sockudo: f64| {
            vec![
                (Setup::alone(Contender::Floor), outcome(floor, &[])),
                (Setup::alone(Contender::Hubbub), outcome(hubbub, faults)),
                (Setup::alone(Contender::Sockudo), outcome(sockudo, &["3 deliveries were lost"])),
            ]
        };
        let rounds = vec![round(5.0, 6.0, 12.0), round(5.0, 7.0, 10.0), round(6.0, 7.5, 14.0)];
        Results {
            parts: vec![Measured { part: Part::BigRoom, machine: super::super::machine::Machine::default(), rounds }],
        }
    }

    #[test]
    fn a_bar_is_held_against_the_middle_ratio_of_the_rounds() {
        let text = markdown(&results(&[]));
        assert!(text.contains("Hubbub by floor ≤ 1.3 | 1.25 | ✓ |"), "{text}");
        assert!(text.contains("Hubbub by sockudo ≤ 0.6 | 0.536 | ✓ |"), "{text}");
        assert!(text.contains("| Hubbub | 7 <sub>6–7.5</sub> | – |"), "{text}");
        assert!(text.contains("Runs that failed: sockudo: 3 deliveries were lost."), "{text}");
        assert!(text.contains("| Socket.IO | – | – |"), "what was not measured is not there: {text}");
    }

    #[test]
    fn a_run_of_ours_that_failed_does_not_count() {
        let text = markdown(&results(&["1 delivery was lost"]));
        assert!(text.contains("| 1.25 | ✗ does not count: a run failed |"), "{text}");
    }

    #[test]
    fn the_page_keeps_what_stands_around_the_results() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("performance.md");
        std::fs::create_dir(folder.path().join("images")).unwrap();
        std::fs::write(&page, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
        for _ in 0..2 {
            write(&results(&[]), &page).unwrap();
        }
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("before\n") && text.ends_with("\nafter\n") && !text.contains("old"), "{text}");
        assert_eq!(text.matches("### One room").count(), 1);
        let svg = std::fs::read_to_string(folder.path().join("images/bench-big-room.svg")).unwrap();
        assert!(svg.contains("Hubbub") && svg.contains("7 µs"), "{svg}");
        std::fs::write(&page, "nothing to put it between").unwrap();
        assert!(write(&results(&[]), &page).is_err());
    }
}
