//! The capabilities, on one of the two backends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::broker::memory::{MemoryBroker, MemoryBus, MemoryStore};
use crate::broker::redis::{BusEar, RedisBroker};
use crate::broker::{Broker, NewsSender};
use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::Backend;
use crate::limits::Limits;
use crate::limits::memory::MemoryLimits;
use crate::limits::redis::RedisLimits;
use crate::locks::redis::RedisLocks;
use crate::presence::Presence;
use crate::presence::memory::{MemoryPresence, MemoryPresenceStore};
use crate::presence::redis::RedisPresence;
use crate::redis::wire::Tls;
use crate::redis::{Health, Redis, RedisSettings, RedisUrl};
use crate::replicas::memory::{MemoryReplicas, MemoryReplicasStore};
use crate::replicas::redis::RedisReplicas;
use crate::replicas::{self, Replicas};
use crate::sessions::memory::MemorySessions;
use crate::sessions::redis::RedisSessions;
use crate::sessions::{Lifetime, Sessions};
use crate::telemetry::metrics::Metrics;

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
    pub(super) metrics: &'a Metrics,
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
    let &BackendParts { config, clock, news, tasks, stop, .. } = parts;
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
fn redis(parts: &BackendParts<'_>, url: &RedisUrl) -> Result<Backends, StartError> {
    let &BackendParts { config, news, metrics, tasks, stop, .. } = parts;
    let tls = url.tls.then(|| Tls::new(config.redis.ca_file.as_deref())).transpose();
    let tls = tls.map_err(|error| StartError::Redis(error.to_string()))?;
    let settings = RedisSettings {
        url: url.clone(),
        prefix: config.redis.prefix.clone(),
        tls,
        deadline: Duration::from_millis(config.broker.deadline_ms),
        metrics: metrics.redis.clone(),
    };
    let redis = Redis::start(settings, tasks, stop).map_err(|error| StartError::Redis(error.to_string()))?;
    let bus = Arc::new(redis.listen(Arc::new(BusEar::new(news.clone())), tasks, stop.clone()));
    let backend = followed(Health::watch(redis.clone(), &bus, tasks, stop.clone()), tasks);
    let dedupe_window = Duration::from_secs(config.broker.dedupe_s);
    let locks = Arc::new(RedisLocks::new(redis.clone()));
    Ok(Backends {
        broker: Arc::new(RedisBroker::attach(redis.clone(), bus, dedupe_window, tasks.clone())),
        presence: Arc::new(RedisPresence::attach(redis.clone(), locks, PRESENCE_LEASE, tasks.clone())),
        sessions: Arc::new(RedisSessions::new(redis.clone(), lifetime(config))),
        limits: Arc::new(RedisLimits::new(redis.clone())),
        replicas: Arc::new(RedisReplicas::attach(redis, replicas::LEASE)),
        backend,
    })
}

/// What is known of Redis, as a replica says it.
fn followed(mut health: watch::Receiver<Health>, tasks: &TaskTracker) -> watch::Receiver<Backend> {
    let translate = |health| match health {
        Health::Heard => Backend::Heard,
        Health::Away => Backend::Away,
        Health::Deaf => Backend::Deaf,
    };
    let (tell, backend) = watch::channel(translate(*health.borrow_and_update()));
    tasks.spawn(async move {
        // It ends with the one who watches.
        while health.changed().await.is_ok() {
            tell.send_replace(translate(*health.borrow_and_update()));
        }
    });
    backend
}

/// Where other machines find this replica: where it listens, or if that is everywhere, the address of the interface
/// through which it reaches Redis.
pub(super) async fn seen_from_outside(listens: SocketAddr, config: &Config) -> SocketAddr {
    let Some(server) = config.redis.url.as_ref().and_then(RedisUrl::a_server) else { return listens };
    if !listens.ip().is_unspecified() {
        return listens;
    }
    let interface = async {
        // Connecting a datagram socket sends nothing; it only chooses the way.
        let any = if listens.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect((server.host.as_str(), server.port)).await?;
        socket.local_addr()
    };
    match tokio::time::timeout(Duration::from_secs(1), interface).await {
        Ok(Ok(interface)) => SocketAddr::new(interface.ip(), listens.port()),
        Ok(Err(_)) | Err(_) => listens,
    }
}
