//! One Redis server.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::Process;
use crate::resp::{Connection, Reply};
use crate::tls::Certificates;
use crate::waiting::until;

#[cfg(test)]
mod tests;

/// The environment variable that names another program than `redis-server`, `valkey-server` for example.
const PROGRAM: &str = "HUBBUB_TEST_REDIS_SERVER";
/// What a cluster knows of itself, which a node keeps when its data is lost.
pub(crate) const CLUSTER_FILE: &str = "nodes.conf";
/// How often another port is tried when somebody was quicker.
const ATTEMPTS: usize = 5;

/// A Redis server of the test's own on 127.0.0.1. It keeps nothing on disk unless it is started so, and ends when this
/// is dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    tls_port: Option<u16>,
    arguments: Vec<String>,
    /// The default user's.
    password: Option<String>,
    /// User and password, as a URL begins with them.
    login: String,
    process: Mutex<Process>,
    certificates: Option<Certificates>,
    // Last, so that it is still there when the process ends.
    directory: TempDir,
}

/// How a server is to be started.
#[derive(Default)]
pub(crate) struct Plan {
    /// Instead of one that is free.
    pub(crate) port: Option<u16>,
    pub(crate) arguments: Vec<String>,
    /// A configuration file of this content, and a Sentinel instead of a server.
    pub(crate) sentinel: Option<String>,
    /// The content of `nodes.conf`.
    pub(crate) cluster: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) login: String,
    pub(crate) tls: bool,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As `start`, with more arguments: `["--maxmemory", "10mb"]`, `["--appendonly", "yes"]`.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::launch(Plan { arguments: owned(arguments), ..Plan::default() })
    }

    /// As `start`; everybody has to give this password, as `url` does.
    pub fn start_with_password(password: &str) -> Self {
        let (password, login) = (Some(password.to_owned()), format!(":{password}@"));
        Self::launch(Plan { password, login, ..Plan::default() })
    }

    /// As `start`, with one user besides the default one, that `url` names: `["~hb:*", "&hb:*", "+@all"]` are rules of ACL
    /// SETUSER. The default user has a password.
    pub fn start_with_user(name: &str, password: &str, rules: &[&str]) -> Self {
        let secret = format!(">{password}");
        let user = ["--user", name, "on", &secret].into_iter().chain(rules.iter().copied()).map(str::to_owned);
        let login = format!("{name}:{password}@");
        Self::launch(Plan {
            arguments: user.collect(),
            password: Some("of-the-default-user".to_owned()),
            login,
            ..Plan::default()
        })
    }

    /// As `start_with`, with TLS at `url`; who believes `ca_file` believes it.
    pub fn start_with_tls(arguments: &[&str]) -> Self {
        Self::launch(Plan { arguments: owned(arguments), tls: true, ..Plan::default() })
    }

    /// Starts a replica of this server and waits until it has its data.
    pub fn start_replica_of(master: &Self) -> Self {
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        replica.wait_for_its_master();
        replica
    }

    /// Waits until this replica has its master's data.
    pub fn wait_for_its_master(&self) {
        until("the replica to have its master's data", || {
            self.info("master_link_status").filter(|status| status == "up")
        });
    }

    pub(crate) fn launch(plan: Plan) -> Self {
        let attempts = if plan.port.is_some() { 1 } else { ATTEMPTS };
        let mut said = String::new();
        for _ in 0..attempts {
            let server = Self::spawn(&plan);
            match server.wait_until_it_answers() {
                Ok(()) => return server,
                Err(log) => said = log,
            }
        }
        panic!("the server did not start:\n{said}");
    }

    /// Starts the process, and does not wait for it.
    pub(crate) fn spawn(plan: &Plan) -> Self {
        let port = plan.port.unwrap_or_else(free_port);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, content: &str| fs::write(directory.path().join(name), content).expect("a file");
        let certificates = plan.tls.then(|| Certificates::new(directory.path()));
        let tls_port = plan.tls.then(free_port);

        let mut arguments = Vec::new();
        if let Some(configuration) = &plan.sentinel {
            write("sentinel.conf", configuration);
            arguments.extend(owned(&["sentinel.conf", "--sentinel"]));
        } else {
            arguments.extend(owned(&["--save", "", "--appendonly", "no", "--enable-debug-command", "local"]));
            arguments.extend(owned(&["--repl-diskless-sync-delay", "0"]));
        }
        arguments.extend(owned(&["--bind", "127.0.0.1", "--port", &port.to_string()]));
        if let Some(nodes) = &plan.cluster {
            write(CLUSTER_FILE, nodes);
        }
        if let Some(password) = &plan.password {
            arguments.extend(owned(&["--requirepass", password]));
        }
        if let (Some(files), Some(port)) = (&certificates, tls_port) {
            let path = |path: &Path| path.to_string_lossy().into_owned();
            arguments.extend(owned(&["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]));
            arguments.extend(owned(&["--tls-ca-cert-file", &path(&files.authority)]));
            arguments.extend(owned(&[
                "--tls-cert-file",
                &path(&files.certificate),
                "--tls-key-file",
                &path(&files.key),
            ]));
        }
        arguments.extend(plan.arguments.iter().cloned());
        let process = Mutex::new(process(&arguments, &directory));
        let (password, login) = (plan.password.clone(), plan.login.clone());
        Self { port, tls_port, arguments, password, login, process, certificates, directory }
    }

    /// Waits until it answers; if it ends instead, gives what it said.
    pub(crate) fn wait_until_it_answers(&self) -> Result<(), String> {
        until("the server to answer", || {
            if !self.is_running() {
                return Some(Err(self.process().said()));
            }
            let answer = self.cli(&["PING"]);
            answer.is_ok_and(|answer| answer == "PONG").then_some(Ok(()))
        })
    }

    /// Where it listens without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://…` with the login, `rediss://…` where it was started with TLS.
    pub fn url(&self) -> String {
        let (scheme, port) = self.tls_port.map_or(("redis", self.port), |port| ("rediss", port));
        format!("{scheme}://{}127.0.0.1:{port}", self.login)
    }

    /// The certificate of the authority to believe, in PEM, where it was started with TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(|files| files.authority.clone())
    }

    /// Runs a command as the default user, over a connection of its own, as `redis-cli` would. Errors of the server, and of the way to it, are
    /// `Err`.
    pub fn cli(&self, arguments: &[&str]) -> Result<String, String> {
        self.call(arguments).map(|reply| reply.to_string())
    }

    /// As `cli`, after the password was changed to this one.
    pub fn cli_with_password(&self, password: &str, arguments: &[&str]) -> Result<String, String> {
        self.call_as(Some(password), arguments).map(|reply| reply.to_string())
    }

    /// As `cli`, with the reply in its shape.
    pub fn call(&self, arguments: &[&str]) -> Result<Reply, String> {
        self.call_as(self.password.as_deref(), arguments)
    }

    fn call_as(&self, password: Option<&str>, arguments: &[&str]) -> Result<Reply, String> {
        let call = || {
            let mut connection = Connection::open(self.port)?;
            if let Some(password) = password
                && let Err(refusal) = connection.call(&["AUTH", password])?
            {
                return Ok(Err(refusal));
            }
            connection.call(arguments)
        };
        call().unwrap_or_else(|error| Err(error.to_string()))
    }

    /// A field of INFO, where the server answers and has it.
    pub fn info(&self, field: &str) -> Option<String> {
        let info = self.cli(&["INFO", "everything"]).ok()?;
        info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(|value| value.trim().to_owned()))
    }

    /// Freezes it (SIGSTOP): connections stay open, nothing is answered.
    pub fn pause(&self) {
        self.process().pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process().resume();
    }

    /// Ends it at once (SIGKILL), also where it is frozen.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Ends it if it still runs, and starts it on the same port with what it kept on disk.
    pub fn restart(&self) {
        let mut process_now = self.process();
        process_now.kill();
        *process_now = process(&self.arguments, &self.directory);
        drop(process_now);
        self.wait_until_it_answers().unwrap_or_else(|log| panic!("the server did not start again:\n{log}"));
    }

    /// As `restart`, after the loss of everything that it kept on disk.
    pub fn restart_empty(&self) {
        self.kill();
        for entry in fs::read_dir(self.directory.path()).expect("the server's directory").flatten() {
            let path = entry.path();
            let is_data = path.is_dir() || path.extension().is_some_and(|extension| extension == "rdb");
            if is_data {
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.expect("the server's data can be removed");
            }
        }
        self.restart();
    }

    /// Whether the process lives, frozen or not.
    pub fn is_running(&self) -> bool {
        self.process().is_running()
    }

    /// Whether the process lives and is not frozen.
    pub fn is_answering(&self) -> bool {
        self.process().is_answering()
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn process(arguments: &[String], directory: &TempDir) -> Process {
    let mut command = Command::new(env::var(PROGRAM).unwrap_or_else(|_| "redis-server".to_owned()));
    command.args(arguments);
    Process::spawn(command, directory.path())
}

pub(crate) fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&argument| argument.to_owned()).collect()
}
