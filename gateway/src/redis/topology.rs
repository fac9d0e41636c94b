//! Which server is the master of which slot: always the same one, the one that Sentinel names, or those of a cluster.
//! One task keeps asking, so that a failover is known within a poll, and at once when somebody stumbles over it.

mod cluster;
mod fixed;
mod peers;
mod sentinel;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use self::{cluster::Nodes, fixed::Server, sentinel::Sentinels};
use super::{
    keys::SLOTS,
    url::{HostPort, Place, RedisUrl},
    wire::{Login, Tls, WireError},
};

/// However often it is asked for.
const REFRESH_EVERY: Duration = Duration::from_millis(100);
/// While nothing was found, or a failover is under way.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// How long answers that know less than an earlier one are left unheard: then what knew more is gone for good.
const PATIENCE: Duration = Duration::from_secs(30);

/// A slot without an owner.
const NOBODY: u16 = u16::MAX;

/// The masters, and the slots of each.
#[derive(Clone, PartialEq, Eq)]
pub struct Topology {
    masters: Vec<HostPort>,
    /// For each slot the index of its master.
    owners: Vec<u16>,
}

impl Topology {
    /// Nothing was found yet: no master, no slot.
    pub fn unknown() -> Self {
        Self { masters: Vec::new(), owners: vec![NOBODY; SLOTS] }
    }

    /// One master of all slots.
    pub fn single(master: HostPort) -> Self {
        Self { masters: vec![master], owners: vec![0; SLOTS] }
    }

    /// Ranges of slots, first and last, and their masters.
    pub(super) fn of_ranges(ranges: Vec<(u16, u16, HostPort)>) -> Self {
        let mut masters: Vec<_> = ranges.iter().map(|(_, _, master)| master.clone()).collect();
        masters.sort();
        masters.dedup();
        let mut owners = vec![NOBODY; SLOTS];
        for (first, last, master) in ranges {
            let index = masters.binary_search(&master).map_or(NOBODY, |index| index as u16);
            if let Some(slots) = owners.get_mut(usize::from(first)..=usize::from(last)) {
                slots.fill(index);
            }
        }
        Self { masters, owners }
    }

    /// All masters, each once.
    pub fn masters(&self) -> &[HostPort] {
        &self.masters
    }

    /// The index of the slot's master.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        self.owners.get(usize::from(slot)).filter(|&&owner| owner != NOBODY).map(|&owner| usize::from(owner))
    }

    /// The slot's master.
    pub fn master(&self, slot: u16) -> Option<&HostPort> {
        self.owner(slot).and_then(|owner| self.masters.get(owner))
    }

    /// How many slots have another master there than here.
    fn moved(&self, other: &Self) -> usize {
        (0..SLOTS as u16).filter(|&slot| self.master(slot) != other.master(slot)).count()
    }

    fn names(&self) -> String {
        self.masters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owned = self.owners.iter().filter(|&&owner| owner != NOBODY).count();
        write!(f, "Topology({}; {owned} slots)", self.names())
    }
}

/// What was answered, and how much it is worth.
struct Answer {
    topology: Topology,
    /// Whether those who answered see a majority of the others.
    sees_majority: bool,
    /// It grows with every failover and every move of slots.
    epoch: u64,
}

enum Source {
    Fixed(Server),
    Sentinel(Sentinels),
    Cluster(Nodes),
}

impl Source {
    fn of(url: &RedisUrl, tls: Option<Tls>) -> Self {
        let servers = Login::to_servers(url, tls.clone());
        match &url.topology {
            Place::Fixed(address) => Self::Fixed(Server::new(address.clone(), servers)),
            Place::Sentinel { sentinels, service, .. } => {
                let login = Login::to_sentinels(url, tls);
                Self::Sentinel(Sentinels::new(sentinels.clone(), service.clone(), login, servers))
            }
            Place::Cluster { seeds } => Self::Cluster(Nodes::new(seeds.clone(), servers)),
        }
    }

    async fn ask(&mut self, known: &Topology) -> Result<Answer, WireError> {
        match self {
            Self::Fixed(server) => server.ask().await,
            Self::Sentinel(sentinels) => sentinels.ask(known).await,
            Self::Cluster(nodes) => nodes.ask().await,
        }
    }

    /// How long what was found is believed without asking again.
    fn every(&self) -> Duration {
        match self {
            Self::Fixed(_) => Duration::MAX,
            Self::Sentinel(_) => Duration::from_millis(500),
            Self::Cluster(_) => Duration::from_secs(2),
        }
    }
}

/// Where the masters are, as far as is known now.
#[derive(Debug, Clone)]
pub struct Finder {
    found: watch::Receiver<Arc<Topology>>,
    trouble: watch::Receiver<Option<WireError>>,
    wanted: Arc<Notify>,
}

impl Finder {
    /// Begins to look, until it is stopped.
    pub fn start(url: &RedisUrl, tls: Option<Tls>, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let first = match &url.topology {
            Place::Fixed(address) => Topology::single(address.clone()),
            Place::Sentinel { .. } | Place::Cluster { .. } => Topology::unknown(),
        };
        let (found_by, found) = watch::channel(Arc::new(first));
        let (trouble_of, trouble) = watch::channel(None);
        let wanted = Arc::new(Notify::new());
        let search = Search {
            source: Source::of(url, tls),
            found: found_by,
            trouble: trouble_of,
            wanted: wanted.clone(),
            epoch: None,
            doubted: None,
        };
        tasks.spawn(async move { stop.run_until_cancelled(search.run()).await });
        Self { found, trouble, wanted }
    }

    /// The masters and every change of them; [`Topology::unknown`] until they are found.
    pub fn found(&self) -> watch::Receiver<Arc<Topology>> {
        self.found.clone()
    }

    /// Why nothing can be found at present, or what is wrong with what was; none if all is well or nothing was asked
    /// yet.
    pub fn trouble(&self) -> watch::Receiver<Option<WireError>> {
        self.trouble.clone()
    }

    /// Somebody was sent elsewhere or got no answer: looks again now, as often as it makes sense.
    pub fn refresh(&self) {
        self.wanted.notify_one();
    }
}

struct Search {
    source: Source,
    found: watch::Sender<Arc<Topology>>,
    trouble: watch::Sender<Option<WireError>>,
    wanted: Arc<Notify>,
    /// Of what was found.
    epoch: Option<u64>,
    /// Since when only answers come that are worth less than what was found.
    doubted: Option<Instant>,
}

impl Search {
    async fn run(mut self) {
        loop {
            let known = self.found.borrow().clone();
            let answer = self.source.ask(&known).await;
            let is_well = answer.as_ref().is_ok_and(|answer| answer.sees_majority);
            let wait = if is_well { self.source.every() } else { RETRY_EVERY };
            let trouble = answer.map(|answer| self.take(answer)).err();
            self.tell(trouble);
            sleep(REFRESH_EVERY).await;
            tokio::select! {
                () = sleep(wait) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Believes an answer, unless an earlier one came from those who know more: a master that was cut off goes on
    /// naming itself.
    fn take(&mut self, answer: Answer) {
        let is_newest = answer.sees_majority && self.epoch.is_none_or(|epoch| answer.epoch >= epoch);
        if !is_newest && self.epoch.is_some() {
            let since = *self.doubted.get_or_insert_with(Instant::now);
            if since.elapsed() < PATIENCE {
                return;
            }
        }
        self.doubted = None;
        self.epoch = Some(answer.epoch);
        let before = self.found.borrow().clone();
        if *before != answer.topology {
            log_change(&before, &answer.topology);
            self.found.send_replace(Arc::new(answer.topology));
        }
    }

    /// Says what is wrong once, and once that it is over.
    fn tell(&self, trouble: Option<WireError>) {
        self.trouble.send_if_modified(|told| {
            if *told == trouble {
                return false;
            }
            match &trouble {
                Some(trouble) => warn!("no master of Redis can be found: {trouble}"),
                None => info!("the masters of Redis can be found again"),
            }
            *told = trouble;
            true
        });
    }
}

fn log_change(before: &Topology, after: &Topology) {
    match (before.masters(), after.masters()) {
        ([], _) => info!("found Redis: {}", after.names()),
        ([old], [new]) if before.moved(after) == SLOTS => info!("Redis has another master: {new}, before {old}"),
        _ => info!(
            "the Redis cluster changed: {} slots have another master; the masters are {}",
            before.moved(after),
            after.names()
        ),
    }
}

#[cfg(test)]
mod tests;
