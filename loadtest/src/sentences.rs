//! The report for people: plain sentences, with colour where the terminal has it.

mod servers;

use std::collections::BTreeMap;
use std::io::{Result, Write};

use anstyle::{AnsiColor, Style};

use crate::gathered::PresenceReport;
use crate::latency::Percentiles;
use crate::report::{Report, Returns};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBT: Style = AnsiColor::Yellow.on_default();
const HEAD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
/// Rooms that are listed by name; the others are in the JSON.
const ROOMS_NAMED_MAX: usize = 10;

/// Writes the report.
pub(crate) fn write(report: &Report, out: &mut impl Write) -> Result<()> {
    connections(report, out)?;
    messages(report, out)?;
    latencies(report, out)?;
    returns(report, out)?;
    servers::write(&report.servers, out)?;
    generator(report, out)?;
    ledger(report, out)?;
    for (title, counts) in [
        ("Errors", &report.errors),
        ("Closes", &report.closes),
        ("Failed connections", &report.failures),
        ("Notices", &report.notices),
        ("Breaches of the protocol", &report.breaches),
    ] {
        tally(title, counts, out)?;
    }
    search(report, out)?;
    verdict(report, out)
}

fn connections(report: &Report, out: &mut impl Write) -> Result<()> {
    let each = &report.connections;
    let plan = &report.plan;
    writeln!(out, "{HEAD}Connections{HEAD:#}")?;
    writeln!(
        out,
        "  {} of {} clients were let in within {:.1} s, {:.0} per second; {} were in their rooms at the end.",
        each.came,
        each.clients,
        each.connect_ms as f64 / 1_000.0,
        each.handshakes_per_second,
        each.stayed
    )?;
    if each.opened > each.came || each.churned > 0 {
        writeln!(
            out,
            "  {} connections were opened in all; clients left and came back {} times.",
            each.opened, each.churned
        )?;
    }
    if plan.slow_readers > 0 {
        writeln!(out, "  {} clients did not read for {:?}.", plan.slow_readers, plan.slow_for)?;
    }
    writeln!(out, "  {FAINT}run {}, seed {}, {} rooms{FAINT:#}", plan.run, plan.seed, plan.rooms)
}

fn messages(report: &Report, out: &mut impl Write) -> Result<()> {
    let each = &report.messages;
    writeln!(out, "{HEAD}Messages{HEAD:#}")?;
    if each.due == 0 {
        return writeln!(out, "  None were to be sent; {} came.", report.deliveries.total);
    }
    writeln!(
        out,
        "  {} were due, {} were sent, {} acknowledged, {} refused, {} never answered.",
        each.due, each.sent, each.acknowledged, each.refused, each.unanswered
    )?;
    if each.sent_again > 0 || each.duplicates > 0 {
        writeln!(
            out,
            "  {} were sent again with the same key after a lost connection; {} turned out to be there already.",
            each.sent_again, each.duplicates
        )?;
    }
    writeln!(
        out,
        "  {} deliveries in all, {} of them not timed; {:.0} per second while sending; the last one {} ms after the end.",
        report.deliveries.total, report.deliveries.untimed, report.deliveries.per_second, report.deliveries.drain_ms
    )
}

fn latencies(report: &Report, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{HEAD}Latency in ms{HEAD:#}          p50       p90       p99     p99.9       max     count")?;
    for (name, Percentiles { count, p50_ms, p90_ms, p99_ms, p99_9_ms, max_ms }) in report.latencies.stages() {
        if count == 0 {
            continue;
        }
        let name = name.replace('_', " ");
        writeln!(
            out,
            "  {name:<14}{p50_ms:>10.2}{p90_ms:>10.2}{p99_ms:>10.2}{p99_9_ms:>10.2}{max_ms:>10.2}{count:>10}"
        )?;
    }
    Ok(())
}

fn generator(report: &Report, out: &mut impl Write) -> Result<()> {
    let each = &report.generator;
    writeln!(out, "{HEAD}Load generator{HEAD:#}")?;
    write!(
        out,
        "  {} threads: {:.2} s of processor time for connecting, {:.2} s from the first message on",
        each.threads,
        each.connect_cpu_ms as f64 / 1_000.0,
        each.cpu_ms as f64 / 1_000.0
    )?;
    if let Some(us) = each.cpu_us_per_delivery {
        write!(out, ", {us:.2} µs per delivery")?;
    }
    writeln!(
        out,
        "; the busiest used {:.0} % of a processor. {:.1} MiB resident.",
        each.busiest_thread_share * 100.0,
        each.resident_bytes as f64 / 1_048_576.0
    )
}

fn returns(report: &Report, out: &mut impl Write) -> Result<()> {
    if let Some(Returns { clients, missed, plain_ms, recovered_ms, ratio }) = &report.returns {
        writeln!(out, "{HEAD}Returns{HEAD:#}")?;
        write!(
            out,
            "  {clients} clients were cut twice: all were back after {plain_ms:.0} ms with nothing missed, and after \
             {recovered_ms:.0} ms with {missed} messages missed by each"
        )?;
        match ratio {
            Some(ratio) => writeln!(out, ", which is {ratio:.2} times as long.")?,
            None => writeln!(out, ", as far as they came back.")?,
        }
    }
    if let Some(PresenceReport { rooms_watched, members, missing, ghosts, miscounted }) = &report.presence {
        writeln!(out, "{HEAD}Presence{HEAD:#}")?;
        writeln!(
            out,
            "  {members} members were in {rooms_watched} rooms in the end; {missing} of them were not told, {ghosts} were told \
             and not there, and {miscounted} rooms were counted wrongly."
        )?;
    }
    Ok(())
}

fn search(report: &Report, out: &mut impl Write) -> Result<()> {
    if report.search.is_empty() {
        return Ok(());
    }
    writeln!(out, "{HEAD}Search{HEAD:#}   messages/s  deliveries/s    p99 ms  generator  refused  skipped  closed")?;
    for step in &report.search {
        let (style, word) = if step.held { (GOOD, "held") } else { (BAD, "not held") };
        writeln!(
            out,
            "  {style}{word:<9}{style:#}{:>10.1}{:>14.0}{:>10.1}{:>9.0} %{:>9}{:>9}{:>8}",
            step.messages_per_second,
            step.deliveries_per_second,
            step.delivered_p99_ms,
            step.busiest_thread_share * 100.0,
            step.refused,
            step.skipped,
            step.closes
        )?;
    }
    Ok(())
}

fn ledger(report: &Report, out: &mut impl Write) -> Result<()> {
    let each = &report.ledger;
    let seen = &each.seen;
    writeln!(out, "{HEAD}Ledger{HEAD:#}")?;
    let style = if each.lost + each.breaches() == 0 { GOOD } else { BAD };
    writeln!(
        out,
        "  {style}{} lost, {} holes, {} doubled, {} disordered, {} misplaced, {} contradicted, {} appended twice, {} overtaken{style:#} \
         over {} subscriptions.",
        each.lost,
        seen.holes,
        seen.doubled,
        seen.disordered,
        seen.misplaced,
        each.contradicted,
        each.appended_twice,
        each.overtaken,
        each.subscriptions
    )?;
    let resets = seen.resets_lag + seen.resets_trimmed + seen.resets_reset;
    let unrecovered = seen.unrecovered_trimmed + seen.unrecovered_reset;
    if seen.recovered + resets + unrecovered > 0 {
        writeln!(
            out,
            "  {} resumes went well; {unrecovered} did not (trimmed {}, reset {}); {resets} resets came (lag {}, trimmed {}, \
             reset {}). The gateway said openly that it skipped {} entries.",
            seen.recovered,
            seen.unrecovered_trimmed,
            seen.unrecovered_reset,
            seen.resets_lag,
            seen.resets_trimmed,
            seen.resets_reset,
            seen.skipped
        )?;
    }
    let unclean: Vec<_> = report.rooms.iter().filter(|room| room.result.lost + room.result.breaches() > 0).collect();
    for room in unclean.iter().take(ROOMS_NAMED_MAX) {
        let result = &room.result;
        writeln!(
            out,
            "  {BAD}{}{BAD:#}: {} lost, {} holes, {} doubled, {} disordered, {} misplaced, {} contradicted, {} appended twice, {} overtaken.",
            room.room,
            result.lost,
            result.seen.holes,
            result.seen.doubled,
            result.seen.disordered,
            result.seen.misplaced,
            result.contradicted,
            result.appended_twice,
            result.overtaken
        )?;
    }
    match unclean.len().saturating_sub(ROOMS_NAMED_MAX) {
        0 => Ok(()),
        more => writeln!(out, "  … and {more} more rooms; --json lists them all."),
    }
}

fn tally(title: &str, counts: &BTreeMap<String, u64>, out: &mut impl Write) -> Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "{HEAD}{title}{HEAD:#}")?;
    for (name, count) in counts {
        writeln!(out, "  {count:>8}  {name}")?;
    }
    Ok(())
}

fn verdict(report: &Report, out: &mut impl Write) -> Result<()> {
    for doubt in &report.verdict.doubts {
        writeln!(out, "{DOUBT}Note:{DOUBT:#} {doubt}.")?;
    }
    if report.verdict.passed {
        return writeln!(out, "{GOOD}Passed:{GOOD:#} every promise was kept.");
    }
    writeln!(out, "{BAD}Failed:{BAD:#}")?;
    for fault in &report.verdict.faults {
        writeln!(out, "  {BAD}✗{BAD:#} {fault}.")?;
    }
    Ok(())
}
