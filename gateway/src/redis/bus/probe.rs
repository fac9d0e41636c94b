//! Proof through the real path: what is published in a partition is heard in it.
//!
//! A connection can be in the best of health at a server where nobody publishes any more. So each partition that is
//! listened to has a channel of our own, into which something is published as everything else is. Where no partition
//! can move by itself, one of them speaks for the whole connection.

use std::{
    collections::{HashMap, HashSet},
    str,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{info, warn};

use super::{Publish, Shared};
use crate::redis::{Channel, Partition, keys::PARTITIONS};

/// In how many steps a turn goes around the partitions, each being probed once, and how long a step is.
const STEP: Duration = Duration::from_millis(50);
const STEPS: usize = 40;
/// How often the one probe is sent where it speaks for all.
const STEPS_PER_PROBE: usize = 10;
/// How often it is judged whether all is heard.
const STEPS_PER_JUDGEMENT: usize = 5;
/// How long a published probe may be on its way, and a partition without subscription.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The probes as the lines see them.
pub(super) struct Probes {
    /// How the names of their channels end.
    suffix: String,
    /// The last number that was heard in each partition.
    heard: Vec<AtomicU64>,
}

impl Probes {
    /// The probes of the run that has this word.
    pub(super) fn new(name: &str) -> Self {
        let suffix = format!(":{}:{name}", super::register::PROBE);
        Self { suffix, heard: (0..2 * PARTITIONS).map(|_| AtomicU64::new(0)).collect() }
    }

    pub(super) fn is_probe(&self, channel: &str) -> bool {
        channel.ends_with(&self.suffix)
    }

    /// What is published in a probe's channel is where and which: `17 4711`.
    pub(super) fn heard(&self, payload: &[u8]) {
        let words = str::from_utf8(payload).ok().and_then(|text| text.split_once(' '));
        let numbers = words.and_then(|(place, number)| Some((place.parse::<usize>().ok()?, number.parse().ok()?)));
        if let Some((place, number)) = numbers
            && let Some(heard) = self.heard.get(place)
        {
            heard.store(number, Ordering::Release);
        }
    }

    fn has_heard(&self, place: usize, number: u64) -> bool {
        self.heard.get(place).is_some_and(|heard| heard.load(Ordering::Acquire) == number)
    }
}

/// What became of a probe.
struct Verdict {
    probe: Channel,
    /// The question by which the probe's channel was subscribed when it was published.
    subscribed_by: u64,
    published_at: Instant,
    outcome: Outcome,
}

enum Outcome {
    Heard,
    Deaf,
    /// It was not published, for all that is known.
    Unknown,
}

#[derive(Default)]
struct Health {
    is_under_way: bool,
    /// How many probes in a row were published and not heard.
    misses: u32,
    unwell_since: Option<Instant>,
}

pub(super) struct Prober {
    pub(super) shared: Arc<Shared>,
    pub(super) is_cluster: bool,
    pub(super) publish: Publish,
    pub(super) hearing: watch::Sender<bool>,
}

impl Prober {
    /// Probes until it is dropped.
    pub(super) async fn run(self) {
        let mut health: HashMap<Partition, Health> = HashMap::new();
        let mut verdicts = FuturesUnordered::new();
        let mut last_number = 0;
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for step in (0..STEPS).cycle() {
            loop {
                tokio::select! {
                    _ = steps.tick() => break,
                    Some(verdict) = verdicts.next() => self.take(verdict, &mut health),
                }
            }
            for (probe, subscribed_by) in self.due(step) {
                let health = health.entry(probe.partition).or_default();
                if !std::mem::replace(&mut health.is_under_way, true) {
                    last_number += 1;
                    verdicts.push(self.probe(probe, subscribed_by, last_number));
                }
            }
            if step % STEPS_PER_JUDGEMENT == 0 {
                self.judge(&mut health);
            }
        }
    }

    /// Those whose turn it is and that should be heard.
    fn due(&self, step: usize) -> Vec<(Channel, u64)> {
        let register = self.shared.register.lock();
        let heard = register.probes().filter_map(|probe| Some((probe, register.heard_by(&probe.name)?)));
        let due = |(probe, by): (&Channel, u64)| (probe.clone(), by);
        if self.is_cluster {
            heard.filter(|(probe, _)| probe.partition.place() % STEPS == step).map(due).collect()
        } else if step.is_multiple_of(STEPS_PER_PROBE) {
            // Always the same one, so that it is told from another whether the first remedy helped.
            heard.min_by_key(|(probe, _)| probe.partition).map(due).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    fn probe(&self, probe: Channel, subscribed_by: u64, number: u64) -> BoxFuture<'static, Verdict> {
        let place = probe.partition.place();
        let published_at = Instant::now();
        let published = (self.publish)(probe.clone(), Bytes::from(format!("{place} {number}")));
        let shared = self.shared.clone();
        async move {
            let outcome = match published.await {
                Err(_) => Outcome::Unknown,
                Ok(0) => Outcome::Deaf,
                Ok(_) => {
                    let answered_at = Instant::now();
                    let has_heard = || shared.probes.has_heard(place, number);
                    while !has_heard() && answered_at.elapsed() < PATIENCE {
                        sleep(STEP).await;
                    }
                    if has_heard() { Outcome::Heard } else { Outcome::Deaf }
                }
            };
            Verdict { probe, subscribed_by, published_at, outcome }
        }
        .boxed()
    }

    fn take(&self, verdict: Verdict, health: &mut HashMap<Partition, Health>) {
        let Verdict { probe, subscribed_by, published_at, outcome } = verdict;
        let Some(health) = health.get_mut(&probe.partition) else { return };
        health.is_under_way = false;
        match outcome {
            Outcome::Unknown => {}
            Outcome::Heard => health.misses = 0,
            Outcome::Deaf => {
                let mut register = self.shared.register.lock();
                // If it was subscribed anew in the meantime, this says nothing about the present.
                if register.heard_by(&probe.name) != Some(subscribed_by) {
                    return;
                }
                health.misses += 1;
                health.unwell_since.get_or_insert(published_at);
                // Ever more seldom, because it costs all partitions of that master their subscription.
                let reconnects = health.misses >= 2 && health.misses.is_power_of_two();
                if reconnects {
                    register.reconnect(probe.partition);
                } else if self.is_cluster {
                    register.resubscribe(probe.partition);
                } else {
                    let all: Vec<_> = register.probes().map(|probe| probe.partition).collect();
                    for partition in all {
                        register.resubscribe(partition);
                    }
                }
                drop(register);
                let (channel, misses) = (&probe.name, health.misses);
                warn!(%channel, misses, reconnects, "what is published in Redis is not heard, subscribing again");
                self.shared.finder.refresh();
            }
        }
    }

    /// Whether every partition that is listened to is heard, or was a moment ago.
    fn judge(&self, health: &mut HashMap<Partition, Health>) {
        let now = Instant::now();
        let register = self.shared.register.lock();
        let listened: HashSet<_> = register.probes().map(|probe| probe.partition).collect();
        health.retain(|partition, health| listened.contains(partition) || health.is_under_way);
        let mut is_hearing = true;
        for probe in register.probes() {
            let health = health.entry(probe.partition).or_default();
            if health.misses == 0 && register.heard_by(&probe.name).is_some() {
                health.unwell_since = None;
            } else {
                let since = register.lost_since(probe.partition).unwrap_or(now);
                is_hearing &= now - *health.unwell_since.get_or_insert(since) <= PATIENCE;
            }
        }
        drop(register);
        self.hearing.send_if_modified(|hearing| {
            let changed = *hearing != is_hearing;
            *hearing = is_hearing;
            match is_hearing {
                true if changed => info!("what is published in Redis is heard again"),
                false if changed => warn!("something that is published in Redis is not heard"),
                _ => {}
            }
            changed
        });
    }
}
