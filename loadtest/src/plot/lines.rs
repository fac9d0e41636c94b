//! Lines over two axes.

use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{PathElement, Text};
use plotters::series::LineSeries;
use plotters::style::Color;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters_svg::SVGBackend;

use super::axis::{Axis, Placed};
use super::{PlotError, theme};

const WIDTH: i32 = 856;
const HEIGHT: i32 = 300;
/// What stands on the right: the names of the lines with a sample before each, or half of the last number of the axis.
const SAMPLE: i32 = 42;
const LETTER: usize = 8;
const MARGIN: i32 = 28;
const ROW: i32 = 20;

/// One line and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A picture of lines.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

impl Lines {
    /// The picture, as an `svg` element.
    pub(crate) fn draw(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        let (x, y) = (self.x.scale, self.y.scale);
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let area = SVGBackend::with_string(&mut svg, (WIDTH.unsigned_abs(), HEIGHT.unsigned_abs())).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .margin_right(if self.lines.len() > 1 { self.names_width() } else { MARGIN })
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(
                Placed::new(x, points().map(|point| x.place(point.0))),
                Placed::new(y, points().map(|point| y.place(point.1))),
            )?;
        chart
            .configure_mesh()
            .axis_style(theme::grid())
            .bold_line_style(theme::grid())
            .light_line_style(theme::grid().mix(0.0))
            .label_style(theme::text(12.0))
            .axis_desc_style(theme::text(12.0))
            .x_desc(self.x.name)
            .y_desc(self.y.name)
            .draw()?;
        for (number, line) in self.lines.iter().enumerate() {
            let places = line.points.iter().map(|point| (x.place(point.0), y.place(point.1)));
            chart.draw_series(LineSeries::new(places, theme::series(number).stroke_width(2)))?;
        }
        drop(chart);
        if self.lines.len() > 1 {
            self.name_lines(&area)?;
        }
        area.present()?;
        drop(area);
        Ok(svg)
    }

    fn names_width(&self) -> i32 {
        let letters = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or_default();
        SAMPLE + i32::try_from(letters * LETTER).unwrap_or(0).min(WIDTH / 3)
    }

    fn name_lines(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), PlotError> {
        let left = WIDTH - self.names_width() + 16;
        for ((number, line), row) in self.lines.iter().enumerate().zip(0..) {
            let middle = 20 + ROW * row;
            let sample = [(left, middle), (left + 18, middle)];
            area.draw(&PathElement::new(sample, theme::series(number).stroke_width(2)))?;
            let style = theme::text(12.0).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(line.name.clone(), (left + 26, middle), style))?;
        }
        Ok(())
    }
}
