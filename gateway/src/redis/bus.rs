//! The subscription: what is published in the channels that are wanted, in order, or word that some may be missing.
//!
//! It has its own reader, because fred's drops messages when it lags, answers before Redis does, takes an error reply
//! for another command's answer, and stays silent for ever after a slot has moved. There is one connection (a *line*)
//! per master. A *register* knows what is wanted and where it belongs, and a *prober* proves that it is heard.

mod line;
mod parse;
mod probe;
mod register;

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    line::Line,
    probe::{Prober, Probes},
    register::{Answer, Change, Register, Wish},
};
use super::{Channel, Keys, RedisError, topology::Finder, url::HostPort, wire::Login};
use crate::random;

/// The length of the word that tells this run's probes from those of others.
const PROBE_CHARACTERS: usize = 12;

/// Who hears what is published. Both are called from the task that reads and must not block.
pub trait Ear: Send + Sync {
    /// Something was published in a channel. The messages of a channel come in the order in which Redis has them; one
    /// that was unsubscribed a moment ago may still be heard.
    fn heard(&self, channel: &str, payload: Bytes);
    /// Something may have been missed, in any channel, and those that could be subscribed again are. If some need longer
    /// than a few seconds, this is called once more when they are.
    fn missed(&self);
}

/// Publishes as everything is published, for the probes; how many subscribers got it.
pub type Publish = Arc<dyn Fn(Channel, Bytes) -> BoxFuture<'static, Result<u64, RedisError>> + Send + Sync>;

/// What a bus is made of.
pub struct Parts {
    /// Where the masters are.
    pub finder: Finder,
    /// Whether partitions move from one master to another.
    pub is_cluster: bool,
    /// How to enter there.
    pub login: Login,
    /// The names of the probes' channels.
    pub keys: Keys,
    /// How probes are published.
    pub publish: Publish,
    /// Who hears.
    pub ear: Arc<dyn Ear>,
    /// How long who subscribes waits for Redis.
    pub deadline: Duration,
}

/// What the tasks of a bus share.
struct Shared {
    finder: Finder,
    login: Login,
    ear: Arc<dyn Ear>,
    probes: Probes,
    register: Mutex<Register>,
}

/// The subscription to all masters.
pub struct Bus {
    shared: Arc<Shared>,
    hearing: watch::Receiver<bool>,
    deadline: Duration,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("login", &self.login).finish_non_exhaustive()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("hearing", &*self.hearing.borrow()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Connects to every master there is and will be, until it is stopped.
    pub fn start(parts: Parts, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let Parts { finder, is_cluster, login, keys, publish, ear, deadline } = parts;
        let word = random::word(PROBE_CHARACTERS);
        let shared = Arc::new(Shared {
            finder,
            login: login.without_database(),
            ear,
            probes: Probes::new(&word),
            register: Mutex::new(Register::new(keys, word)),
        });
        let (hearing_by, hearing) = watch::channel(true);
        let prober = Prober { shared: shared.clone(), is_cluster, publish, hearing: hearing_by };
        let lines = Lines { shared: shared.clone(), tasks: tasks.clone(), stop: stop.clone(), running: HashMap::new() };
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(prober.run()).await });
        tasks.spawn(async move { stop.run_until_cancelled(lines.run()).await });
        Self { shared, hearing, deadline }
    }

    /// Answers when Redis has confirmed that the channel is heard. It then stays so, across every failure, until it is
    /// unsubscribed. After an error it is as if nobody had asked.
    pub async fn subscribe(&self, channel: &Channel) -> Result<(), RedisError> {
        let wish = self.shared.register.lock().want(channel);
        let answer = match wish {
            Wish::Granted => return Ok(()),
            Wish::Waits(answer) => answer,
        };
        let mut waiting = Waiting { shared: &self.shared, channel, answer, is_over: false };
        let answer = match timeout(self.deadline, &mut waiting.answer).await {
            Ok(Ok(answer)) => answer,
            // Either the deadline has passed, or somebody else has unsubscribed it.
            Ok(Err(_)) | Err(_) => waiting.answer.try_recv().unwrap_or(Err(RedisError::Unavailable)),
        };
        waiting.is_over = answer.is_ok();
        answer
    }

    /// The channel is of no more interest. Who subscribes to it afterwards is not affected.
    pub fn unsubscribe(&self, channel: &Channel) {
        self.shared.register.lock().unwant(channel);
    }

    /// False while something that is wanted has not been heard for longer than a probe may take.
    pub fn hearing(&self) -> watch::Receiver<bool> {
        self.hearing.clone()
    }
}

/// Somebody who waits to be subscribed, and who may lose patience or be dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    channel: &'a Channel,
    answer: oneshot::Receiver<Answer>,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.answer.close();
            let granted = matches!(self.answer.try_recv(), Ok(Ok(())));
            self.shared.register.lock().give_up(self.channel, granted);
        }
    }
}

/// Keeps a line to each master.
struct Lines {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
    running: HashMap<HostPort, CancellationToken>,
}

impl Lines {
    async fn run(mut self) {
        let mut found = self.shared.finder.found();
        loop {
            let topology = found.borrow_and_update().clone();
            let Change { started, ended } = self.shared.register.lock().rehome(topology);
            for master in ended {
                if let Some(stop) = self.running.remove(&master) {
                    stop.cancel();
                }
            }
            for (master, woken) in started {
                let stop = self.stop.child_token();
                self.running.insert(master.clone(), stop.clone());
                let line = Line { shared: self.shared.clone(), master, woken };
                self.tasks.spawn(async move { stop.run_until_cancelled(line.run()).await });
            }
            if found.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
