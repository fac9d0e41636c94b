//! A child process that can be frozen and killed, and that does not outlive its owner.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) struct Process {
    child: Mutex<Child>,
    is_paused: AtomicBool,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Process").field(&self.child().id()).finish()
    }
}

impl Process {
    /// Starts the program; what it says goes to the end of this file.
    pub(crate) fn start(program: &str, arguments: &[String], directory: &Path, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("the log cannot be opened");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(directory).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log cannot be shared")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "{program} cannot be started: {error}; install it (`make prepare`) or name another in {}",
                crate::server::PROGRAM
            )
        });
        Self { child: Mutex::new(child), is_paused: AtomicBool::new(false) }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    pub(crate) fn is_answering(&self) -> bool {
        !self.is_paused.load(Ordering::Relaxed) && self.is_running()
    }

    /// Sends a signal; a process that has ended takes none.
    fn signal(&self, signal: Signal) {
        let mut child = self.child();
        if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(child.id().cast_signed())) {
            kill_process(pid, signal).expect("the signal cannot be sent");
        }
    }

    /// Freezes it: its sockets stay open and the kernel goes on acknowledging for it.
    pub(crate) fn pause(&self) {
        self.is_paused.store(true, Ordering::Relaxed);
        self.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
        self.is_paused.store(false, Ordering::Relaxed);
    }

    /// Ends it at once, frozen or not, and waits until it is gone.
    pub(crate) fn kill(&self) {
        let mut child = self.child();
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
