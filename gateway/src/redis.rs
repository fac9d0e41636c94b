//! Redis, as the capabilities that stand on it use it: scripts on the master of a slot, and a subscription that is in
//! order or says that it was not. The only place that knows how to connect, and with the capabilities' `redis.rs` the
//! only one that knows fred.

pub mod bus;
pub mod error;
pub mod keys;
pub mod topology;
pub mod url;
pub mod wire;

pub use error::RedisError;
pub use keys::{Channel, Keys, Partition};
