//! How much processor time other processes used, as Linux tells it in `/proc`.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What `/proc` counts processor time in, on every machine that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// One process, and what it had used up when it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) used: Duration,
}

/// What one process used during the run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Processor {
    pub(crate) pid: u32,
    pub(crate) name: String,
    /// User and system together; nothing where the process ended meanwhile.
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) us_per_message: Option<f64>,
    pub(crate) us_per_delivery: Option<f64>,
}

impl Process {
    /// Looks at a process.
    pub(crate) fn look(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (name, used) = read(&stat).ok_or_else(|| io::Error::other("/proc says it in an unknown way"))?;
        Ok(Self { pid, name, used })
    }

    /// What it has used since it was looked at, for so many messages and deliveries.
    pub(crate) fn since(&self, messages: u64, deliveries: u64) -> Processor {
        let now = Self::look(self.pid).ok().filter(|now| now.name == self.name);
        let cpu = now.and_then(|now| now.used.checked_sub(self.used));
        let per = |count: u64| match cpu {
            Some(cpu) if count > 0 => Some(cpu.as_secs_f64() * 1e6 / count as f64),
            Some(_) | None => None,
        };
        Processor {
            pid: self.pid,
            name: self.name.clone(),
            cpu_ms: cpu.map(|cpu| cpu.as_millis() as u64),
            us_per_message: per(messages),
            us_per_delivery: per(deliveries),
        }
    }
}

/// Reads the name, and the time used in user and in system mode.
fn read(stat: &str) -> Option<(String, Duration)> {
    // The name stands in parentheses and may hold any character, such as a parenthesis.
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut ticks = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = ticks.next()?.ok()? + ticks.next()?.ok()?;
    Some((name.to_owned(), Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_found_behind_any_name() {
        let rest = "S 1 2 3 0 -1 4194560 10 20 30 40 150 25 7 9 20 0 12 0 100 200 300";
        for name in ["hubbub", "a) S (b", ""] {
            let read = read(&format!("42 ({name}) {rest}")).unwrap();
            assert_eq!(read, (name.to_owned(), Duration::from_millis(1_750)));
        }
        assert!(read("42 (hubbub) S 1 2").is_none());
    }

    #[test]
    fn what_a_process_used_is_counted_from_the_first_look() {
        let process = Process::look(std::process::id()).unwrap();
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        let earlier = Process { used: Duration::ZERO, ..process.clone() };
        let used = earlier.since(10, 0);
        assert!(used.cpu_ms.unwrap() >= process.used.as_millis() as u64, "{used:?}");
        assert_eq!((used.us_per_message.is_some(), used.us_per_delivery), (true, None));
        let another = Process { name: "another".to_owned(), ..process };
        assert_eq!(another.since(1, 1).cpu_ms, None, "that one has ended, and its number was given to this one");
    }
}
