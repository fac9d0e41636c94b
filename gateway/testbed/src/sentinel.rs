//! A master with two replicas, watched by three Sentinels.

use std::fmt::Write as _;

use crate::cluster::node_id;
use crate::ports::free_port;
use crate::server::{Plan, RedisServer};
use crate::waiting::until;

/// What the Sentinels call the master.
const SERVICE: &str = "mymaster";

/// A master with two replicas, watched by three Sentinels that replace it about 2 s after its death.
#[derive(Debug)]
pub struct Sentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl Sentinel {
    /// Starts all six and waits until the Sentinels agree that they could replace the master.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As `start`; the arguments are those of the servers.
    pub fn start_with(arguments: &[&str]) -> Self {
        let master = RedisServer::start_with(arguments);
        let port = master.port().to_string();
        let arguments = [arguments, &["--replicaof", "127.0.0.1", &port]].concat();
        let replicas: Vec<_> = (0..2).map(|_| RedisServer::start_with(&arguments)).collect();
        replicas.iter().for_each(RedisServer::wait_for_its_master);

        // They are told of each other at once: finding each other would take them seconds.
        let known: Vec<_> = (0..3).map(|_| (free_port(), node_id())).collect();
        let sentinels = known.iter().map(|(port, id)| {
            let others = known.iter().filter(|other| other.0 != *port);
            let others = others.map(|(port, id)| format!("sentinel known-sentinel {SERVICE} 127.0.0.1 {port} {id}\n"));
            let replicas = replicas
                .iter()
                .map(|replica| format!("sentinel known-replica {SERVICE} 127.0.0.1 {}\n", replica.port()));
            let mut configuration = format!(
                "sentinel myid {id}\n\
                 sentinel monitor {SERVICE} 127.0.0.1 {} 2\n\
                 sentinel down-after-milliseconds {SERVICE} 1000\n\
                 sentinel failover-timeout {SERVICE} 3000\n",
                master.port()
            );
            for line in replicas.chain(others) {
                let _ = configuration.write_str(&line);
            }
            RedisServer::launch(Plan { port: Some(*port), sentinel: Some(configuration), ..Plan::default() })
        });
        let sentinels = sentinels.collect();
        let servers = std::iter::once(master).chain(replicas).collect();
        let this = Self { servers, sentinels };
        this.wait_for_quorum();
        this
    }

    fn wait_for_quorum(&self) {
        for sentinel in &self.sentinels {
            until("the Sentinels' quorum", || sentinel.cli(&["SENTINEL", "CKQUORUM", SERVICE]).ok());
        }
    }

    /// `redis-sentinel://` with the three Sentinels and the name of the service.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis-sentinel://{}/{SERVICE}", hosts.join(","))
    }

    /// The server that the Sentinels call the master now.
    pub fn master(&self) -> &RedisServer {
        until("a master that the Sentinels agree on", || {
            let address = |sentinel: &RedisServer| {
                let address = sentinel.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).ok()?;
                address.list().get(1)?.number()
            };
            let port = address(&self.sentinels[0])
                .filter(|&port| self.sentinels.iter().all(|one| address(one) == Some(port)))?;
            self.servers.iter().find(|server| i64::from(server.port()) == port)
        })
    }

    /// The servers that are not the master.
    pub fn replicas(&self) -> Vec<&RedisServer> {
        let master = self.master().port();
        self.servers.iter().filter(|server| server.port() != master).collect()
    }

    /// The first of the three Sentinels, and so on.
    pub fn sentinel(&self, number: usize) -> &RedisServer {
        &self.sentinels[number]
    }

    /// Waits until another server than this one is the master, also in its own eyes, and gives it.
    pub fn wait_for_another_master(&self, than: &RedisServer) -> &RedisServer {
        until("another master", || {
            let master = self.master();
            let knows = || master.info("role").as_deref() == Some("master");
            (master.port() != than.port() && knows()).then_some(master)
        })
    }

    /// Has the Sentinels replace the master in peace, and gives the new one.
    pub fn fail_over(&self) -> &RedisServer {
        let master = self.master();
        // Refused while they still think that a replica is not there yet.
        until("the Sentinels to begin", || self.sentinels[0].cli(&["SENTINEL", "FAILOVER", SERVICE]).ok());
        self.wait_for_another_master(master)
    }

    /// Cuts the replicas off: what the master takes from here on, `promote_the_cut_off` loses.
    pub fn cut_off_replicas(&self) {
        self.replicas().into_iter().for_each(RedisServer::pause);
        self.master().cli(&["CLIENT", "KILL", "TYPE", "replica"]).expect("the links are cut");
    }

    /// Kills the master and has a replica that was cut off take its place, which it gives.
    pub fn promote_the_cut_off(&self) -> &RedisServer {
        let (master, replicas) = (self.master(), self.replicas());
        master.kill();
        replicas.into_iter().for_each(RedisServer::resume);
        self.wait_for_another_master(master)
    }
}

#[cfg(test)]
mod tests;
