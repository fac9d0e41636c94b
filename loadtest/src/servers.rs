//! What the processes of the servers use, as Linux tells it: processor time, memory and threads from `/proc`, system calls
//! from a tracepoint of the kernel.
//!
//! [`Watch::new`] begins to count, [`Watch::look`] says how things stand, and [`used`] says what lies between two looks.

mod system_calls;
mod usage;

use std::str::FromStr;

use procfs::process::Process;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::system_calls::SystemCalls;
pub(crate) use self::usage::{Figures, Per, Usage, Used, sum, used};

/// A process of this machine and what it is called in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) pid: u32,
    /// `None` for the name that the process has itself.
    pub(crate) name: Option<String>,
}

/// What to do where system calls could not be counted.
pub(crate) const UNCOUNTED: &str = "System calls were not counted: that takes root (or a lower kernel.perf_event_paranoid) \
                                    and, once, `mount -t tracefs nodev /sys/kernel/tracing`.";

/// Why a process cannot be watched.
#[derive(Debug, Error)]
pub(crate) enum ServerError {
    #[error("{0} is neither PID nor NAME=PID")]
    Form(String),
    #[error("there is no process {0}, or it may not be looked at: {1}")]
    Gone(u32, procfs::ProcError),
}

impl FromStr for Server {
    type Err = ServerError;

    /// Reads `PID` or `NAME=PID`.
    fn from_str(text: &str) -> Result<Self, ServerError> {
        let form = || ServerError::Form(text.to_owned());
        let (name, pid) = match text.rsplit_once('=') {
            Some(("", _)) => return Err(form()),
            Some((name, pid)) => (Some(name.to_owned()), pid),
            None => (None, text),
        };
        Ok(Self { pid: pid.parse().map_err(|_| form())?, name })
    }
}

/// Processes that are watched, each with its counter of system calls.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    process: Process,
    name: String,
    /// Nothing where this user may not count them, or this kernel cannot.
    system_calls: Option<SystemCalls>,
}

/// How things stand with one process at one moment; `None` within where it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pid: u32,
    name: String,
    state: Option<State>,
}

/// What a living process has used up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// All processor time, to the nanosecond where the kernel keeps it so.
    cpu_us: u64,
    /// How it is split, in ticks of 10 ms.
    user_ticks: u64,
    system_ticks: u64,
    resident_bytes: u64,
    resident_peak_bytes: u64,
    threads: u64,
    /// Since the watch began.
    system_calls: Option<u64>,
}

impl Watch {
    /// Begins to watch these processes; an error where one of them is not there. Threads and children that they start
    /// from now on are counted with them as far as system calls go; children of before are not.
    pub(crate) fn new(servers: &[Server]) -> Result<Self, ServerError> {
        let watched = servers.iter().map(Watched::new).collect::<Result<_, _>>()?;
        Ok(Self { watched })
    }

    /// How things stand now, in the order in which the processes were named.
    pub(crate) fn look(&mut self) -> Vec<Look> {
        self.watched.iter_mut().map(Watched::look).collect()
    }
}

impl Watched {
    fn new(server: &Server) -> Result<Self, ServerError> {
        let gone = |error| ServerError::Gone(server.pid, error);
        // Held open by its folder, so that another process that is given the same number is not taken for it.
        let process = Process::new(server.pid.cast_signed()).map_err(gone)?;
        let name = match &server.name {
            Some(name) => name.clone(),
            None => process.stat().map_err(gone)?.comm,
        };
        Ok(Self { system_calls: SystemCalls::count(&process).ok(), process, name })
    }

    fn look(&mut self) -> Look {
        Look { pid: self.process.pid.cast_unsigned(), name: self.name.clone(), state: self.state().ok() }
    }

    fn state(&mut self) -> procfs::ProcResult<State> {
        let (stat, status) = (self.process.stat()?, self.process.status()?);
        // A process that has ended stays in the list without memory until somebody takes note.
        let resident = status.vmrss.ok_or(procfs::ProcError::NotFound(None))?;
        Ok(State {
            cpu_us: self.cpu_us(stat.utime + stat.stime),
            user_ticks: stat.utime,
            system_ticks: stat.stime,
            resident_bytes: resident * 1024,
            resident_peak_bytes: status.vmhwm.unwrap_or(resident) * 1024,
            threads: status.threads,
            system_calls: self.system_calls.as_mut().and_then(|calls| calls.so_far().ok()),
        })
    }

    /// The threads' own times are exact, but go with threads that end; what the process counts keeps these, in ticks.
    fn cpu_us(&self, ticks: u64) -> u64 {
        let threads = self.process.tasks().into_iter().flatten().flatten();
        let ns: u64 = threads.filter_map(|thread| thread.schedstat().ok()).map(|times| times.sum_exec_runtime).sum();
        (ns / 1_000).max(ticks * 1_000_000 / procfs::ticks_per_second().max(1))
    }
}

#[cfg(test)]
mod tests;
