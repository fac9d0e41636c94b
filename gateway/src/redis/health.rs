//! How a replica stands with Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::calls::Redis;
use super::topology::Topology;
use super::{Bus, Partition};

/// How long something must be amiss before it is told; what mends itself within is not worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a replica stands with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Every master answers and takes writes, and what other replicas say is heard.
    Heard,
    /// A master does not answer or takes no writes, or a slot has none.
    Away,
    /// Every master answers, but what other replicas say is not heard.
    Deaf,
}

impl Health {
    /// Watches over the masters and the bus, until stopped; begins with [`Health::Away`].
    pub fn watch(redis: Arc<Redis>, bus: &Bus, tasks: &TaskTracker, stop: CancellationToken) -> watch::Receiver<Self> {
        let (tell, health) = watch::channel(Self::Away);
        tasks.spawn(watch_over(redis, bus.hearing(), tell, stop));
        health
    }
}

async fn watch_over(
    redis: Arc<Redis>,
    mut hearing: watch::Receiver<bool>,
    tell: watch::Sender<Health>,
    stop: CancellationToken,
) {
    let mut topology = redis.topology();
    // Since when it is as it is, while something else is told.
    let mut since: Option<(Health, Instant)> = None;
    loop {
        let is_whole = is_whole(&topology.borrow_and_update());
        let shards: Vec<_> = redis.shards().into_iter().map(|shard| (shard.is_well(), shard)).collect();
        let answers = is_whole && shards.iter().all(|(well, _)| *well);
        let found = match (answers, *hearing.borrow_and_update()) {
            (true, true) => Health::Heard,
            (true, false) => Health::Deaf,
            (false, _) => Health::Away,
        };
        let told = *tell.borrow();
        since = match since {
            _ if found == told => None,
            Some((health, since)) if health == found => Some((found, since)),
            Some(_) | None => Some((found, Instant::now())),
        };
        let due = since.map(|(_, since)| if found == Health::Heard { since } else { since + PATIENCE });
        if due.is_some_and(|due| due <= Instant::now()) {
            tell.send_replace(found);
            since = None;
            continue;
        }
        let mut changes: FuturesUnordered<_> = shards.iter().map(|(well, shard)| shard.until(!well)).collect();
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = changes.next() => {}
            changed = topology.changed() => if changed.is_err() { return },
            changed = hearing.changed() => if changed.is_err() { return },
            () = async { if let Some(due) = due { sleep_until(due).await } }, if due.is_some() => {}
        }
    }
}

/// Whether every partition has a master.
fn is_whole(topology: &Topology) -> bool {
    Partition::rooms().all(|partition| topology.owner(partition.slot()).is_some())
}
