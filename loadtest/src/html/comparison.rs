//! The page of two runs side by side.

use maud::{PreEscaped, html};

use super::page;
use crate::compare::{Comparison, Trend, rows};
use crate::plot::{Axis, Line, Lines, PlotError, Scale, short};

/// The page; `names` say which run is which.
pub(crate) fn comparison(comparison: &Comparison, names: [&str; 2]) -> Result<String, PlotError> {
    let lines = names.into_iter().zip(&comparison.reports).filter_map(|(name, report)| {
        let each = report.latencies.delivered;
        let points = vec![(0.5, each.p50_ms), (0.9, each.p90_ms), (0.99, each.p99_ms), (0.999, each.p99_9_ms)];
        (each.count > 0).then(|| Line { name: name.to_owned(), points })
    });
    let picture = Lines {
        x: Axis { name: "so many were delivered at least as fast", scale: Scale::Nines },
        y: Axis { name: "ms", scale: Scale::Log },
        lines: lines.collect(),
    };
    let body = html! {
        @if !comparison.differences.is_empty() {
            section.doubt {
                h2 { "Not the same test" }
                div.wide { table.words {
                    tr { th { "" } @for name in names { th { (name) } } }
                    @for each in &comparison.differences {
                        tr { td { (each.field) } @for value in &each.values { td { (value) } } }
                    }
                } }
            }
        }
        @for (name, report) in names.into_iter().zip(&comparison.reports).filter(|(_, report)| !report.verdict.passed) {
            section.verdict.bad {
                h2 { (name) " failed." }
                ul { @for fault in &report.verdict.faults { li { (fault) "." } } }
            }
        }
        section {
            h2 { "Side by side" }
            div.wide { table {
                tr { th { "" } @for name in names { th { (name) } } th { "ratio" } }
                @for row in rows(&comparison.reports) {
                    tr {
                        td { (row.name) }
                        @for value in row.values { td { (short(value)) " " (row.unit) } }
                        td.(class(row.trend())) { (row.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))) }
                    }
                }
            } }
            p.soft { "Green is better in the second run and red is worse; what differs by less than 5 % has no colour." }
        }
        @if !picture.lines.is_empty() {
            section { h2 { "Time to delivery" } figure { (PreEscaped(picture.draw()?)) } }
        }
    };
    Ok(page::page("Two runs", &names.join(" and "), body))
}

fn class(trend: Trend) -> &'static str {
    match trend {
        Trend::Better => "better",
        Trend::Worse => "worse",
        Trend::Same => "soft",
    }
}
