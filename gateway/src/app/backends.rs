//! The capabilities, on one of the two backends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::broker::memory::{MemoryBroker, MemoryBus, MemoryStore};
use crate::broker::{Broker, NewsSender};
use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::Backend;
use crate::limits::Limits;
use crate::limits::memory::MemoryLimits;
use crate::presence::Presence;
use crate::presence::memory::{MemoryPresence, MemoryPresenceStore};
use crate::redis::{Health, Redis, RedisSettings, RedisUrl};
use crate::replicas::memory::{MemoryReplicas, MemoryReplicasStore};
use crate::replicas::{self, Replicas};
use crate::sessions::memory::MemorySessions;
use crate::sessions::{Lifetime, Sessions};

/// How long a replica's presence lease stands without renewal.
const PRESENCE_LEASE: Duration = Duration::from_secs(10);

/// The capabilities, whichever backend they stand on.
pub(super) struct Backends {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) presence: Arc<dyn Presence>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) limits: Arc<dyn Limits>,
    pub(super) replicas: Arc<dyn Replicas>,
    /// How the replica stands with them.
    pub(super) backend: watch::Receiver<Backend>,
}

/// What backends are built from.
pub(super) struct BackendParts<'a> {
    pub(super) config: &'a Config,
    pub(super) clock: &'a Clock,
    pub(super) news: &'a NewsSender,
    pub(super) tasks: &'a TaskTracker,
    /// Cancelled when nobody needs the backend any more.
    pub(super) stop: &'a CancellationToken,
}

impl Backends {
    /// The backend that the configuration names.
    pub(super) fn start(parts: &BackendParts<'_>) -> Result<Self, StartError> {
        match &parts.config.redis.url {
            None => Ok(embedded(parts)),
            Some(url) => redis(parts, url),
        }
    }
}

fn lifetime(config: &Config) -> Lifetime {
    Lifetime {
        sliding_ms: config.auth.session_sliding_s.saturating_mul(1_000),
        absolute_ms: config.auth.session_absolute_s.saturating_mul(1_000),
    }
}

/// Everything in the memory of this process.
fn embedded(parts: &BackendParts<'_>) -> Backends {
    let &BackendParts { config, clock, news, tasks, stop } = parts;
    let dedupe_window = Duration::from_secs(config.broker.dedupe_s);
    let store = MemoryStore::new(clock.clone(), dedupe_window, config.broker.memory_total_bytes as u64);
    let bus = MemoryBus::new();
    let broker = Arc::new(MemoryBroker::attach(store, bus.clone(), news.clone()));
    let presence = MemoryPresence::attach(MemoryPresenceStore::new(), bus, clock.clone(), PRESENCE_LEASE);
    tasks.spawn({
        let (broker, stop) = (broker.clone(), stop.clone());
        async move {
            while tokio::time::timeout(Duration::from_secs(1), stop.cancelled()).await.is_err() {
                broker.sweep();
            }
        }
    });
    Backends {
        broker,
        presence: Arc::new(presence),
        sessions: Arc::new(MemorySessions::new(clock.clone(), lifetime(config))),
        limits: Arc::new(MemoryLimits::new(clock.clone())),
        replicas: Arc::new(MemoryReplicas::attach(MemoryReplicasStore::new(clock.clone(), replicas::LEASE))),
        backend: watch::channel(Backend::Heard).1,
    }
}

/// What many replicas share.
fn redis(_parts: &BackendParts<'_>, _url: &RedisUrl) -> Result<Backends, StartError> {
    Err(StartError::Redis(String::new()))
}
