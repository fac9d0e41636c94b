//! A child process that can be frozen and killed, and that does not outlive its owner.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::waiting::until;

/// A child process that can be frozen and killed, and that is killed when this is dropped.
pub struct Process {
    child: Mutex<Child>,
    is_paused: AtomicBool,
    output: PathBuf,
    /// Its working directory, where it has one of its own. Last, so that it is still there when the process ends.
    directory: Option<TempDir>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Process").field(&self.child().id()).finish()
    }
}

impl Process {
    /// Starts a program with these arguments and no other environment, in a directory of its own.
    pub fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(environment.iter().copied());
        let mut process = Self::spawn(command, directory.path());
        process.directory = Some(directory);
        process
    }

    /// Starts the command in this directory, where what it says is kept too.
    pub(crate) fn spawn(mut command: Command, directory: &Path) -> Self {
        let output = directory.join("output.log");
        let file = File::options().create(true).append(true).open(&output).expect("the output cannot be kept");
        command.current_dir(directory).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("the output cannot be shared")).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{program} cannot be started: {error}; install it (`make prepare`)")
        });
        Self { child: Mutex::new(child), is_paused: AtomicBool::new(false), output, directory: None }
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits for a line with this part, and gives it.
    pub fn wait_for_line(&self, part: &str) -> String {
        until(part, || {
            let said = self.said();
            let line = said.lines().find(|line| line.contains(part)).map(str::to_owned);
            assert!(line.is_some() || self.is_running(), "the process ended and said {said}");
            line
        })
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it lives, frozen or not.
    pub fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Whether it lives and is not frozen.
    pub fn is_answering(&self) -> bool {
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
    pub fn pause(&self) {
        self.is_paused.store(true, Ordering::Relaxed);
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
        self.is_paused.store(false, Ordering::Relaxed);
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once, frozen or not, and waits until it is gone.
    pub fn kill(&self) {
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
