//! The version that replicas share through Redis: one hash, by the clock of the server that has it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::{FromValue, Value};

use super::{Announcement, Replica, Replicas, ReplicasError, sort};
use crate::random;
use crate::redis::{Access, Redis, RedisError, Script};

#[cfg(test)]
mod tests;

// A replica is seen also where there is no room for more: it then matters most to see them all.
static ANNOUNCE: Script = Script::new(Access::Tidy, &[include_str!("redis/announce.lua")]);
static LIST: Script = Script::new(Access::Read, &[include_str!("redis/list.lua")]);
static WITHDRAW: Script = Script::new(Access::Tidy, &[include_str!("redis/withdraw.lua")]);

/// The announcements that stand in a Redis, as one replica knows them.
#[derive(Debug)]
pub struct RedisReplicas {
    redis: Arc<Redis>,
    lease: Duration,
    /// The name of this run of this process.
    run: String,
}

impl RedisReplicas {
    /// One more replica; an announcement counts for so long.
    pub fn attach(redis: Arc<Redis>, lease: Duration) -> Self {
        Self { redis, lease, run: random::word(16) }
    }

    async fn call<R: FromValue>(&self, script: &'static Script, args: Vec<Value>) -> Result<R, RedisError> {
        const NAME: &str = "replicas";
        let keys = self.redis.keys();
        let at = keys.user(NAME);
        self.redis.run(script, at, vec![keys.key(at, NAME, "all")], args).await
    }

    fn lease_ms(&self) -> Value {
        Value::from(self.lease.as_millis().to_string())
    }
}

#[async_trait]
impl Replicas for RedisReplicas {
    async fn announce(&self, announcement: &Announcement) -> Result<(), ReplicasError> {
        let announcement =
            serde_json::to_string(announcement).map_err(|error| RedisError::Broken(error.to_string()))?;
        let args = vec![Value::from(&self.run), Value::from(announcement), self.lease_ms()];
        Ok(self.call(&ANNOUNCE, args).await?)
    }

    async fn withdraw(&self) -> Result<(), ReplicasError> {
        Ok(self.call(&WITHDRAW, vec![Value::from(&self.run)]).await?)
    }

    async fn list(&self) -> Result<Vec<Replica>, ReplicasError> {
        let known: Vec<(u64, String)> = self.call(&LIST, vec![self.lease_ms()]).await?;
        let read = |(age_ms, announcement): (u64, String)| {
            let announcement = serde_json::from_str(&announcement);
            announcement.map(|announcement| Replica { announcement, age_ms })
        };
        let replicas: Result<Vec<_>, _> = known.into_iter().map(read).collect();
        let mut replicas = replicas.map_err(|error| RedisError::Broken(error.to_string()))?;
        sort(&mut replicas);
        Ok(replicas)
    }
}

impl From<RedisError> for ReplicasError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unavailable | RedisError::Full => {}
            RedisError::Refused(_) | RedisError::Broken(_) => {
                tracing::error!(%error, "the replicas in Redis cannot be used");
            }
        }
        Self::Unavailable
    }
}
