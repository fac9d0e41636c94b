//! The master that Sentinel names, as those sentinels say that took part in the last failover, if it agrees.

use redis_protocol::resp3::types::BytesFrame;
use tokio::time::Instant;

use super::{
    Answer, Topology,
    peers::{ANSWER_WITHIN, Answers, Peers, clearer},
};
use crate::redis::{
    url::HostPort,
    wire::{Login, Wire, WireError, field, members, number, text},
};

pub(super) struct Sentinels {
    peers: Peers,
    service: String,
    /// Into the servers.
    login: Login,
}

/// What one sentinel says.
struct Word {
    master: HostPort,
    epoch: u64,
    others: Vec<HostPort>,
}

impl Sentinels {
    pub(super) fn new(sentinels: Vec<HostPort>, service: String, login: Login, servers: Login) -> Self {
        Self { peers: Peers::new(sentinels, login), service, login: servers }
    }

    /// Asks all of them, because one that was cut off goes on naming the master that it knew.
    pub(super) async fn ask(&mut self, known: &Topology) -> Result<Answer, WireError> {
        let service = self.service.as_bytes();
        let questions: &[&[&[u8]]] = &[
            &[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service],
            &[b"SENTINEL", b"MASTER", service],
            &[b"SENTINEL", b"SENTINELS", service],
        ];
        let peers = self.peers.all();
        let (mut words, mut error) = (Vec::new(), None);
        for (peer, answers) in self.peers.ask(&peers, questions).await {
            match answers.and_then(|answers| self.word(&peer, answers)) {
                Ok(word) => words.push(word),
                Err(of_peer) => error = Some(clearer(error, of_peer)),
            }
        }
        let others = words.iter().flat_map(|word| word.others.clone()).collect();
        let Some(newest) = words.into_iter().max_by_key(|word| word.epoch) else {
            return Err(error.unwrap_or_else(|| WireError::Unreachable("no sentinel answers".to_owned())));
        };
        self.peers.learn(others);
        if known.masters() != [newest.master.clone()] {
            self.check(&newest.master).await?;
        }
        Ok(Answer { topology: Topology::single(newest.master), sees_majority: true, epoch: newest.epoch })
    }

    fn word(&self, peer: &HostPort, answers: Answers) -> Result<Word, WireError> {
        let [address, about, others] = <[_; 3]>::try_from(answers)
            .map_err(|_| WireError::Broken("a sentinel gave another number of answers".to_owned()))?;
        let address = address?;
        let [host, port] = members(&address) else {
            let service = &self.service;
            let advice = "ask for a service in `redis.url` that its `sentinel monitor` names";
            return Err(WireError::Reply(format!("the sentinel {peer} knows no service `{service}`: {advice}")));
        };
        let master = host_port(&text(host), &text(port))?;
        // Its user may be allowed to ask for the address only; then all sentinels are believed alike.
        let epoch = about.ok().and_then(|about| field(&about, "config-epoch").and_then(number)).unwrap_or(0);
        let others = others.ok().map(|others| others_of(&others)).unwrap_or_default();
        Ok(Word { master, epoch, others })
    }

    /// Sentinel names a server before it is a master, and while its settings are wrong it may name a stranger.
    async fn check(&self, master: &HostPort) -> Result<(), WireError> {
        let wire = Wire::connect(master, &self.login, Instant::now() + ANSWER_WITHIN).await?;
        if wire.greeting().role == "master" {
            Ok(())
        } else {
            Err(WireError::Unreachable(format!("Sentinel names {master} as master, which is a replica as yet")))
        }
    }
}

fn others_of(frame: &BytesFrame) -> Vec<HostPort> {
    let said = |other, name| field(other, name).map(text);
    members(frame).iter().filter_map(|other| host_port(&said(other, "ip")?, &said(other, "port")?).ok()).collect()
}

fn host_port(host: &str, port: &str) -> Result<HostPort, WireError> {
    match port.parse() {
        Ok(port) if !host.is_empty() => Ok(HostPort::new(host, port)),
        _ => Err(WireError::Broken(format!("a sentinel names `{host}:{port}`, which is no address"))),
    }
}
