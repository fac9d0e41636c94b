//! What the hot paths cost, in instructions, which do not depend on what else the machine does; each has a budget.
//!
//! `make bench` runs it. Valgrind counts: the program starts itself under it once for each path, and what counts is
//! what happens in [`measured`].

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot be made is to say so and end")]

mod scene;

use std::hint::black_box;
use std::process::{Command, ExitCode};

use hubbub::dialect;
use hubbub::hub::event::Event;
use hubbub::hub::room::Progress;
use hubbub_shared::{Position, RoomName};
use scene::Scene;

/// A path that is hot.
struct Path {
    name: &'static str,
    /// What there is one of for each of the units.
    unit: &'static str,
    units: u64,
    /// How many instructions each unit may take: a tenth more than it took when this was written.
    budget: u64,
    run: fn(u64),
}

const PATHS: [Path; 4] = [
    Path { name: "fan-out of one entry", unit: "recipient", units: 1_000, budget: 620, run: fan_out },
    Path { name: "encoding", unit: "entry", units: 100, budget: 6_900, run: encode },
    Path { name: "decoding", unit: "send", units: 100, budget: 11_100, run: decode },
    Path { name: "replay from the ring", unit: "entry", units: 500, budget: 590, run: replay },
];

/// Everything that is counted happens in here.
#[inline(never)]
fn measured(run: impl FnOnce()) {
    run();
    black_box(());
}

fn fan_out(recipients: u64) {
    let mut scene = Scene::with_seats(recipients);
    for _ in 0..3 {
        let entry = scene.next_entry();
        scene.broadcast(&entry);
    }
    let entry = scene.next_entry();
    measured(|| scene.broadcast(&entry));
}

fn encode(entries: u64) {
    let (_, dialect) = dialect::all().remove(0);
    let room = RoomName::new("big-room").unwrap();
    let event = Event::Entry(Scene::with_seats(0).next_entry());
    measured(|| (0..entries).for_each(|_| drop(black_box(dialect.event(&room, &event)))));
}

fn decode(sends: u64) {
    let (_, dialect) = dialect::all().remove(0);
    let text = "x".repeat(189);
    let send =
        format!(r#"{{"type":"send","id":7,"room":"big-room","data":{{"text":"{text}"}},"key":"a-1","echo":false}}"#);
    measured(|| (0..sends).for_each(|_| drop(black_box(dialect.request(&send).unwrap()))));
}

fn replay(entries: u64) {
    let mut scene = Scene::with_seats(1);
    for _ in 0..entries {
        let entry = scene.next_entry();
        scene.broadcast(&entry);
    }
    let back = scene.outbox(u64::MAX);
    let subscription = back.subscribe(scene.room.clone(), Position::start(), "joined".into()).unwrap();
    measured(|| {
        assert_eq!(scene.room.advance(&back, subscription), Progress::Done);
        assert_eq!(std::iter::from_fn(|| back.take()).count() as u64, entries + 1);
    });
}

/// The instructions that a path takes, as Valgrind counts them.
fn count(path: &Path) -> u64 {
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=hot_paths::measured*"])
        .arg(std::env::current_exe().unwrap())
        .arg(path.name)
        .output();
    let output = valgrind.unwrap_or_else(|error| panic!("valgrind counts the instructions; is it installed? {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok()).filter(|_| output.status.success());
    count.unwrap_or_else(|| panic!("valgrind did not count: {said}"))
}

fn main() -> ExitCode {
    let asked = std::env::args().nth(1).unwrap_or_default();
    if let Some(path) = PATHS.iter().find(|path| path.name == asked) {
        (path.run)(path.units);
        return ExitCode::SUCCESS;
    }
    let mut all_within = true;
    for path in &PATHS {
        let each = count(path) / path.units;
        let within = each > 0 && each <= path.budget;
        let verdict = if within { "" } else { "  TOO MANY" };
        println!("{:<22} {each:>6} instructions for each {:<10} of {:>6}{verdict}", path.name, path.unit, path.budget);
        all_within &= within;
    }
    if all_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
