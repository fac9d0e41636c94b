//! Why Redis gave no answer that can be used.

use thiserror::Error;

/// Why Redis gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RedisError {
    /// No answer in time, no connection, or a failover is under way. The dependency's fault; retry. Whether the call
    /// took effect is unknown.
    #[error("Redis did not answer in time")]
    Unavailable,
    /// Redis is out of memory and evicts nothing. The operator's fault; a retry helps once there is room. Nothing was
    /// done.
    #[error("Redis is out of memory: raise `maxmemory` or keep less")]
    Full,
    /// Redis refuses this user: the password, or what its ACL allows. The operator's fault. Nothing was done.
    #[error("Redis refuses the gateway: {0}; check the user and password in `redis.url` and the user's ACL")]
    Refused(String),
    /// A script failed, or its answer has another shape than agreed. The gateway's fault.
    #[error("Redis answered what was not understood: {0}")]
    Broken(String),
}
