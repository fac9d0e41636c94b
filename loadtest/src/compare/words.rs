//! The comparison in the terminal.

use std::io::{Result, Write};

use anstyle::{AnsiColor, Style};

use super::{Comparison, Trend, rows};
use crate::plot::short;

const HEAD: Style = Style::new().bold();
const BETTER: Style = AnsiColor::Green.on_default();
const WORSE: Style = AnsiColor::Red.on_default();
const SAME: Style = Style::new().dimmed();
const DOUBT: Style = AnsiColor::Yellow.on_default();

/// Writes a table with a line for each figure.
pub(crate) fn write(comparison: &Comparison, names: [&str; 2], out: &mut impl Write) -> Result<()> {
    for difference in &comparison.differences {
        let [first, second] = &difference.values;
        writeln!(out, "{DOUBT}Not the same test:{DOUBT:#} {} is {first} here and {second} there.", difference.field)?;
    }
    let [first, second] = names;
    writeln!(out, "{HEAD}{:<32}{first:>22}{second:>22}{:>10}{HEAD:#}", "", "ratio")?;
    for row in rows(&comparison.reports) {
        let style = match row.trend() {
            Trend::Better => BETTER,
            Trend::Worse => WORSE,
            Trend::Same => SAME,
        };
        let [first, second] = row.values.map(|value| format!("{} {}", short(value), row.unit).trim_end().to_owned());
        let ratio = row.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        writeln!(out, "{:<32}{first:>22}{second:>22}{style}{ratio:>10}{style:#}", row.name)?;
    }
    for (name, report) in names.into_iter().zip(&comparison.reports) {
        if !report.verdict.passed {
            writeln!(out, "{WORSE}{name} failed{WORSE:#}: {}.", report.verdict.faults.join("; "))?;
        }
    }
    Ok(())
}
