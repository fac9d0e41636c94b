//! A Redis Cluster.

use crate::ports::{bus_port, free_port};
use crate::resp::Reply;
use crate::server::{Plan, RedisServer, owned};
use crate::waiting::until;

mod migration;
#[cfg(test)]
mod tests;

pub use migration::Migration;

const SLOTS: usize = 16_384;
const ARGUMENTS: [&str; 12] = [
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "1000",
    // A replica may take its master's place however long it has been cut off.
    "--cluster-replica-validity-factor",
    "0",
    "--cluster-require-full-coverage",
    "no",
    "--cluster-allow-pubsubshard-when-down",
    "yes",
    "--cluster-config-file",
    crate::server::CLUSTER_FILE,
];

/// Masters that share the slots evenly, and their replicas; a lost master's replica takes its place within 2 s.
#[derive(Debug)]
pub struct Cluster {
    /// The masters as they were at the start, then the first replica of each, and so on.
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    id: String,
    server: RedisServer,
}

impl Cluster {
    /// Starts all nodes and waits until all agree that the cluster is well, which takes about 2 s.
    pub fn start(masters: usize, replicas_per_master: usize) -> Self {
        Self::start_with(masters, replicas_per_master, &[])
    }

    /// As `start`; the arguments are those of every node.
    pub fn start_with(masters: usize, replicas_per_master: usize, arguments: &[&str]) -> Self {
        let count = masters * (1 + replicas_per_master);
        let known: Vec<_> = (0..count).map(|_| (node_id(), free_port())).collect();
        // They know each other from the start: meeting would take seconds.
        let lines = |myself: usize| {
            let line = |(at, (id, port)): (usize, &(String, u16))| {
                let is_myself = if at == myself { "myself," } else { "" };
                let (bus, master) = (bus_port(*port), at % masters);
                if at < masters {
                    let (first, last) = (SLOTS * at / masters, SLOTS * (at + 1) / masters - 1);
                    let epoch = at + 1;
                    format!("{id} 127.0.0.1:{port}@{bus} {is_myself}master - 0 0 {epoch} connected {first}-{last}\n")
                } else {
                    let (of, epoch) = (&known[master].0, master + 1);
                    format!("{id} 127.0.0.1:{port}@{bus} {is_myself}slave {of} 0 0 {epoch} connected\n")
                }
            };
            let nodes: String = known.iter().enumerate().map(line).collect();
            format!("{nodes}vars currentEpoch {masters} lastVoteEpoch 0\n")
        };
        let nodes = known.iter().enumerate().map(|(at, (id, port))| {
            let arguments = owned(&[&ARGUMENTS[..], arguments].concat());
            let plan = Plan { port: Some(*port), cluster: Some(lines(at)), arguments, ..Plan::default() };
            Node { id: id.clone(), server: RedisServer::spawn(&plan) }
        });
        let cluster = Self { nodes: nodes.collect() };
        for node in &cluster.nodes {
            node.server.wait_until_it_answers().unwrap_or_else(|log| panic!("a node did not start:\n{log}"));
        }
        cluster.wait_until_well();
        cluster
    }

    /// Waits until every node that runs says that the cluster is well, and every replica has its master's data.
    pub fn wait_until_well(&self) {
        for node in self.running() {
            until("the cluster to be well", || {
                let info = node.server.cli(&["CLUSTER", "INFO"]).ok()?;
                let follows = node.server.info("master_link_status").is_none_or(|status| status == "up");
                (follows && info.contains("cluster_state:ok")).then_some(())
            });
        }
    }

    /// `redis-cluster://` with all nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.server.port())).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// A node: first the masters as they were at the start, then the first replica of each, and so on.
    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number].server
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The number of the node that is the master of this slot, as most nodes that answer see it.
    pub fn master_of_slot(&self, slot: u16) -> usize {
        until("a master of the slot", || {
            let mut votes = vec![0; self.nodes.len()];
            self.running().filter_map(|node| self.seen_master(node, slot)).for_each(|master| votes[master] += 1);
            let most = votes.iter().copied().max().filter(|&votes| votes > 0)?;
            votes.iter().position(|&votes| votes == most)
        })
    }

    /// The number of the slot's master as this node sees it.
    fn seen_master(&self, node: &Node, slot: u16) -> Option<usize> {
        let ranges = node.server.call(&["CLUSTER", "SLOTS"]).ok()?;
        let range = ranges.list().iter().map(Reply::list).find(|range| {
            let bounds: Vec<_> = range.iter().take(2).filter_map(Reply::number).collect();
            matches!(bounds[..], [first, last] if (first..=last).contains(&i64::from(slot)))
        })?;
        let port = range.get(2)?.list().get(1)?.number()?;
        self.nodes.iter().position(|node| i64::from(node.server.port()) == port)
    }

    /// The numbers of the replicas of this slot's master, as that master sees it.
    pub fn replicas_of_slot(&self, slot: u16) -> Vec<usize> {
        let master = &self.nodes[self.master_of_slot(slot)];
        let replicas = master.server.call(&["CLUSTER", "REPLICAS", &master.id]).expect("the master knows its replicas");
        let ids = replicas.list().iter().map(ToString::to_string);
        ids.filter_map(|line| self.nodes.iter().position(|node| line.starts_with(&node.id))).collect()
    }

    /// The nodes that can answer.
    fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.server.is_answering())
    }

    /// Kills the slot's master and gives its number.
    pub fn kill_master(&self, slot: u16) -> usize {
        let master = self.master_of_slot(slot);
        self.nodes[master].server.kill();
        master
    }

    /// Waits until every node that answers has the same other master for this slot, and gives its number.
    pub fn wait_for_another_master(&self, slot: u16, than: usize) -> usize {
        until("another master of the slot", || {
            let mut opinions = self.running().map(|node| self.seen_master(node, slot));
            let master = opinions.next()?.filter(|&master| master != than)?;
            opinions.all(|opinion| opinion == Some(master)).then_some(master)
        })
    }

    /// Has a replica take its place from the slot's master in peace, and gives its number.
    pub fn fail_over(&self, slot: u16) -> usize {
        let (master, replicas) = (self.master_of_slot(slot), self.replicas_of_slot(slot));
        let replica = &self.nodes[*replicas.first().expect("the master has a replica")];
        until("the replica to begin", || replica.server.cli(&["CLUSTER", "FAILOVER"]).ok());
        self.wait_for_another_master(slot, master)
    }

    /// Cuts the replicas of the slot's master off: what it takes from here on, `promote_the_cut_off` loses.
    pub fn cut_off_replicas(&self, slot: u16) {
        let master = self.master_of_slot(slot);
        for replica in self.replicas_of_slot(slot) {
            self.nodes[replica].server.pause();
        }
        self.nodes[master].server.cli(&["CLIENT", "KILL", "TYPE", "replica"]).expect("the links are cut");
    }

    /// Kills the slot's master and has a replica that was cut off take its place; gives its number.
    pub fn promote_the_cut_off(&self, slot: u16) -> usize {
        let replicas = self.replicas_of_slot(slot);
        let master = self.kill_master(slot);
        for replica in replicas {
            self.nodes[replica].server.resume();
        }
        self.wait_for_another_master(slot, master)
    }

    /// Moves a slot to another master, key by key, whatever traffic there is.
    pub fn migrate_slot(&self, slot: u16, to: usize) {
        let migration = self.begin_migration(slot, to);
        while migration.move_a_key() {}
        migration.finish();
    }

    /// Begins to move a slot to another master: until it is finished, keys that are not there any more are asked for there.
    pub fn begin_migration(&self, slot: u16, to: usize) -> Migration<'_> {
        Migration::begin(self, slot, to)
    }
}

/// A name as nodes of a cluster and Sentinels give themselves.
pub(crate) fn node_id() -> String {
    format!("{:032x}{:08x}", rand::random::<u128>(), rand::random::<u32>())
}
