//! Several servers or sentinels that are asked the same at the same time, over connections that are kept.

use std::{collections::HashMap, time::Duration};

use futures_util::future::join_all;
use redis_protocol::resp3::types::BytesFrame;
use tokio::time::Instant;

use crate::redis::{
    url::HostPort,
    wire::{Login, Wire, WireError},
};

/// To connect, to log in and to answer all questions.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(700);
/// How many are kept in mind beside those that the operator named.
const LEARNT_MAX: usize = 1_000;

pub(super) type Answers = Vec<Result<BytesFrame, WireError>>;

pub(super) struct Peers {
    login: Login,
    /// What the operator named is never forgotten.
    seeds: Vec<HostPort>,
    learnt: Vec<HostPort>,
    wires: HashMap<HostPort, Wire>,
}

impl Peers {
    pub(super) fn new(seeds: Vec<HostPort>, login: Login) -> Self {
        Self { login, seeds, learnt: Vec::new(), wires: HashMap::new() }
    }

    /// All that are known, those first that answered last time.
    pub(super) fn all(&self) -> Vec<HostPort> {
        let mut all: Vec<_> = self.seeds.iter().chain(&self.learnt).cloned().collect();
        all.sort_by_key(|peer| !self.wires.contains_key(peer));
        all
    }

    /// These are the peers now.
    pub(super) fn learn(&mut self, mut peers: Vec<HostPort>) {
        peers.sort();
        peers.dedup();
        peers.retain(|peer| !self.seeds.contains(peer));
        peers.truncate(LEARNT_MAX);
        self.learnt = peers;
        self.wires.retain(|peer, _| self.seeds.contains(peer) || self.learnt.contains(peer));
    }

    /// Asks some of them at the same time. An error for each that did not answer; else an answer or an error reply to
    /// each question.
    pub(super) async fn ask(
        &mut self,
        peers: &[HostPort],
        questions: &[&[&[u8]]],
    ) -> Vec<(HostPort, Result<Answers, WireError>)> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let login = &self.login;
        let asked = peers.iter().map(|peer| {
            let wire = self.wires.remove(peer);
            async move { (peer.clone(), ask(wire, peer, login, questions, deadline).await) }
        });
        let answered = join_all(asked).await;
        answered
            .into_iter()
            .map(|(peer, answered)| {
                let answers = answered.map(|(wire, answers)| {
                    self.wires.insert(peer.clone(), wire);
                    answers
                });
                (peer, answers)
            })
            .collect()
    }
}

async fn ask(
    wire: Option<Wire>,
    peer: &HostPort,
    login: &Login,
    questions: &[&[&[u8]]],
    deadline: Instant,
) -> Result<(Wire, Answers), WireError> {
    let kept = wire.is_some();
    let mut wire = match wire {
        Some(wire) => wire,
        None => Wire::connect(peer, login, deadline).await?,
    };
    match ask_all(&mut wire, questions, deadline).await {
        Ok(answers) => Ok((wire, answers)),
        // The server closed a connection that was kept; it may have been restarted since.
        Err(WireError::Unreachable(_)) if kept && Instant::now() < deadline => {
            let mut wire = Wire::connect(peer, login, deadline).await?;
            let answers = ask_all(&mut wire, questions, deadline).await?;
            Ok((wire, answers))
        }
        Err(error) => Err(error),
    }
}

async fn ask_all(wire: &mut Wire, questions: &[&[&[u8]]], deadline: Instant) -> Result<Answers, WireError> {
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        answers.push(match wire.request(question, deadline).await {
            Err(error @ (WireError::Unreachable(_) | WireError::Broken(_) | WireError::TooOld(_))) => {
                return Err(error);
            }
            answer => answer,
        });
    }
    Ok(answers)
}

/// The error that helps more: what a peer said, rather than that another one is silent.
pub(super) fn clearer(before: Option<WireError>, error: WireError) -> WireError {
    match before {
        Some(before) if !matches!(before, WireError::Unreachable(_)) => before,
        _ => error,
    }
}
