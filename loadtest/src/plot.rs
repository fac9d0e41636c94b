//! Pictures of numbers, as SVG that is readable on a light and on a dark page.
//!
//! plotters knows only fixed colours, so it draws with those of a light page, and a style sheet says what takes their place
//! on a dark one.

mod axis;
mod bars;
mod lines;
mod theme;

use plotters::drawing::DrawingAreaErrorKind;

pub(crate) use self::axis::{Axis, Scale, number, short};
pub(crate) use self::bars::{Bar, Bars};
pub(crate) use self::lines::{Line, Lines};
pub(crate) use self::theme::{standalone, style};

/// Why there is no picture. The pictures are drawn into strings, so only numbers that are none could be the reason.
pub(crate) type PlotError = DrawingAreaErrorKind<std::io::Error>;

#[cfg(test)]
mod tests;
