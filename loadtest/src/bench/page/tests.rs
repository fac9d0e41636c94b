use std::collections::BTreeMap;

use super::*;
use crate::bench::contender::{Contender, Setup};
use crate::bench::part::{Figure, Part};
use crate::bench::place::Place;
use crate::bench::step::Outcome;

fn outcome(cpu: f64, faults: &[&str]) -> Outcome {
    Outcome {
        figures: BTreeMap::from([(Figure::CpuUsPerDelivery, cpu)]),
        faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
    }
}

fn results(faults: &[&str]) -> Results {
    results_with(faults, &[])
}

fn results_with(faults: &[&str], faults_of_sockudo: &[&str]) -> Results {
    let round = |floor: f64, hubbub: f64, sockudo: f64| {
        vec![
            (Setup::alone(Contender::Floor), outcome(floor, &[])),
            (Setup::alone(Contender::Hubbub), outcome(hubbub, faults)),
            (Setup::alone(Contender::Sockudo), outcome(sockudo, faults_of_sockudo)),
        ]
    };
    let rounds = vec![round(5.0, 6.0, 12.0), round(5.0, 7.0, 10.0), round(6.0, 7.5, 14.0)];
    Results { parts: vec![Measured { part: Part::BigRoom, place: Place::default(), flags: Vec::new(), rounds }] }
}

#[test]
fn a_bar_is_held_against_the_middle_ratio_of_the_rounds() {
    let text = markdown(&results(&[]), &Machine::default());
    assert!(text.contains("Hubbub by floor ≤ 1.3 | 1.25 | ✓ |"), "{text}");
    assert!(text.contains("Hubbub by sockudo ≤ 0.6 | 0.536 | ✓ |"), "{text}");
    assert!(text.contains("| Hubbub | 7 <sub>6–7.5</sub> | – |"), "{text}");
    assert!(text.contains("Every run's ledger was clean."), "{text}");
    assert!(text.contains("| Socket.IO | – | – |"), "what was not measured is not there: {text}");
}

#[test]
fn a_run_of_ours_that_failed_does_not_count() {
    let text = markdown(&results(&["1 delivery was lost"]), &Machine::default());
    assert!(text.contains("| 1.25 | ✗ does not count: a run of Hubbub failed |"), "{text}");
}

#[test]
fn a_ratio_to_a_run_that_failed_does_not_count() {
    let text = markdown(&results_with(&[], &["3 deliveries were lost"]), &Machine::default());
    assert!(text.contains("Hubbub by sockudo ≤ 0.6 | 0.536 | ✗ does not count: a run of sockudo failed |"), "{text}");
    assert!(text.contains("Hubbub by floor ≤ 1.3 | 1.25 | ✓ |"), "that one is not about it: {text}");
    assert!(text.contains("Runs that failed: sockudo: 3 deliveries were lost."), "{text}");
}

#[test]
fn what_is_asked_of_parts_that_were_not_measured_is_not_left_out() {
    let text = markdown(&results(&[]), &Machine::default());
    let bars: usize = Part::value_variants().iter().map(|part| part.bars().len()).sum();
    let rows = text.lines().skip(2).take_while(|line| line.starts_with('|')).count();
    assert_eq!(rows, bars, "{text}");
    assert!(text.contains("| idle: resident memory per connection, Hubbub ≤ 7 KiB | – | not measured |"), "{text}");
}

#[test]
fn the_command_of_a_part_is_the_one_that_was_used() {
    let mut results = results(&[]);
    let command = |results: &Results| how(&results.parts[0]);
    assert!(command(&results).starts_with("`make bench-peers ARGS='--parts big-room --rounds 3'`"));
    results.parts[0].flags = vec!["-d".to_owned(), "10s".to_owned()];
    assert!(command(&results).starts_with("`make bench-peers ARGS='--parts big-room --rounds 3 -- -d 10s'`"));
}

#[test]
fn a_rate_that_may_be_the_generators_limit_says_so() {
    let mut results = results(&[]);
    assert!(!markdown(&results, &Machine::default()).contains("The generator"));
    for (_, outcome) in results.parts[0].rounds.iter_mut().flatten() {
        outcome.figures.insert(Figure::GeneratorShare, outcome.figures[&Figure::CpuUsPerDelivery] / 7.5);
    }
    let text = markdown(&results, &Machine::default());
    assert!(text.contains("(93 % with Hubbub, 160 % with sockudo): that rate may be"), "{text}");
}

#[test]
fn the_page_keeps_what_stands_around_the_results() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("performance.md");
    std::fs::write(&page, format!("before\n{BEGIN}\nold\n{END}\nafter\n")).unwrap();
    for _ in 0..2 {
        write(&results(&[]), &Machine::default(), &page).unwrap();
    }
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("before\n") && text.ends_with("\nafter\n") && !text.contains("old"), "{text}");
    assert_eq!(text.matches("### One room").count(), 1);
    let svg = std::fs::read_to_string(folder.path().join("images/bench-big-room.svg")).unwrap();
    assert!(svg.contains("Hubbub") && svg.contains("7 µs"), "{svg}");
    std::fs::write(&page, "nothing to put it between").unwrap();
    assert!(write(&results(&[]), &Machine::default(), &page).is_err());
}

#[test]
fn results_that_only_the_page_still_has_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("performance.md");
    assert!(check(&Results::default(), &page).is_err(), "there is no page");
    std::fs::write(&page, "no marks").unwrap();
    assert!(matches!(check(&Results::default(), &page), Err(PageError::NoMarks(_))));
    std::fs::write(&page, format!("{BEGIN}\n{END}\n")).unwrap();
    check(&Results::default(), &page).unwrap();
    write(&results(&[]), &Machine::default(), &page).unwrap();
    check(&results(&[]), &page).unwrap();
    let error = check(&Results::default(), &page).unwrap_err().to_string();
    assert!(error.contains("would be lost: big-room;") && error.contains("--anew"), "{error}");
}

#[test]
fn a_part_that_was_measured_on_another_processor_says_so() {
    let here = Machine { processor: "new".to_owned(), ..Machine::default() };
    let text = markdown(&results(&[]), &here);
    assert!(text.contains("Measured on another processor than this page was last written on (new)"), "{text}");
    let text = markdown(&results(&[]), &Machine::default());
    assert!(!text.contains("another processor"), "{text}");
}
