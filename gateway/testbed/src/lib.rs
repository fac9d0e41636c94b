//! Real servers for tests: started on free ports of 127.0.0.1, broken on purpose, gone when the test is over.
//!
//! Everything here is synchronous. A test on tokio calls what takes longer than some milliseconds (starting, waiting
//! for a failover) through `tokio::task::block_in_place`, on a runtime with more than one worker.
//! What cannot be done panics: a test without its server has failed.

#![expect(clippy::expect_used, reason = "a test without its server has failed")]

mod cluster;
mod ports;
mod process;
mod proxy;
mod resp;
mod sentinel;
mod server;
mod tls;
mod waiting;

pub use cluster::{Cluster, Migration};
pub use ports::free_port;
pub use process::Process;
pub use proxy::Proxy;
pub use resp::Reply;
pub use sentinel::Sentinel;
pub use server::RedisServer;
pub use waiting::until;
