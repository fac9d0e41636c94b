//! The report as a page: one file that needs nothing else, for people who like to look at what they measured.

mod comparison;
mod figures;
mod page;
mod sections;
mod servers;
mod special;

use maud::{Markup, html};

pub(crate) use self::comparison::comparison;
use self::figures::{count, ms};
use crate::plot::{PlotError, short};
use crate::report::Report;
use crate::servers::sum;

/// The page of one run.
pub(crate) fn report(report: &Report) -> Result<String, PlotError> {
    let title = name(report);
    let body = html! {
        (verdict(report))
        (highlights(report))
        (special::search(report)?)
        (sections::latency(report)?)
        (special::returns(report))
        (servers::section(report)?)
        (servers::generator(report))
        (sections::ledger(report))
        (sections::tallies(report))
        (sections::plan(report))
    };
    Ok(page::page(&title, &summary(report), body))
}

/// What a run is called.
pub(crate) fn name(report: &Report) -> String {
    report.plan.scenario.clone().unwrap_or_else(|| "a run of its own".to_owned())
}

fn summary(report: &Report) -> String {
    let plan = &report.plan;
    let sending = match plan.messages_per_second {
        0.0 => "nobody sends".to_owned(),
        rate if plan.missed > 0 => format!(
            "{} messages of {} bytes into each room while the others are away, {} a second",
            count(plan.missed as f64),
            plan.payload_bytes,
            count(rate)
        ),
        rate => format!("{} messages of {} bytes a second for {:?}", count(rate), plan.payload_bytes, plan.duration),
    };
    format!("{} clients, {} rooms, {sending}", count(plan.clients as f64), count(plan.rooms as f64))
}

fn verdict(report: &Report) -> Markup {
    let verdict = &report.verdict;
    html! {
        section.verdict.(if verdict.passed { "good" } else { "bad" }) {
            h2 { @if verdict.passed { "Passed: every promise was kept." } @else { "Failed." } }
            @if !verdict.faults.is_empty() { ul { @for fault in &verdict.faults { li { (fault) "." } } } }
            @if !verdict.doubts.is_empty() {
                p { "Worth knowing:" }
                ul { @for doubt in &verdict.doubts { li { (doubt) "." } } }
            }
        }
    }
}

/// The few numbers that people ask for first.
fn highlights(report: &Report) -> Markup {
    let (connections, delivered) = (&report.connections, &report.latencies.delivered);
    let mut cards =
        vec![("clients let in", count(connections.came as f64), format!("of {}", count(connections.clients as f64)))];
    if let Some(returns) = &report.returns {
        let ratio = returns.ratio.map(|ratio| format!("{} times as long", short(ratio)));
        cards.push((
            "all back, nothing missed",
            ms(returns.plain_ms),
            format!("{} clients", count(returns.clients as f64)),
        ));
        cards.push(("all back with all they missed", ms(returns.recovered_ms), ratio.unwrap_or_default()));
    }
    if report.messages.due > 0 {
        cards.push(("deliveries a second", count(report.deliveries.per_second), "while messages were sent".to_owned()));
        cards.push(("delivered, 99 %", ms(delivered.p99_ms), format!("half of them within {}", ms(delivered.p50_ms))));
    }
    let all = match report.plan.servers.len() {
        1 => "of the server",
        _ => "of all servers together",
    };
    if let Some(us) = sum(&report.servers.sending, |figures| figures.cpu_us_per_delivery) {
        cards.push(("processor time per delivery", format!("{us:.2} µs"), all.to_owned()));
    }
    if let Some(calls) = sum(&report.servers.sending, |figures| figures.system_calls_per_delivery) {
        cards.push(("system calls per delivery", format!("{calls:.3}"), all.to_owned()));
    }
    if let Some(bytes) = sum(&report.servers.connecting, |figures| figures.resident_bytes_per_connection) {
        cards.push(("memory per connection", format!("{:.1} KiB", bytes / 1024.0), all.to_owned()));
    }
    html! {
        section.cards {
            @for (name, value, more) in &cards {
                div.card { span.name { (name) } span.value { (value) } span.more { (more) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::RunArguments;
    use crate::plan::Plan;
    use crate::verdict::Verdict;

    #[test]
    fn the_page_of_a_storm_tells_of_the_storm_and_of_the_returns() {
        let plan = Plan::new(RunArguments::parse_words("reconnect-storm")).unwrap();
        let returns = json!({ "clients": 9_900, "missed": 100, "plain_ms": 600, "recovered_ms": 1_500, "ratio": 2.5 });
        let storm = json!({ "plan": plan, "verdict": Verdict::default(), "returns": returns });
        let page = report(&serde_json::from_value(storm).unwrap()).unwrap();
        assert!(
            page.contains("100 messages of 200 bytes into each room while the others are away, 2,000 a second"),
            "{page}"
        );
        assert!(!page.contains("a second for"), "how many there are ends it, not a time: {page}");
        let cards = page.split_once("section class=\"cards\"").unwrap().1.split_once("</section>").unwrap().0;
        for words in ["600 ms", "1,500 ms", "2.5 times as long", "9,900 clients"] {
            assert!(cards.contains(words), "{words} is missing in {cards}");
        }
    }
}
