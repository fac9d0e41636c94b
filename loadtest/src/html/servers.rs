//! What the servers used, and the generator beside them.

use maud::{Markup, PreEscaped, html};

use super::figures::{bytes, count, or_dash};
use crate::plot::{Bar, Bars, PlotError};
use crate::report::Report;
use crate::servers::{Figures, UNCOUNTED, Usage};

pub(super) fn section(report: &Report) -> Result<Markup, PlotError> {
    let used = &report.servers;
    if used.connecting.is_empty() {
        return Ok(html! {});
    }
    let per_delivery: Vec<Bar> = used
        .sending
        .iter()
        .filter_map(|usage| {
            let value = usage.figures.as_ref()?.cpu_us_per_delivery?;
            Some(Bar { name: usage.name.clone(), value, ends: None })
        })
        .collect();
    let picture = match per_delivery.len() {
        0 | 1 => None,
        _ => Some(Bars { unit: "µs", bars: per_delivery }.draw()?),
    };
    let uncounted =
        used.sending.iter().filter_map(|usage| usage.figures.as_ref()).any(|each| each.system_calls.is_none());
    Ok(html! {
        section {
            h2 { "Servers" }
            h3 { "While clients connected" }
            div.wide { table {
                tr { th { "" } th { "processor time" } th { "per connection" } th { "resident memory" } th { "per connection" } th { "threads" } }
                @for usage in &used.connecting { (connecting(usage)) }
            } }
            @if !used.sending.is_empty() {
                h3 { "From then until everything was delivered" }
                div.wide { table {
                    tr {
                        th { "" } th { "user" } th { "system" } th { "per message" } th { "per delivery" } th { "system calls" }
                        th { "per delivery" } th { "resident" } th { "at most" }
                    }
                    @for usage in &used.sending { (sending(usage)) }
                } }
            }
            @if uncounted {
                p.soft { (UNCOUNTED) }
            }
            @if let Some(picture) = picture {
                figure { (PreEscaped(picture)) figcaption { "Processor time per delivery" } }
            }
        }
    })
}

fn connecting(usage: &Usage) -> Markup {
    row(usage, 5, |figures| {
        vec![
            seconds(figures.cpu_us()),
            or_dash(figures.cpu_us_per_connection.map(us)),
            bytes(figures.resident_bytes as f64),
            or_dash(figures.resident_bytes_per_connection.map(bytes)),
            figures.threads.to_string(),
        ]
    })
}

fn sending(usage: &Usage) -> Markup {
    row(usage, 8, |figures| {
        vec![
            seconds(figures.cpu_user_us),
            seconds(figures.cpu_system_us),
            or_dash(figures.cpu_us_per_message.map(us)),
            or_dash(figures.cpu_us_per_delivery.map(us)),
            or_dash(figures.system_calls.map(|calls| count(calls as f64))),
            or_dash(figures.system_calls_per_delivery.map(|calls| format!("{calls:.3}"))),
            bytes(figures.resident_bytes as f64),
            bytes(figures.resident_peak_bytes as f64),
        ]
    })
}

fn row(usage: &Usage, columns: usize, cells: impl Fn(&Figures) -> Vec<String>) -> Markup {
    html! {
        tr {
            td { (usage.name) " " span.soft { (usage.pid) } }
            @match &usage.figures {
                Some(figures) => { @for cell in cells(figures) { td { (cell) } } }
                None => { td colspan=(columns) { "ended meanwhile" } }
            }
        }
    }
}

fn seconds(us: u64) -> String {
    format!("{:.2} s", us as f64 / 1e6)
}

fn us(us: f64) -> String {
    format!("{} µs", crate::plot::short(us))
}

/// What this program itself used, so that one can see that it held nobody back.
pub(super) fn generator(report: &Report) -> Markup {
    let each = &report.generator;
    html! {
        section {
            h2 { "Load generator" }
            p {
                (each.threads) " threads; " (seconds(each.connect_cpu_ms * 1_000)) " of processor time while clients connected, "
                (seconds(each.cpu_ms * 1_000)) " from the first message on"
                @if let Some(each) = each.cpu_us_per_delivery { ", " (us(each)) " per delivery" }
                ". The busiest thread used " (count(each.busiest_thread_share * 100.0)) " % of a processor while messages were sent. "
                (bytes(each.resident_bytes as f64)) " resident."
            }
        }
    }
}
