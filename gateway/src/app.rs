//! The composition root: the only place that picks backends, and the order in which a replica begins and ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hubbub_shared::WEBSOCKET_PATH;
use prometheus_client::registry::Registry as MetricsRegistry;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Authenticator, KeySourceError};
use crate::broker::news;
use crate::clock::Clock;
use crate::config::Config;
use crate::connection::registry::{Capacity, Registry};
use crate::connection::{Context, orders};
use crate::control::Control;
use crate::http::{self, Http};
use crate::hub::{Hub, HubParts};
use crate::lifecycle::{self, Phase, Readiness};
use crate::replicas::{self, Announcement};
use crate::rooms::Rooms;
use crate::telemetry::metrics::Metrics;
use crate::transport::{self, Flushers, Transport, listener};
use crate::{dialect, ids};

mod backends;
mod settings;

use backends::{BackendParts, Backends};

/// Envelopes that may wait for one worker of the hub.
const NEWS_QUEUE: usize = 8_192;
/// How long connections that were told to go may take to go.
const LAST_CONNECTIONS: Duration = Duration::from_secs(5);

/// Why a replica did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another address with --listen or `server.listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The keys that check tokens cannot be used.
    #[error("the keys in [auth] cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Keys(Vec<KeySourceError>),
    /// The backend cannot even be tried.
    #[error("Redis cannot be used: {0}")]
    Redis(String),
}

/// A replica that serves.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    operator_address: Option<SocketAddr>,
    drain: Duration,
    registry: Arc<Registry>,
    readiness: Arc<Readiness>,
    hub: Arc<Hub>,
    /// Listeners and what runs beside the hub.
    tasks: TaskTracker,
    connections: TaskTracker,
    stop: CancellationToken,
    /// What the hub gives back at its end it gives back through the backend, which ends after it.
    backend_stop: CancellationToken,
}

impl App {
    /// Builds everything from the bottom up, binds the ports and begins to serve.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let listener = listen(config.server.listen)?;
        let operator_listener = match config.server.metrics_listen {
            Some(address) => Some(listen(address)?),
            None => None,
        };
        let address = local_address(&listener, config.server.listen);
        let operator_address = operator_listener
            .as_ref()
            .zip(config.server.metrics_listen)
            .map(|(listener, wanted)| local_address(listener, wanted));

        let clock = Clock::System;
        let (stop, backend_stop) = (CancellationToken::new(), CancellationToken::new());
        let (tasks, connections) = (TaskTracker::new(), TaskTracker::new());
        let metrics = Metrics::default();
        let authenticator = Authenticator::new(config.auth.settings(), clock.clone()).map_err(StartError::Keys)?;
        let authenticator = Arc::new(authenticator);
        tasks.spawn({
            let (authenticator, stop) = (authenticator.clone(), stop.clone());
            async move { authenticator.keep_keys_fresh(stop).await }
        });

        let workers = settings::workers(config.hub.workers);
        let (news, queues) = news::channel(workers, NEWS_QUEUE);
        let backends = Backends::start(&BackendParts {
            config,
            clock: &clock,
            news: &news,
            metrics: &metrics,
            tasks: &tasks,
            stop: &backend_stop,
        })?;
        let kinds = Arc::new(config.kinds());
        let hub = HubParts {
            broker: backends.broker.clone(),
            presence: backends.presence.clone(),
            kinds: kinds.clone(),
            settings: settings::hub(&config.hub),
            metrics: metrics.hub.clone(),
        };
        let hub = Hub::start(hub, news, queues);
        let registry = Arc::new(Registry::new(Capacity {
            connections: config.server.connections_max,
            per_user: config.connection.per_user_max,
            per_address: config.connection.per_address_max,
        }));
        let rooms = Arc::new(Rooms {
            broker: backends.broker.clone(),
            presence: backends.presence,
            limits: backends.limits,
            quotas: settings::quotas(&config.limits),
            kinds,
            wire: config.connection.limits(),
            control: Control::new(backends.broker),
            clock: clock.clone(),
        });
        let context = Arc::new(Context {
            replica: Arc::from(config.server.replica.clone().unwrap_or_else(ids::replica)),
            settings: settings::connection(config),
            hub: hub.clone(),
            rooms,
            sessions: backends.sessions,
            authenticator,
            registry: registry.clone(),
            clock,
            metrics: metrics.connection.clone(),
            doubt: Notify::new(),
        });
        tasks.spawn(orders::follow(context.clone(), stop.clone()));
        tasks.spawn(orders::check_when_in_doubt(context.clone(), stop.clone()));
        tasks.spawn(replicas::keep_announced(
            backends.replicas.clone(),
            announcement(context.clone(), backends::seen_from_outside(address, config).await),
            stop.clone(),
        ));

        let readiness = Arc::new(Readiness::default());
        readiness.found(*backends.backend.borrow());
        let following = lifecycle::follow_backend(backends.backend, readiness.clone(), registry.clone(), stop.clone());
        tasks.spawn(following);
        let transport = Arc::new(Transport {
            context: context.clone(),
            dialects: dialect::all(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            origins: config.server.origins.clone(),
            cookie: config.auth.cookie.clone(),
            tasks: connections.clone(),
            flushers: Flushers::start(&tasks, &stop),
            upgrades: metrics.http.answers("GET", WEBSOCKET_PATH, 101),
        });
        let mut exported = MetricsRegistry::with_prefix("hubbub");
        metrics.register(&mut exported);
        http::metrics::register_gauges(context.clone(), readiness.clone(), &mut exported);
        let http = Arc::new(Http {
            context: context.clone(),
            readiness: readiness.clone(),
            replicas: backends.replicas,
            api_keys: settings::api_keys(&config.auth),
            exported,
            metrics_apart: config.server.metrics_listen.is_some(),
            metrics: metrics.http.clone(),
            trusted_proxies: config.server.trusted_proxies.clone(),
            origins: config.server.origins.clone(),
            cookie: config.auth.cookie.clone(),
        });
        let app = Self {
            address,
            operator_address,
            drain: Duration::from_millis(config.server.drain_ms),
            registry,
            readiness,
            hub,
            tasks,
            connections,
            stop,
            backend_stop,
        };
        let router = http::router(http.clone(), transport::router(transport.clone()));
        app.serve(listener, router, Some(transport));
        if let Some(listener) = operator_listener {
            app.serve(listener, http::operator_router(http), None);
        }
        Ok(app)
    }

    fn serve(&self, listener: TcpListener, router: Router, sockets: Option<Arc<Transport>>) {
        self.tasks.spawn(listener::serve(listener, router, sockets, self.tasks.clone(), self.stop.clone()));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are served besides, if anywhere.
    pub fn operator_address(&self) -> Option<SocketAddr> {
        self.operator_address
    }

    /// Sends every connection away within the drain window, then stops everything and waits for it.
    pub async fn stop(self) {
        self.readiness.enter(Phase::Draining);
        lifecycle::drain(&self.registry, self.drain).await;
        self.connections.close();
        if tokio::time::timeout(LAST_CONNECTIONS, self.connections.wait()).await.is_err() {
            tracing::warn!(left = self.connections.len(), "some connections did not end in time");
        }
        self.stop.cancel();
        self.hub.stop().await;
        self.backend_stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(LAST_CONNECTIONS, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "some requests did not end in time");
        }
    }
}

/// What this replica says of itself, now and whenever it is asked again.
fn announcement(context: Arc<Context>, address: SocketAddr) -> impl Fn() -> Announcement {
    let began_ms = context.clock.now_ms();
    move || Announcement {
        id: context.replica.to_string(),
        address,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        connections: context.registry.len() as u64,
        rooms: context.hub.rooms_len() as u64,
        began_ms,
    }
}

/// Whoever lets go of a replica without stopping it leaves nothing behind that waits for ever.
impl Drop for App {
    fn drop(&mut self) {
        self.stop.cancel();
        self.backend_stop.cancel();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    listener::listen(address).map_err(|source| StartError::Listen { address, source })
}

fn local_address(listener: &TcpListener, wanted: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(wanted)
}
