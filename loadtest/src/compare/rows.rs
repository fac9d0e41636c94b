//! The figures of two runs that can be compared.

use crate::latency::Percentiles;
use crate::report::Report;
use crate::servers::sum;

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

const FIGURES: [(&str, &str, bool, Figure); 25] = [
    ("highest rate that held", "", true, highest),
    ("clients let in per second", "", true, |report| positive(report.connections.handshakes_per_second)),
    ("deliveries per second", "", true, |report| {
        (report.messages.due > 0 || report.plan.listen).then_some(report.deliveries.per_second)
    }),
    ("connected, 99 %", "ms", false, |report| at(report.latencies.connected, |each| each.p99_ms)),
    ("returned, last", "ms", false, |report| at(report.latencies.returned, |each| each.max_ms)),
    ("recovered, last", "ms", false, |report| at(report.latencies.recovered, |each| each.max_ms)),
    ("recovered by returned", "", false, |report| report.returns.as_ref()?.ratio),
    ("acknowledged, 50 %", "ms", false, |report| at(report.latencies.acknowledged, |each| each.p50_ms)),
    ("acknowledged, 99 %", "ms", false, |report| at(report.latencies.acknowledged, |each| each.p99_ms)),
    ("acknowledged, 99.9 %", "ms", false, |report| at(report.latencies.acknowledged, |each| each.p99_9_ms)),
    ("delivered, 50 %", "ms", false, |report| at(report.latencies.delivered, |each| each.p50_ms)),
    ("delivered, 99 %", "ms", false, |report| at(report.latencies.delivered, |each| each.p99_ms)),
    ("delivered, 99.9 %", "ms", false, |report| at(report.latencies.delivered, |each| each.p99_9_ms)),
    ("spread, 50 %", "ms", false, |report| at(report.latencies.spread, |each| each.p50_ms)),
    ("spread, 99 %", "ms", false, |report| at(report.latencies.spread, |each| each.p99_ms)),
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
    ("messages refused", "", false, |report| Some(report.messages.refused as f64)),
    ("entries skipped", "", false, |report| Some(report.ledger.seen.skipped as f64)),
    ("connections closed", "", false, |report| Some(report.closes.values().sum::<u64>() as f64)),
    ("connections failed", "", false, |report| Some(report.failures.values().sum::<u64>() as f64)),
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

/// Of a search; 0 where no rate held.
fn highest(report: &Report) -> Option<f64> {
    let held = report.search.iter().filter(|step| step.held).map(|step| step.messages_per_second);
    (!report.search.is_empty()).then(|| held.fold(0.0, f64::max))
}

fn positive(number: f64) -> Option<f64> {
    (number.is_finite() && number > 0.0).then_some(number)
}

/// Of a stage that was reached at all.
fn at(stage: Percentiles, percentile: fn(Percentiles) -> f64) -> Option<f64> {
    (stage.count > 0).then(|| percentile(stage))
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
    fn a_percentile_of_nothing_is_no_figure() {
        let mut stage = Percentiles::default();
        assert_eq!(at(stage, |each| each.p99_ms), None);
        stage.count = 1;
        assert_eq!(at(stage, |each| each.p99_ms), Some(0.0));
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        assert_eq!(row(0.0, 1.0, true).ratio(), None);
        assert_eq!(row(2.0, 1.0, true).ratio(), Some(0.5));
    }
}
