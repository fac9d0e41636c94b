//! The colours and the font of all pictures.

use plotters::style::{Color, FontFamily, RGBColor, TextStyle};

/// Text and axes, the grid, and the lines and bars in their order: on a light page, and on a dark one.
const INK: [RGBColor; 2] = [RGBColor(0x1b, 0x1c, 0x24), RGBColor(0xe6, 0xe7, 0xef)];
const GRID: [RGBColor; 2] = [RGBColor(0xdf, 0xe0, 0xea), RGBColor(0x38, 0x3a, 0x48)];
const SERIES: [[RGBColor; 2]; 6] = [
    [RGBColor(0x4f, 0x46, 0xe5), RGBColor(0x8b, 0x93, 0xf9)],
    [RGBColor(0x0d, 0x94, 0x88), RGBColor(0x2d, 0xd4, 0xbf)],
    [RGBColor(0xea, 0x58, 0x0c), RGBColor(0xfb, 0x92, 0x3c)],
    [RGBColor(0xdb, 0x27, 0x77), RGBColor(0xf4, 0x72, 0xb6)],
    [RGBColor(0x6b, 0x72, 0x80), RGBColor(0x9c, 0xa3, 0xaf)],
    [RGBColor(0xa1, 0x62, 0x07), RGBColor(0xfa, 0xcc, 0x15)],
];
const FONT: &str = "system-ui, -apple-system, \"Segoe UI\", \"DejaVu Sans\", sans-serif";

pub(super) fn ink() -> RGBColor {
    INK[0]
}

pub(super) fn grid() -> RGBColor {
    GRID[0]
}

pub(super) fn series(number: usize) -> RGBColor {
    SERIES[number % SERIES.len()][0]
}

/// Text of this size, in pixels.
pub(super) fn text(pixels: f64) -> TextStyle<'static> {
    // plotters thinks of a font's size as something larger than what it writes down.
    let size = pixels * 1.24;
    let mut style = TextStyle::from((FontFamily::SansSerif, size));
    style.color = ink().to_backend_color();
    style
}

/// The style sheet, for the page or for the picture.
pub(crate) fn style() -> String {
    let rules = SERIES.into_iter().chain([INK, GRID]).flat_map(|[light, dark]| {
        ["fill", "stroke"].map(|part| format!("svg [{part}=\"{}\"]{{{part}:{}}}", hex(light), hex(dark)))
    });
    let dark: String = rules.collect();
    format!(
        "svg text{{font-family:{FONT}}}svg polyline{{stroke-linejoin:round}}@media(prefers-color-scheme:dark){{{dark}}}"
    )
}

/// A picture that carries its own style sheet and says what it shows.
pub(crate) fn standalone(svg: &str, title: &str) -> String {
    let title = maud::html! { title { (title) } }.into_string();
    match svg.split_once('>') {
        Some((head, rest)) => format!("{head} role=\"img\">{title}<style>{}</style>{rest}", style()),
        None => String::new(),
    }
}

/// As the SVG backend writes it.
fn hex(color: RGBColor) -> String {
    let (red, green, blue) = color.to_backend_color().rgb;
    format!("#{red:02X}{green:02X}{blue:02X}")
}
