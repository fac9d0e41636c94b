//! Leases with fencing tokens: at most one owner works at a time, and what a late one still does can be told.
//!
//! A lock store promises:
//!
//! 1. Between `acquire` and the end of the lease nobody else acquires the same name.
//! 2. Fencing tokens of one name only rise. A resource that heeds them refuses whoever comes with a lower one.
//! 3. `renew` and `release` of a lease that was lost change nothing and say so.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
pub mod redis;

/// A lock that was got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The lock's name.
    pub name: Arc<str>,
    /// Whose it is.
    pub owner: Arc<str>,
    /// The fencing token; greater than that of every earlier owner.
    pub fence: u64,
}

/// Why the lock store gave no answer. The dependency's fault; retry.
#[derive(Debug, Clone, Error)]
pub enum LocksError {
    /// The store did not answer in time.
    #[error("the lock store did not answer in time")]
    Unavailable,
}

/// Leases; see the module for what is promised.
#[async_trait]
pub trait Locks: Send + Sync + 'static {
    /// Gets the lock unless somebody else holds it. Who holds it already gets it again, with the same fence.
    async fn acquire(&self, name: &str, owner: &str, lease: Duration) -> Result<Option<Held>, LocksError>;

    /// Extends the lease; false when it was lost.
    async fn renew(&self, held: &Held, lease: Duration) -> Result<bool, LocksError>;

    /// Gives the lock back; false when it was lost.
    async fn release(&self, held: Held) -> Result<bool, LocksError>;
}
