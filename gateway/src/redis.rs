//! Redis, as the capabilities that stand on it use it: scripts on the master of a slot, and a subscription that is in
//! order or says that it was not. The only place that knows how to connect, and with the capabilities' `redis.rs` the
//! only one that knows fred.
//!
//! * [`url`], [`wire`]: where the servers are, and one plain connection to one of them.
//! * [`topology`]: which of them is the master of which slot; ours, because fred's own waits for ever for some failures.
//! * [`calls`]: scripts, each on the right master and within the deadline; `shard` is one master through fred.
//! * [`bus`]: the subscription, ours too: in order, or a gap is told.
//! * [`group`]: many questions in one call; `desk`: of many kinds.
//! * [`keys`]: what keys and channels are called, and in which slot they live.
//! * [`health`], [`metrics`]: whether all that answers and is heard, and how often and how fast.

pub mod bus;
pub mod calls;
mod desk;
pub mod error;
pub mod group;
pub mod health;
pub mod keys;
pub mod metrics;
pub mod script;
mod shard;
#[cfg(test)]
pub(crate) mod testing;
pub mod topology;
pub mod url;
pub mod wire;

pub use bus::{Bus, Ear};
pub use calls::{Redis, RedisSettings};
pub use error::RedisError;
pub use group::Group;
pub use health::Health;
pub use keys::{Channel, Keys, Partition};
pub use metrics::RedisMetrics;
pub use script::{Access, Script};
pub use url::RedisUrl;
