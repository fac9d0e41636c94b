//! How many system calls a process makes. Neither `/proc` nor the process itself knows; the kernel counts them at the
//! tracepoint that `strace -c` would stop at, which costs the process next to nothing.

use std::io;

use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};
use procfs::process::Process;

/// Where the kernel says which number the tracepoint has; the second place is that of older ones.
const TRACEPOINTS: [&str; 2] = [
    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
];

/// One counter for each thread that the process had, which threads started later share.
#[derive(Debug)]
pub(crate) struct SystemCalls {
    counters: Vec<Counter>,
}

impl SystemCalls {
    /// Begins to count; an error where this user may not (root may), or this kernel has no such tracepoint.
    pub(crate) fn count(process: &Process) -> io::Result<Self> {
        let tracepoint = tracepoint()?;
        let mut counters = Vec::new();
        for thread in process.tasks().map_err(io::Error::other)?.flatten() {
            let built = Builder::new(Tracepoint::with_id(tracepoint))
                .observe_pid(thread.tid)
                .any_cpu()
                .inherit(true)
                .include_kernel()
                .include_hv()
                .enabled(true)
                .build();
            match built {
                Ok(counter) => counters.push(counter),
                // ESRCH: this thread has ended, the process goes on.
                Err(error) if error.raw_os_error() == Some(3) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { counters })
    }

    /// How many there were since the counting began.
    pub(crate) fn so_far(&mut self) -> io::Result<u64> {
        self.counters.iter_mut().map(Counter::read).sum()
    }
}

fn tracepoint() -> io::Result<u64> {
    let id = TRACEPOINTS.iter().find_map(|path| std::fs::read_to_string(path).ok());
    let id = id.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    id.trim().parse().map_err(io::Error::other)
}
