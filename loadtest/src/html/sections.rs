//! The parts of a run's page.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::figures::{count, ms};
use crate::latency::Percentiles;
use crate::ledger::RoomResult;
use crate::plot::{Axis, Line, Lines, PlotError, Scale};
use crate::report::Report;

/// Rooms that are listed by name.
const ROOMS_NAMED_MAX: usize = 20;

/// The stages that the picture shows; all of them would be too many to tell apart.
const DRAWN: [&str; 6] = ["connected", "joined", "recovered", "acknowledged", "delivered", "held back"];

/// The stages that were measured at all.
fn stages(report: &Report) -> Vec<(String, Percentiles)> {
    let stages = report.latencies.stages().into_iter().filter(|stage| stage.1.count > 0);
    stages.map(|(name, each)| (name.replace('_', " "), each)).collect()
}

pub(super) fn latency(report: &Report) -> Result<Markup, PlotError> {
    let stages = stages(report);
    if stages.is_empty() {
        return Ok(html! {});
    }
    let lines = stages.iter().filter(|(name, _)| DRAWN.contains(&name.as_str())).map(|(name, each)| Line {
        name: name.clone(),
        points: vec![(0.5, each.p50_ms), (0.9, each.p90_ms), (0.99, each.p99_ms), (0.999, each.p99_9_ms)],
    });
    let picture = Lines {
        x: Axis { name: "so many were at least as fast", scale: Scale::Nines },
        y: Axis { name: "ms", scale: Scale::Log },
        lines: lines.collect(),
    };
    Ok(html! {
        section {
            h2 { "Latency" }
            div.wide { table {
                tr { th { "ms" } th { "50 %" } th { "90 %" } th { "99 %" } th { "99.9 %" } th { "highest" } th { "number" } }
                @for (name, each) in &stages {
                    tr {
                        td { (name) }
                        @for value in [each.p50_ms, each.p90_ms, each.p99_ms, each.p99_9_ms, each.max_ms] {
                            td { (crate::plot::short(value)) }
                        }
                        td { (count(each.count as f64)) }
                    }
                }
            } }
            figure { (PreEscaped(picture.draw()?)) }
        }
    })
}

/// What the ledger counts as a fault, by name.
fn faults(result: &RoomResult) -> [(&'static str, u64); 8] {
    let seen = &result.seen;
    [
        ("lost", result.lost),
        ("holes", seen.holes),
        ("doubled", seen.doubled),
        ("disordered", seen.disordered),
        ("misplaced", seen.misplaced),
        ("contradicted", result.contradicted),
        ("appended twice", result.appended_twice),
        ("overtaken", result.overtaken),
    ]
}

pub(super) fn ledger(report: &Report) -> Markup {
    let all = &report.ledger;
    let (messages, deliveries) = (&report.messages, &report.deliveries);
    let unclean: Vec<_> = report.rooms.iter().filter(|room| room.result.lost + room.result.breaches() > 0).collect();
    html! {
        section {
            h2 { "Ledger" }
            p {
                (count(messages.due as f64)) " messages were due, " (count(messages.sent as f64)) " sent, "
                (count(messages.acknowledged as f64)) " acknowledged, " (count(messages.refused as f64)) " refused, "
                (count(messages.unanswered as f64)) " never answered; " (count(deliveries.total as f64)) " deliveries over "
                (count(all.subscriptions as f64)) " subscriptions, the last one " (ms(deliveries.drain_ms as f64)) " after the end."
            }
            div.wide { table {
                tr { th { "" } @for (name, _) in faults(all) { th { (name) } } }
                (counts("all rooms", all))
                @for room in unclean.iter().take(ROOMS_NAMED_MAX) { (counts(&room.room, &room.result)) }
            } }
            @if unclean.len() > ROOMS_NAMED_MAX { p.soft { "… and " (unclean.len() - ROOMS_NAMED_MAX) " more rooms; the JSON lists them all." } }
            @if all.seen.skipped > 0 { p { "The gateway said openly that it skipped " (count(all.seen.skipped as f64)) " entries." } }
        }
    }
}

fn counts(name: &str, result: &RoomResult) -> Markup {
    html! {
        tr {
            td { (name) }
            @for (_, number) in faults(result) { td.(if number > 0 { "worse" } else { "better" }) { (number) } }
        }
    }
}

pub(super) fn tallies(report: &Report) -> Markup {
    let tallies: [(&str, &BTreeMap<String, u64>); 5] = [
        ("Errors", &report.errors),
        ("Closes", &report.closes),
        ("Failed connections", &report.failures),
        ("Notices", &report.notices),
        ("Breaches of the protocol", &report.breaches),
    ];
    html! {
        @for (title, counts) in tallies.iter().filter(|(_, counts)| !counts.is_empty()) {
            section {
                h2 { (title) }
                table { @for (name, number) in *counts { tr { td { (name) } td { (count(*number as f64)) } } } }
            }
        }
    }
}

pub(super) fn plan(report: &Report) -> Markup {
    let json = serde_json::to_string_pretty(&report.plan).unwrap_or_default();
    let (made, machine) = (&report.made, &report.made.machine);
    html! {
        section {
            details { summary { "The plan" } pre { (json) } }
            @if !made.at.is_empty() {
                p.soft {
                    "Made " (made.at) " by version " (made.version) " on " (machine.processors) " × " (machine.processor) ", "
                    (machine.memory_gib) " GiB, Linux " (machine.kernel) "."
                }
            }
        }
    }
}
