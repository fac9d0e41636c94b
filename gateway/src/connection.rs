//! One connection's life: hello, requests, subscriptions, signs of life, and its end.
//!
//! * [`link`]: what a connection needs of its transport.
//! * [`command`], [`reply`]: what is asked and told, before any wire language; [`reply::Dialect`] is the seam to those.
//! * [`serve`]: the whole life; [`hello`] opens it, [`live`] is its loop, [`lanes`] the order in which requests take
//!   effect, [`execute`] what each request does, [`rhythm`] the clocks.
//! * [`handle`], [`registry`]: how the rest of the gateway reaches a connection; [`orders`] does what other replicas
//!   ask for.

use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::limits::Limits as WireLimits;
use tokio::sync::Notify;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::rooms::Rooms;
use crate::sessions::Sessions;
use crate::telemetry::metrics::ConnectionMetrics;

pub mod command;
pub mod execute;
pub mod handle;
pub mod hello;
pub mod lanes;
pub mod link;
pub mod live;
pub mod orders;
pub mod registry;
pub mod reply;
pub mod rhythm;
pub mod serve;

use registry::Registry;

/// The limits and rhythms of connections.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// How long a client may take to say hello.
    pub hello_timeout: Duration,
    /// The rhythm of signs of life.
    pub heartbeat: Duration,
    /// How long a client may take nothing in.
    pub slow_grace: Duration,
    /// Bytes that may wait for one client.
    pub outbox_bytes: usize,
    /// The limits that the client is told.
    pub wire: WireLimits,
    /// Whether guests are let in.
    pub guests: bool,
    /// Refusals by rate limits within the window after which a connection is closed.
    pub penalty_strikes: u32,
    /// That window.
    pub penalty_window: Duration,
    /// How long such a client is to stay away.
    pub penalty: Duration,
}

/// What every connection works with.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct Context {
    /// The replica's id.
    pub replica: Arc<str>,
    /// Limits and rhythms.
    pub settings: ConnectionSettings,
    /// The rooms of this replica.
    pub hub: Arc<Hub>,
    /// What may be asked of rooms.
    pub rooms: Arc<Rooms>,
    /// Logins.
    pub sessions: Arc<dyn Sessions>,
    /// Who a token is for.
    pub authenticator: Arc<Authenticator>,
    /// All connections of this replica.
    pub registry: Arc<Registry>,
    /// Wall time.
    pub clock: Clock,
    /// Counters.
    pub metrics: ConnectionMetrics,
    /// Told where an order may have missed a connection: all are looked at again then.
    pub doubt: Notify,
}
