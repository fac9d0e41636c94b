//! The masters of a cluster, by the nodes that know most of it.

use rand::seq::SliceRandom;
use redis_protocol::resp3::types::BytesFrame;

use super::{
    Answer, Topology,
    peers::{Answers, Peers, clearer},
};
use crate::redis::{
    keys::SLOTS,
    url::HostPort,
    wire::{Login, WireError, members, number, text},
};

/// How many nodes are asked at a time.
const ASKED: usize = 3;

pub(super) struct Nodes {
    peers: Peers,
}

/// What one node says.
struct Word {
    ranges: Vec<(u16, u16, HostPort)>,
    nodes: Vec<HostPort>,
    sees_majority: bool,
    epoch: u64,
}

impl Nodes {
    pub(super) fn new(seeds: Vec<HostPort>, login: Login) -> Self {
        Self { peers: Peers::new(seeds, login) }
    }

    /// Asks a few nodes, and others if none of them sees a majority.
    pub(super) async fn ask(&mut self) -> Result<Answer, WireError> {
        let questions: &[&[&[u8]]] = &[&[b"CLUSTER", b"INFO"], &[b"CLUSTER", b"SLOTS"]];
        let mut peers = self.peers.all();
        // Those that answered last time come first; whom else to ask is left to chance.
        if let Some((_, others)) = peers.split_at_mut_checked(ASKED) {
            others.shuffle(&mut rand::rng());
        }
        let (mut best, mut error): (Option<Word>, Option<WireError>) = (None, None);
        for some in peers.chunks(ASKED) {
            for (peer, answers) in self.peers.ask(some, questions).await {
                match answers.and_then(|answers| word(&peer, answers)) {
                    Ok(word) => best = Some(better(best, word)),
                    Err(of_peer) => error = Some(clearer(error, of_peer)),
                }
            }
            if best.as_ref().is_some_and(|best| best.sees_majority) {
                break;
            }
        }
        let Some(Word { ranges, nodes, sees_majority, epoch }) = best else {
            return Err(error.unwrap_or_else(|| WireError::Unreachable("no node answers".to_owned())));
        };
        if sees_majority {
            self.peers.learn(nodes);
        }
        if ranges.is_empty() {
            return Err(WireError::Unreachable("the cluster has given no slots to its nodes yet".to_owned()));
        }
        Ok(Answer { topology: Topology::of_ranges(ranges), sees_majority, epoch })
    }
}

fn better(before: Option<Word>, word: Word) -> Word {
    match before {
        Some(before) if (before.sees_majority, before.epoch) >= (word.sees_majority, word.epoch) => before,
        _ => word,
    }
}

fn word(peer: &HostPort, answers: Answers) -> Result<Word, WireError> {
    let [info, slots] = <[_; 2]>::try_from(answers)
        .map_err(|_| WireError::Broken("a node gave another number of answers".to_owned()))?;
    let info = info.map_err(|error| match error {
        WireError::Reply(text) if text.contains("cluster support disabled") => WireError::Reply(format!(
            "{peer} belongs to no cluster: write redis:// or redis-sentinel:// in `redis.url`"
        )),
        error => error,
    })?;
    let info = text(&info).into_owned();
    let said = |name: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
    let mut word = Word {
        ranges: Vec::new(),
        nodes: Vec::new(),
        sees_majority: said("cluster_state") == Some("ok"),
        epoch: said("cluster_current_epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0),
    };
    for range in members(&slots?) {
        let [first, last, nodes @ ..] = members(range) else { continue };
        let mut nodes = nodes.iter().map(|node| address(node, peer));
        let (Some(first), Some(last)) = (slot(first), slot(last)) else { continue };
        if let Some(Some(master)) = nodes.next() {
            word.nodes.push(master.clone());
            word.ranges.push((first, last, master));
        }
        word.nodes.extend(nodes.flatten());
    }
    Ok(word)
}

fn slot(frame: &BytesFrame) -> Option<u16> {
    number(frame).filter(|&slot| slot < SLOTS as u64).map(|slot| slot as u16)
}

/// Where a node is: its preferred endpoint; where it does not know its own, the one where the answer came from.
fn address(node: &BytesFrame, answered: &HostPort) -> Option<HostPort> {
    let [host, port, ..] = members(node) else { return None };
    let port = u16::try_from(number(port)?).ok().filter(|&port| port > 0)?;
    match text(host).as_ref() {
        "" => Some(HostPort::new(answered.host.clone(), port)),
        // It should have a name, but was told none.
        "?" => None,
        host => Some(HostPort::new(host, port)),
    }
}
