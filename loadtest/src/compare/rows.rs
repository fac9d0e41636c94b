//! The figures of two runs that can be compared.

use crate::report::Report;
use crate::servers::{Figures, Usage};

/// One figure of both runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) values: [f64; 2],
    /// Whether more of it is better.
    pub(crate) more_is_better: bool,
}

/// What the second run makes of the first one's figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trend {
    Better,
    Worse,
    /// Within what two runs of the same differ by.
    Same,
}

/// Less than this is chance.
const NOISE: f64 = 0.05;

impl Row {
    /// The second value by the first.
    pub(crate) fn ratio(&self) -> Option<f64> {
        (self.values[0] != 0.0).then(|| self.values[1] / self.values[0])
    }

    pub(crate) fn trend(&self) -> Trend {
        let [first, second] = self.values;
        if (second - first).abs() <= NOISE * first.abs() {
            return Trend::Same;
        }
        if (second > first) == self.more_is_better { Trend::Better } else { Trend::Worse }
    }
}

/// A figure of a report; `None` where that run has none.
type Figure = fn(&Report) -> Option<f64>;

const FIGURES: [(&str, &str, bool, Figure); 13] = [
    ("clients let in per second", "", true, |report| positive(report.connections.handshakes_per_second)),
    ("deliveries per second", "", true, |report| sent(report, report.deliveries.per_second)),
    ("connected, 99 %", "ms", false, |report| {
        some(report.latencies.connected.count, report.latencies.connected.p99_ms)
    }),
    ("acknowledged, 50 %", "ms", false, |report| sent(report, report.latencies.acknowledged.p50_ms)),
    ("acknowledged, 99 %", "ms", false, |report| sent(report, report.latencies.acknowledged.p99_ms)),
    ("delivered, 50 %", "ms", false, |report| sent(report, report.latencies.delivered.p50_ms)),
    ("delivered, 99 %", "ms", false, |report| sent(report, report.latencies.delivered.p99_ms)),
    ("processor time per delivery", "µs", false, |report| {
        sum(&report.servers.sending, |figures| figures.cpu_us_per_delivery)
    }),
    ("system calls per delivery", "", false, |report| {
        sum(&report.servers.sending, |figures| figures.system_calls_per_delivery)
    }),
    ("processor time per connection", "µs", false, |report| {
        sum(&report.servers.connecting, |figures| figures.cpu_us_per_connection)
    }),
    ("memory per connection", "KiB", false, |report| {
        sum(&report.servers.connecting, |figures| figures.resident_bytes_per_connection.map(|bytes| bytes / 1024.0))
    }),
    ("lost", "", false, |report| Some(report.ledger.lost as f64)),
    ("promises broken otherwise", "", false, |report| Some(report.ledger.breaches() as f64)),
];

/// All figures that both runs have.
pub(crate) fn rows(reports: &[Report; 2]) -> Vec<Row> {
    let both = |figure: Figure| Some([figure(&reports[0])?, figure(&reports[1])?]);
    FIGURES
        .into_iter()
        .filter_map(|(name, unit, more_is_better, figure)| {
            both(figure).map(|values| Row { name, unit, values, more_is_better })
        })
        .collect()
}

/// Of all servers together, if each of them has it.
fn sum(usages: &[Usage], of: fn(&Figures) -> Option<f64>) -> Option<f64> {
    let each: Option<Vec<f64>> = usages.iter().map(|usage| of(usage.figures.as_ref()?)).collect();
    each.filter(|each| !each.is_empty()).map(|each| each.iter().sum())
}

fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number > 0.0).then_some(number)
}

fn some(count: u64, number: f64) -> Option<f64> {
    (count > 0).then_some(number)
}

/// Only of a run that sent.
fn sent(report: &Report, number: f64) -> Option<f64> {
    some(report.messages.due, number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(first: f64, second: f64, more_is_better: bool) -> Row {
        Row { name: "", unit: "", values: [first, second], more_is_better }
    }

    #[test]
    fn what_differs_by_little_is_the_same() {
        for (first, second, more_is_better, trend) in [
            (100.0, 104.0, true, Trend::Same),
            (100.0, 110.0, true, Trend::Better),
            (100.0, 110.0, false, Trend::Worse),
            (100.0, 90.0, false, Trend::Better),
            (0.0, 0.0, false, Trend::Same),
            (0.0, 1.0, false, Trend::Worse),
        ] {
            assert_eq!(row(first, second, more_is_better).trend(), trend, "{first} {second}");
        }
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert_eq!(row(0.0, 1.0, true).ratio(), None);
        assert_eq!(row(2.0, 1.0, true).ratio(), Some(0.5));
    }
}
