//! What only some runs have: returns, presence, the search for the highest rate.

use maud::{Markup, PreEscaped, html};

use super::figures::{count, ms};
use crate::plot::{Axis, Line, Lines, PlotError, Scale, short};
use crate::report::Report;

pub(super) fn returns(report: &Report) -> Markup {
    html! {
        @if let Some(returns) = &report.returns {
            section {
                h2 { "Returns" }
                p {
                    (count(returns.clients as f64)) " clients were cut twice. All were back after " (ms(returns.plain_ms))
                    " with nothing missed, and after " (ms(returns.recovered_ms)) " with " (count(returns.missed as f64))
                    " messages missed by each"
                    @match returns.ratio {
                        Some(ratio) => { ", which is " (short(ratio)) " times as long." }
                        None => { ", as far as they came back." }
                    }
                }
            }
        }
        @if let Some(presence) = &report.presence {
            section {
                h2 { "Presence" }
                p {
                    (count(presence.members as f64)) " members were in " (count(presence.rooms_watched as f64)) " rooms in the end; "
                    (count(presence.missing as f64)) " of them were not told, " (count(presence.ghosts as f64))
                    " were told and not there, and " (count(presence.miscounted as f64)) " rooms were counted wrongly."
                }
            }
        }
    }
}

/// The steps of a search, and how the latency rises with the rate.
pub(super) fn search(report: &Report) -> Result<Markup, PlotError> {
    if report.search.is_empty() {
        return Ok(html! {});
    }
    let mut points: Vec<(f64, f64)> =
        report.search.iter().map(|step| (step.messages_per_second, step.delivered_p99_ms)).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let picture = Lines {
        x: Axis { name: "messages a second", scale: Scale::Linear },
        y: Axis { name: "delivered, 99 %, ms", scale: Scale::Log },
        lines: vec![Line { name: String::new(), points }],
    };
    Ok(html! {
        section {
            h2 { "Search for the highest rate" }
            div.wide { table {
                tr { th { "messages a second" } th { "deliveries a second" } th { "delivered, 99 %" } th { "generator" } th { "" } }
                @for step in &report.search {
                    tr {
                        td { (short(step.messages_per_second)) }
                        td { (count(step.deliveries_per_second)) }
                        td { (ms(step.delivered_p99_ms)) }
                        td { (count(step.busiest_thread_share * 100.0)) " %" }
                        @if step.held { td.better { "held" } } @else { td.worse { "not held" } }
                    }
                }
            } }
            figure { (PreEscaped(picture.draw()?)) }
        }
    })
}
