//! Servers of this machine that are started for a measurement and end with it.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use thiserror::Error;

/// How long a server may take until it listens.
const START_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a server does not run.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("{name} could not be started: {error}; `loadtest/peers/install` installs what is measured")]
    Spawn { name: String, error: io::Error },
    #[error("{name} ended at once ({status}); its words are in {log}")]
    Ended { name: String, status: ExitStatus, log: PathBuf },
    #[error("{name} did not listen within {} s; its words are in {log}", START_MAX.as_secs())]
    Silent { name: String, log: PathBuf },
    #[error("no free port: {0}")]
    Port(io::Error),
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
}

/// A command that ends with this program however it ends, on one processor if one is named. It gets nothing of the
/// environment but what finds programs.
pub(crate) fn command(program: &Path, processor: Option<usize>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(processor) = processor {
        command.args(["taskset", "--cpu-list", &processor.to_string()]);
    }
    command.arg(program).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> Result<u16, StartError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(StartError::Port)?;
    Ok(listener.local_addr().map_err(StartError::Port)?.port())
}

impl Process {
    /// Starts a server and waits until it listens on this port. What it says goes to a file in the folder.
    pub(crate) fn start(name: &str, mut command: Command, port: u16, logs: &Path) -> Result<Self, StartError> {
        let spawn = |error| StartError::Spawn { name: name.to_owned(), error };
        let log = logs.join(format!("{name}-{port}.log"));
        let words = File::create(&log).map_err(spawn)?;
        command.stderr(words.try_clone().map_err(spawn)?).stdout(words);
        let mut process = Self::spawn(name, command)?;
        let end = Instant::now() + START_MAX;
        loop {
            if TcpStream::connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(process);
            }
            if let Some(status) = process.ended() {
                return Err(StartError::Ended { name: name.to_owned(), status, log });
            }
            if Instant::now() > end {
                return Err(StartError::Silent { name: name.to_owned(), log });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Starts a program that listens to nobody.
    pub(crate) fn spawn(name: &str, mut command: Command) -> Result<Self, StartError> {
        let child = command.spawn().map_err(|error| StartError::Spawn { name: name.to_owned(), error })?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to save, and may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_at_once_is_told_of_with_the_place_of_its_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = Process::start("false", command(Path::new("false"), None), 9, folder.path()).unwrap_err();
        assert!(error.to_string().contains("false ended at once"), "{error}");
        assert!(error.to_string().contains("false-9.log"), "{error}");
    }

    #[test]
    fn a_command_has_the_processor_that_it_is_given_and_little_of_the_environment() {
        let output = command(Path::new("sh"), Some(0)).args(["-c", "env; taskset -p $$"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("PATH=") && !text.contains("CARGO"), "{text}");
        assert!(text.contains("affinity mask: 1"), "{text}");
    }
}
