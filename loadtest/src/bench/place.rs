//! What was compared, where and when.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// The machine, the programs, and when it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Year, month and day.
    pub(crate) date: String,
    #[serde(flatten)]
    pub(crate) machine: Machine,
    /// The commit that was measured, with a `+` if there were changes outside of `docs`.
    pub(crate) commit: String,
    pub(crate) redis: String,
    pub(crate) node: String,
}

impl Place {
    /// Here, now. What is not told is left empty.
    pub(crate) fn here(root: &Path) -> Self {
        let git = |arguments: &[&str]| say(Command::new("git").arg("-C").arg(root).args(arguments));
        // What is found is written there, part after part.
        let elsewhere = ["--", ":/", ":(top,exclude)docs"];
        let is_changed =
            !git(&[&["status", "--porcelain", "--untracked-files=no"], &elsewhere[..]].concat()).is_empty();
        let redis = say(Command::new("redis-server").arg("--version"));
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string().chars().take(10).collect(),
            machine: Machine::here(),
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
