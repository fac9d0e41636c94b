//! What the figures were found on, without which they say little.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The machine, the programs, and when it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Year, month and day.
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// The commit that was measured, with a `+` if there were changes.
    pub(crate) commit: String,
    pub(crate) redis: String,
    pub(crate) node: String,
}

impl Machine {
    /// This one, now. What it does not tell is left empty.
    pub(crate) fn here(root: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim().to_owned()).unwrap_or_default()
        };
        let memory = after(&read("/proc/meminfo"), "MemTotal");
        let memory_kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        let git = |arguments: &[&str]| say(Command::new("git").arg("-C").arg(root).args(arguments));
        let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
        let redis = say(Command::new("redis-server").arg("--version"));
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string().chars().take(10).collect(),
            processor: after(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_kib.div_ceil(1024 * 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            commit: git(&["rev-parse", "--short", "HEAD"]) + if is_changed { "+" } else { "" },
            redis: redis.split("v=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned(),
            node: say(Command::new("node").arg("--version")).trim_start_matches('v').to_owned(),
        }
    }
}

/// What a program says; nothing where there is none.
fn say(command: &mut Command) -> String {
    let output = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_default()
}
