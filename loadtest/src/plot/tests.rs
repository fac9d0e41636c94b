use super::*;

#[test]
fn a_picture_of_nothing_is_a_picture_all_the_same() {
    let axis = Axis { name: "", scale: Scale::Log };
    for lines in [vec![], vec![Line { name: "none".to_owned(), points: vec![] }]] {
        assert!(Lines { x: axis, y: axis, lines }.draw().unwrap().ends_with("</svg>\n"));
    }
    assert!(Bars { unit: "", bars: vec![] }.draw().unwrap().ends_with("</svg>\n"));
}

#[test]
fn every_line_and_bar_is_there_by_its_name() {
    let axis = Axis { name: "axis", scale: Scale::Linear };
    let line = |name: &str| Line { name: name.to_owned(), points: vec![(0.0, 1.0), (2.0, 3.0)] };
    let svg = Lines { x: axis, y: axis, lines: vec![line("one"), line("<two>")] }.draw().unwrap();
    assert!(svg.contains("one\n") && svg.contains("&lt;two&gt;\n"), "{svg}");
    let bar = |value: f64| Bar { name: "bar".to_owned(), value, ends: Some((value - 1.0, value + 1.0)) };
    let svg = Bars { unit: "µs", bars: vec![bar(1_234.0), bar(7.125)] }.draw().unwrap();
    assert!(svg.contains("1,234 µs") && svg.contains("7.13 µs"), "{svg}");
}

#[test]
fn a_picture_that_stands_alone_has_a_title_and_colours_for_a_dark_page() {
    let svg = standalone(&Bars { unit: "", bars: vec![] }.draw().unwrap(), "a < b");
    assert!(
        svg.starts_with("<svg") && svg.contains("<title>a &lt; b</title>") && svg.contains("prefers-color-scheme:dark")
    );
}
