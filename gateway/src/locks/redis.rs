//! The version for many replicas: a lock is a key in Redis, and its lease runs by Redis's clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;

use super::{Held, Locks, LocksError};
use crate::redis::{Access, Partition, Redis, RedisError, Script};

#[cfg(test)]
mod tests;

// A store without memory still has to be tidied by whoever holds the lock, and a lock is only a few bytes.
static ACQUIRE: Script = Script::new(Access::Tidy, &[include_str!("redis/acquire.lua")]);
static EXTEND: Script = Script::new(Access::Tidy, &[include_str!("redis/extend.lua")]);

/// How long an ended lock is remembered. Afterwards it is the clock alone that makes its fences rise.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Locks in Redis.
#[derive(Debug, Clone)]
pub struct RedisLocks {
    redis: Arc<Redis>,
}

impl RedisLocks {
    /// The locks of all replicas that share this Redis and its prefix.
    pub fn new(redis: Arc<Redis>) -> Self {
        Self { redis }
    }

    fn key(&self, name: &str) -> (Partition, String) {
        let partition = self.redis.keys().user(name);
        (partition, self.redis.keys().key(partition, "lock", name))
    }

    async fn extend(&self, held: &Held, lease: Duration) -> Result<bool, LocksError> {
        let (partition, key) = self.key(&held.name);
        let args = vec![Value::from(held.fence.to_string()), ms(lease), ms(REMEMBERED)];
        let stood: u64 = self.redis.run(&EXTEND, partition, vec![key], args).await?;
        Ok(stood == 1)
    }
}

fn ms(duration: Duration) -> Value {
    Value::from(duration.as_millis().to_string())
}

#[async_trait]
impl Locks for RedisLocks {
    async fn acquire(&self, name: &str, owner: &str, lease: Duration) -> Result<Option<Held>, LocksError> {
        let (partition, key) = self.key(name);
        let args = vec![Value::from(owner), ms(lease), ms(REMEMBERED)];
        let fence: u64 = self.redis.run(&ACQUIRE, partition, vec![key], args).await?;
        Ok((fence > 0).then(|| Held { name: Arc::from(name), owner: Arc::from(owner), fence }))
    }

    async fn renew(&self, held: &Held, lease: Duration) -> Result<bool, LocksError> {
        self.extend(held, lease).await
    }

    async fn release(&self, held: Held) -> Result<bool, LocksError> {
        self.extend(&held, Duration::ZERO).await
    }
}

impl From<RedisError> for LocksError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unavailable | RedisError::Full => {}
            RedisError::Refused(_) | RedisError::Broken(_) => tracing::error!(%error, "a lock is out of reach"),
        }
        Self::Unavailable
    }
}
