//! Which replicas there are: each says again and again that it is there, and one that falls silent is gone.
//!
//! A replica announces itself under a lease. A store of announcements promises:
//!
//! 1. Every replica sees a replica from its first announcement on until its lease has run out or it has withdrawn. A
//!    lease is as long as the store was told, counted from the last announcement by the store's own clock.
//! 2. The last announcement of a replica is the one that counts.
//! 3. Two processes that were given the same id are two replicas.
//! 4. An announcement that comes after a withdrawal counts like the first one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
pub mod redis;

/// How often a replica announces itself.
pub const INTERVAL: Duration = Duration::from_secs(3);
/// How long an announcement counts: long enough to miss two.
pub const LEASE: Duration = Duration::from_secs(10);

/// What a replica says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The id, as `welcome` gives it.
    pub id: String,
    /// Where others reach it.
    pub address: SocketAddr,
    /// The version of the gateway.
    pub version: String,
    /// Connections that are welcome there.
    pub connections: u64,
    /// Rooms that are open there.
    pub rooms: u64,
    /// When it began, Unix milliseconds by its own clock.
    pub began_ms: u64,
}

/// A replica whose lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// What it said last.
    pub announcement: Announcement,
    /// How long ago that was, milliseconds.
    pub age_ms: u64,
}

/// Why the store gave no answer. The dependency's fault; retry.
#[derive(Debug, Clone, Error)]
pub enum ReplicasError {
    /// The store did not answer in time.
    #[error("the store of replicas did not answer in time")]
    Unavailable,
}

/// The replicas, as one of them knows them; see the module for what is promised.
#[async_trait]
pub trait Replicas: Send + Sync + 'static {
    /// Says that this replica is there.
    async fn announce(&self, announcement: &Announcement) -> Result<(), ReplicasError>;

    /// Says that this replica goes.
    async fn withdraw(&self) -> Result<(), ReplicasError>;

    /// The replicas whose lease stands, the oldest first.
    async fn list(&self) -> Result<Vec<Replica>, ReplicasError>;
}

/// Announces this replica until it stops, and withdraws it then.
pub async fn keep_announced(
    replicas: Arc<dyn Replicas>,
    announcement: impl Fn() -> Announcement + Send,
    stop: CancellationToken,
) {
    let mut due = tokio::time::interval(INTERVAL);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = due.tick() => {}
        }
        // Whoever looks after the backend says so when it is away; here the next announcement makes up for this one.
        if let Err(error) = replicas.announce(&announcement()).await {
            tracing::debug!(%error, "this replica could not be announced");
        }
    }
    if let Err(error) = replicas.withdraw().await {
        tracing::debug!(%error, "this replica could not be withdrawn; others see it until its lease runs out");
    }
}

/// In the order in which they are listed.
fn sort(replicas: &mut [Replica]) {
    replicas.sort_by(|a, b| {
        let key = |replica: &Replica| (replica.announcement.began_ms, replica.announcement.id.clone());
        key(a).cmp(&key(b))
    });
}
