//! How numbers lie along an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{BoldPoints, KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;

/// About so many numbers are written along a linear axis.
const TICKS: usize = 7;

/// An axis: what it shows, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) name: &'static str,
    pub(crate) scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From 0.
    Linear,
    /// Each power of ten takes as much room.
    Log,
    /// Quantiles: from 50 % to 90 %, to 99 %, to 99.9 % takes as much room each.
    Nines,
}

/// An axis that is long enough for what is drawn over it, as plotters knows axes: in places, not numbers.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    scale: Scale,
    range: Range<f64>,
}

impl Placed {
    /// The axis that holds all these places.
    pub(super) fn new(scale: Scale, places: impl Iterator<Item = f64>) -> Self {
        Self { scale, range: scale.range(places) }
    }
}

impl Ranged for Placed {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let part = (place - self.range.start) / (self.range.end - self.range.start);
        from + (part * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let ticks = self.scale.ticks(&self.range).into_iter();
        ticks.filter(|tick| self.range.start <= *tick && *tick <= self.range.end).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Placed {
    fn format_ext(&self, place: &f64) -> String {
        self.scale.label(*place)
    }
}

impl Scale {
    /// Where a number lies along the axis.
    pub(super) fn place(self, number: f64) -> f64 {
        match self {
            Self::Linear => number,
            Self::Log => number.max(1e-3).log10(),
            Self::Nines => -(1.0 - number).max(1e-6).log10(),
        }
    }

    /// From where to where the axis goes that holds all these places.
    fn range(self, places: impl Iterator<Item = f64>) -> Range<f64> {
        let (low, high) = places.fold((f64::MAX, f64::MIN), |(low, high), place| (low.min(place), high.max(place)));
        match self {
            _ if low > high => 0.0..1.0,
            Self::Linear => low.min(0.0)..if high > 0.0 { high * 1.05 } else { 1.0 },
            Self::Log => low.floor()..high.ceil().max(low.floor() + 1.0),
            Self::Nines => low..high.max(low + 1.0),
        }
    }

    /// The places that are marked.
    fn ticks(self, range: &Range<f64>) -> Vec<f64> {
        match self {
            Self::Linear => RangedCoordf64::from(range.clone()).key_points(BoldPoints(TICKS)),
            Self::Log => (range.start as i32..=range.end as i32).map(f64::from).collect(),
            Self::Nines => {
                [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999].map(|quantile| self.place(quantile)).into_iter().collect()
            }
        }
    }

    /// What is written at a place.
    fn label(self, place: f64) -> String {
        match self {
            Self::Linear => number(place),
            Self::Log => number(10_f64.powf(place)),
            Self::Nines => {
                let percent = 100.0 - 100.0 * 10_f64.powf(-place);
                format!("{} %", (percent * 1_000.0).round() / 1_000.0)
            }
        }
    }
}

/// A number as people write it: no more digits than it takes, thousands apart.
pub(crate) fn number(number: f64) -> String {
    let rounded = (number * 1_000.0).round() / 1_000.0;
    let text = format!("{rounded}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left.is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{out}.{fraction}"),
        None => out,
    }
}

/// A measured number: three digits tell enough.
pub(crate) fn short(measured: f64) -> String {
    let digits = match measured.abs() {
        0.0 => 0,
        size => (2 - size.log10().floor() as i32).clamp(0, 3),
    };
    let factor = 10_f64.powi(digits);
    number((measured * factor).round() / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for (given, written) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (999.0, "999"),
            (1_000.0, "1,000"),
            (-25_000.5, "-25,000.5"),
            (1e7, "10,000,000"),
        ] {
            assert_eq!(number(given), written);
        }
    }

    #[test]
    fn quantiles_are_written_in_percent_and_lie_apart_by_their_nines() {
        for (quantile, written) in [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")] {
            assert_eq!(Scale::Nines.label(Scale::Nines.place(quantile)), written);
        }
        assert!((Scale::Nines.place(0.99) - 2.0).abs() < 1e-9);
        assert!(Scale::Nines.place(1.0).is_finite(), "the highest of all has a place, too");
    }

    #[test]
    fn an_axis_holds_what_it_is_made_for_even_if_that_is_nothing() {
        for scale in [Scale::Linear, Scale::Log, Scale::Nines] {
            for places in [vec![], vec![0.0], vec![2.0, 0.5]] {
                let range = scale.range(places.iter().copied());
                assert!(
                    range.start < range.end && places.iter().all(|place| range.start <= *place && *place <= range.end)
                );
                assert!(!scale.ticks(&range).is_empty());
            }
        }
    }
}
