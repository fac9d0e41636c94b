//! Bars from left to right, one below the other.

use plotters::drawing::IntoDrawingArea;
use plotters::element::{PathElement, Rectangle, Text};
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters_svg::SVGBackend;

use super::{PlotError, axis, theme};

const WIDTH: i32 = 856;
const NAMES: i32 = 200;
const VALUES: i32 = 110;
const ROW: i32 = 34;
const BAR: i32 = 20;

/// One bar. Where it was measured several times, the value is the middle one and the ends are the lowest and the highest.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) ends: Option<(f64, f64)>,
}

/// A picture of bars with one unit.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    pub(crate) unit: &'static str,
    pub(crate) bars: Vec<Bar>,
}

impl Bars {
    /// The picture, as an `svg` element.
    pub(crate) fn draw(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        let height = 8 + self.bars.iter().map(|_| ROW).sum::<i32>();
        let area = SVGBackend::with_string(&mut svg, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
        let highest =
            self.bars.iter().map(|bar| bar.ends.map_or(bar.value, |ends| ends.1)).fold(f64::MIN_POSITIVE, f64::max);
        let room = f64::from(WIDTH - NAMES - VALUES);
        let x = |value: f64| NAMES + (value.max(0.0) / highest * room).round() as i32;
        for ((number, bar), row) in self.bars.iter().enumerate().zip(0..) {
            let top = ROW * row + (ROW - BAR) / 2 + 4;
            let middle = top + BAR / 2;
            let name = theme::text(13.0).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(bar.name.clone(), (NAMES - 10, middle), name))?;
            let corners = [(NAMES, top), (x(bar.value).max(NAMES + 1), top + BAR)];
            area.draw(&Rectangle::new(corners, theme::series(number).filled()))?;
            let mut end = x(bar.value);
            if let Some((low, high)) = bar.ends {
                let whisker = [(x(low), middle), (x(high), middle)];
                area.draw(&PathElement::new(whisker, theme::ink().stroke_width(2)))?;
                end = end.max(x(high));
            }
            let value = theme::text(13.0).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(format!("{} {}", axis::short(bar.value), self.unit), (end + 10, middle), value))?;
        }
        area.present()?;
        drop(area);
        Ok(svg)
    }
}
