use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// A process that is ended with its test.
struct Another(Child);

impl Another {
    fn start(script: &str) -> Self {
        Self(Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn server(&self) -> Server {
        Server { pid: self.0.id(), name: None }
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Looks again and again until the usage is as it is waited for.
fn until(watch: &mut Watch, before: &[Look], good: impl Fn(&Usage) -> bool) -> Usage {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let usage = used(before, &watch.look(), Per { messages: 10, deliveries: 100, connections: 0 }).remove(0);
        if good(&usage) {
            return usage;
        }
        assert!(Instant::now() < end, "{usage:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_process_is_named_by_its_number_with_or_without_a_name_of_ours() {
    assert_eq!("42".parse::<Server>().unwrap(), Server { pid: 42, name: None });
    assert_eq!("a=b=42".parse::<Server>().unwrap(), Server { pid: 42, name: Some("a=b".to_owned()) });
    for wrong in ["", "=42", "x", "x=", "-1", "x=y"] {
        assert!(wrong.parse::<Server>().is_err(), "{wrong}");
    }
}

#[test]
fn who_is_not_there_cannot_be_watched() {
    let error = Watch::new(&[Server { pid: u32::MAX >> 1, name: None }]).unwrap_err();
    assert!(error.to_string().starts_with("there is no process 2147483647"), "{error}");
}

#[test]
fn what_a_process_uses_is_counted_between_two_looks() {
    let another = Another::start("while :; do :; done");
    let mut watch = Watch::new(&[Server { name: Some("busy".to_owned()), ..another.server() }]).unwrap();
    let before = watch.look();
    let usage = until(&mut watch, &before, |usage| usage.figures.as_ref().unwrap().cpu_us() >= 50_000);
    let figures = usage.figures.unwrap();
    assert_eq!((usage.pid, usage.name.as_str()), (another.0.id(), "busy"));
    assert_eq!(figures.threads, 1);
    assert!(figures.resident_bytes > 0 && figures.resident_peak_bytes >= figures.resident_bytes, "{figures:?}");
    assert_eq!(figures.cpu_us_per_message, Some(figures.cpu_us() as f64 / 10.0));
    assert_eq!(figures.cpu_us_per_delivery, Some(figures.cpu_us() as f64 / 100.0));
    assert_eq!(figures.cpu_us_per_connection, None, "there was none to divide by");
}

#[test]
fn processor_time_is_known_more_exactly_than_by_the_ticks_of_the_kernel() {
    let another = Another::start("while :; do :; done");
    let mut watch = Watch::new(&[another.server()]).unwrap();
    let before = watch.look();
    let tick_us = 1_000_000 / procfs::ticks_per_second();
    until(&mut watch, &before, |usage| !usage.figures.as_ref().unwrap().cpu_us().is_multiple_of(tick_us));
}

#[test]
fn processor_time_of_threads_that_have_ended_is_not_lost() {
    let state = |cpu_us, user_ticks, system_ticks| State {
        cpu_us,
        user_ticks,
        system_ticks,
        resident_bytes: 0,
        resident_peak_bytes: 0,
        threads: 1,
        system_calls: None,
    };
    let figures = Figures::of(&state(1_000, 1, 0), &state(41_900, 2, 3), Per::default());
    assert_eq!((figures.cpu_us(), figures.cpu_system_us), (40_900, 30_675), "the ticks only say how it is split");
    let another = Another::start("while :; do :; done");
    let watched = Watched::new(&another.server()).unwrap();
    assert!(watched.cpu_us(1_000_000) >= 10_000_000_000, "what only the ticks know of counts, too");
}

#[test]
fn system_calls_are_counted_where_it_is_allowed_and_missing_where_it_is_not() {
    let another = Another::start("while :; do echo; done");
    let allowed = SystemCalls::count(&Process::new(another.0.id().cast_signed()).unwrap()).is_ok();
    let mut watch = Watch::new(&[another.server()]).unwrap();
    let before = watch.look();
    let calls = |usage: &Usage| usage.figures.as_ref().unwrap().system_calls;
    if allowed {
        // Each `echo` writes once.
        let usage = until(&mut watch, &before, |usage| calls(usage).unwrap() >= 1_000);
        assert!(usage.figures.unwrap().system_calls_per_delivery.unwrap() >= 10.0);
    } else {
        eprintln!("{UNCOUNTED} So it is only checked that they are missing.");
        let usage = until(&mut watch, &before, |usage| usage.figures.as_ref().unwrap().cpu_us() > 0);
        assert_eq!((calls(&usage), usage.figures.unwrap().system_calls_per_delivery), (None, None));
    }
}

#[test]
fn system_calls_of_what_a_process_starts_later_are_counted_with_it() {
    // The loop asks by a system call whether the first process is still there, and ends with it.
    let mut another = Another::start("read -r go; (while kill -0 $$; do :; done) 2>/dev/null & wait");
    if SystemCalls::count(&Process::new(another.0.id().cast_signed()).unwrap()).is_err() {
        eprintln!("NOT TESTED. {UNCOUNTED}");
        return;
    }
    let mut watch = Watch::new(&[another.server()]).unwrap();
    let before = watch.look();
    another.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    until(&mut watch, &before, |usage| usage.figures.as_ref().unwrap().system_calls.unwrap() >= 1_000);
}

#[test]
fn a_process_that_ended_has_no_figures() {
    let mut another = Another::start("while :; do :; done");
    let mut watch = Watch::new(&[another.server()]).unwrap();
    let before = watch.look();
    another.0.kill().unwrap();
    // Whether somebody took note of its end or not.
    until(&mut watch, &before, |usage| usage.figures.is_none());
    another.0.wait().unwrap();
    let usage = used(&before, &watch.look(), Per::default()).remove(0);
    assert_eq!((usage.name.as_str(), usage.figures), ("sh", None));
}

#[test]
fn a_usage_survives_its_json() {
    let another = Another::start("while :; do :; done");
    let mut watch = Watch::new(&[another.server()]).unwrap();
    let (before, after) = (watch.look(), watch.look());
    let usage = used(&before, &after, Per { messages: 3, deliveries: 7, connections: 1 });
    let json = serde_json::to_string(&usage).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Usage>>(&json).unwrap(), usage);
}

#[test]
fn what_one_of_several_processes_lacks_is_not_known_of_all_together() {
    let usage = |figures| Usage { pid: 1, name: String::new(), figures };
    let has = |us| usage(Some(Figures { cpu_us_per_delivery: Some(us), ..Figures::default() }));
    let all = |usages: &[Usage]| sum(usages, |figures| figures.cpu_us_per_delivery);
    assert_eq!(all(&[has(1.0), has(2.0)]), Some(3.0));
    assert_eq!(all(&[has(1.0), usage(Some(Figures::default()))]), None);
    assert_eq!(all(&[has(1.0), usage(None)]), None);
    assert_eq!(all(&[]), None);
}
