//! The servers that are measured, and how each is started.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::process::{Process, StartError, command, free_port};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Contender {
    Floor,
    Hubbub,
    Sockudo,
    SocketIo,
}

/// A server alone, or replicas of it that share a Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) contender: Contender,
    /// 0 for one process without a Redis.
    pub(crate) replicas: usize,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The folder of the repository.
    pub(crate) root: PathBuf,
    /// That of what was built.
    pub(crate) target: PathBuf,
    /// Where servers write what they have to say.
    pub(crate) logs: PathBuf,
    /// This program.
    pub(crate) generator: PathBuf,
}

/// Servers that run.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) gateways: Vec<Process>,
    pub(crate) redis: Option<Process>,
    pub(crate) ports: Vec<u16>,
    contender: Contender,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Floor => "floor",
            Self::Hubbub => "Hubbub",
            Self::Sockudo => "sockudo",
            Self::SocketIo => "Socket.IO",
        })
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.replicas {
            0 => write!(f, "{}", self.contender),
            1 => write!(f, "{}, Redis", self.contender),
            replicas => write!(f, "{}, {replicas} replicas, Redis", self.contender),
        }
    }
}

impl Contender {
    /// As the generator names it.
    pub(crate) fn language(self) -> &'static str {
        match self {
            Self::Floor | Self::Hubbub => "native",
            Self::Sockudo => "pusher",
            Self::SocketIo => "socketio",
        }
    }

    fn runs_on_tokio(self) -> bool {
        match self {
            Self::Hubbub | Self::Sockudo => true,
            Self::Floor | Self::SocketIo => false,
        }
    }

    /// How it is started, on this port of 127.0.0.1; Hubbub with one of the configurations in `loadtest/peers`.
    pub(super) fn command(
        self,
        site: &Site,
        hubbub_config: &str,
        port: u16,
        redis: Option<u16>,
        processor: Option<usize>,
    ) -> Result<Command, StartError> {
        let peers = site.root.join("loadtest/peers");
        let listen = format!("127.0.0.1:{port}");
        Ok(match self {
            Self::Floor => {
                let mut floor = command(&site.generator, processor);
                floor.args(["floor", "--listen", &listen]);
                floor
            }
            Self::Hubbub => {
                let mut hubbub = command(&site.program("hubbub", "HUBBUB_BIN"), processor);
                hubbub.args(["serve", "--listen", &listen, "--config"]).arg(peers.join(hubbub_config));
                if let Some(redis) = redis {
                    hubbub.args(["--redis", &format!("redis://127.0.0.1:{redis}")]);
                }
                hubbub
            }
            Self::Sockudo => {
                let mut sockudo = command(&site.program("peers/bin/sockudo", "SOCKUDO_BIN"), processor);
                sockudo.arg("--config").arg(peers.join("sockudo.toml")).env("RUST_LOG", "warn");
                sockudo.env("PEER_PORT", port.to_string()).env("PEER_METRICS_PORT", free_port()?.to_string());
                if let Some(redis) = redis {
                    sockudo.envs([("PEER_ADAPTER", "redis"), ("PEER_CACHE", "redis")]);
                    sockudo.env("PEER_REDIS_PORT", redis.to_string());
                }
                sockudo
            }
            Self::SocketIo => {
                let mut node = command(Path::new("node"), processor);
                node.arg(peers.join("socketio/server.js")).env("PORT", port.to_string()).env("NODE_ENV", "production");
                if let Some(redis) = redis {
                    node.env("REDIS_URL", format!("redis://127.0.0.1:{redis}"));
                }
                node
            }
        })
    }
}

impl Setup {
    pub(crate) const fn alone(contender: Contender) -> Self {
        Self { contender, replicas: 0 }
    }

    /// Starts it, on free ports of 127.0.0.1, and on one processor if one is named.
    pub(crate) fn start(self, site: &Site, processor: Option<usize>) -> Result<Running, StartError> {
        let redis = match self.replicas {
            0 => None,
            _ => Some(start_redis(site, 0)?),
        };
        let mut running = Running { gateways: Vec::new(), redis: None, ports: Vec::new(), contender: self.contender };
        for _ in 0..self.replicas.max(1) {
            let port = free_port()?;
            let command = self.command(site, port, redis.as_ref().map(|redis| redis.1), processor)?;
            let name = self.contender.to_string().to_lowercase();
            running.gateways.push(Process::start(&name, command, port, &site.logs)?);
            running.ports.push(port);
        }
        running.redis = redis.map(|redis| redis.0);
        Ok(running)
    }

    /// How each of its processes is started.
    fn command(
        self,
        site: &Site,
        port: u16,
        redis: Option<u16>,
        processor: Option<usize>,
    ) -> Result<Command, StartError> {
        let mut command = self.contender.command(site, HUBBUB_CONFIG, port, redis, processor)?;
        // Replicas share the processors with each other, Redis and the generator. By default those that run on tokio would
        // start as many threads each as there are processors, and take turns on them for nothing.
        if self.replicas > 1 && self.contender.runs_on_tokio() {
            command.env("TOKIO_WORKER_THREADS", "1");
        }
        Ok(command)
    }
}

/// A Redis without persistence and without limits for those who are slow to read. A niceness below zero lets it come
/// before the others, where that is allowed.
pub(super) fn start_redis(site: &Site, niceness: i8) -> Result<(Process, u16), StartError> {
    let port = free_port()?;
    let mut redis = command(Path::new("nice"), None);
    redis.args(["-n", &niceness.to_string(), "redis-server"]);
    redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    redis.args(["--client-output-buffer-limit", "pubsub 0 0 0", "--dir"]).arg(&site.logs);
    Ok((Process::start("redis", redis, port, &site.logs)?, port))
}

/// Hubbub's configuration beside others.
const HUBBUB_CONFIG: &str = "hubbub.toml";

impl Site {
    /// Where programs are, with a folder for what servers say.
    pub(super) fn new(root: &Path, target: &Path) -> io::Result<Self> {
        let logs = target.join("bench/logs");
        std::fs::create_dir_all(&logs)?;
        Ok(Self { root: root.to_owned(), target: target.to_owned(), logs, generator: std::env::current_exe()? })
    }

    /// A program that was built, or the one that the environment names.
    fn program(&self, built: &str, variable: &str) -> PathBuf {
        match std::env::var_os(variable) {
            Some(path) => path.into(),
            None if built.contains('/') => self.target.join(built),
            None => self.target.join("release").join(built),
        }
    }
}

impl Running {
    /// The `--url` of the generator, which knows the paths of the others' languages.
    pub(crate) fn urls(&self) -> String {
        let path = match self.contender {
            Contender::Floor | Contender::Hubbub => hubbub_shared::WEBSOCKET_PATH,
            Contender::Sockudo | Contender::SocketIo => "",
        };
        let urls: Vec<String> = self.ports.iter().map(|port| format!("ws://127.0.0.1:{port}{path}")).collect();
        urls.join(",")
    }

    /// The `--pid` of the generator: the gateways first, then Redis.
    pub(crate) fn pids(&self) -> String {
        let processes = self.gateways.iter().chain(&self.redis);
        let pids: Vec<String> = processes.map(|process| format!("{}={}", process.name, process.pid())).collect();
        pids.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replicas_on_tokio_are_told_to_take_one_thread_each_and_all_of_them_alike() {
        let site = Site { root: ".".into(), target: ".".into(), logs: ".".into(), generator: "generator".into() };
        let threads = |contender, replicas| {
            let command = Setup { contender, replicas }.command(&site, 1, Some(2), None).unwrap();
            command.get_envs().any(|(name, value)| name == "TOKIO_WORKER_THREADS" && value == Some("1".as_ref()))
        };
        for contender in [Contender::Hubbub, Contender::Sockudo] {
            assert_eq!([0, 1, 3].map(|replicas| threads(contender, replicas)), [false, false, true], "{contender}");
        }
        assert!(!threads(Contender::SocketIo, 3), "it has one thread anyhow");
    }
}
