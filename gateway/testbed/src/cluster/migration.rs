//! A slot on its way from one master to another.

use super::Cluster;

/// A slot that is being moved: it still belongs to the old master, which sends whoever asks for a key that has left it
/// to the new one.
#[derive(Debug)]
pub struct Migration<'a> {
    cluster: &'a Cluster,
    slot: String,
    from: usize,
    to: usize,
}

impl<'a> Migration<'a> {
    pub(super) fn begin(cluster: &'a Cluster, slot: u16, to: usize) -> Self {
        let from = cluster.master_of_slot(slot);
        assert_ne!(from, to, "the slot is there already");
        let this = Self { cluster, slot: slot.to_string(), from, to };
        this.set_slot(to, &["IMPORTING", &cluster.nodes[from].id]);
        this.set_slot(from, &["MIGRATING", &cluster.nodes[to].id]);
        this
    }

    fn set_slot(&self, node: usize, what: &[&str]) {
        let command = [&["CLUSTER", "SETSLOT", &self.slot], what].concat();
        self.cluster.node(node).cli(&command).expect("the node takes the slot's new state");
    }

    /// Moves one key; `false` when there is none left.
    pub fn move_a_key(&self) -> bool {
        let keys = self.cluster.node(self.from).call(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1"]);
        let keys = keys.expect("the old master knows its keys");
        let Some(key) = keys.list().first().map(ToString::to_string) else { return false };
        let port = self.cluster.node(self.to).port().to_string();
        // It may have expired on the way, which is answered with NOKEY.
        let command = ["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"];
        self.cluster.node(self.from).cli(&command).expect("the key can be moved");
        true
    }

    /// Gives the slot to the new master, on all masters.
    pub fn finish(self) {
        let id = &self.cluster.nodes[self.to].id;
        // The new owner first, so that there always is one.
        self.set_slot(self.to, &["NODE", id]);
        self.set_slot(self.from, &["NODE", id]);
        let others = (0..self.cluster.len()).filter(|&node| node != self.to && node != self.from);
        for other in others {
            // Replicas and the dead hear of it from their masters.
            let _ = self.cluster.node(other).cli(&["CLUSTER", "SETSLOT", &self.slot, "NODE", id]);
        }
    }
}
