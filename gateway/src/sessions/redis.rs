//! The version that replicas share through Redis: of each user one hash with the sessions, and one with how the user
//! stands. All times are those of the server that has them.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use fred::types::{FromValue, Value};
use hubbub_shared::UserId;

use super::{Created, Lifetime, NewSession, SESSIONS_PER_USER_MAX, Session, Sessions, SessionsError, UserStanding};
use crate::random;
use crate::redis::{Access, Redis, RedisError, Script};

mod secret;
mod stored;

#[cfg(test)]
mod tests;

const RECORD: &str = include_str!("redis/record.lua");

static CREATE: Script = Script::new(Access::Write, &[RECORD, include_str!("redis/create.lua")]);
static OPEN: Script = Script::new(Access::Tidy, &[RECORD, include_str!("redis/open.lua")]);
static LIST: Script = Script::new(Access::Read, &[RECORD, include_str!("redis/list.lua")]);
static REVOKE: Script = Script::new(Access::Tidy, &[RECORD, include_str!("redis/revoke.lua")]);
// What keeps somebody out is stored also where there is no room for more.
static REVOKE_USER: Script = Script::new(Access::Tidy, &[include_str!("redis/revoke_user.lua")]);
static BAN: Script = Script::new(Access::Tidy, &[include_str!("redis/ban.lua")]);
static STANDING: Script = Script::new(Access::Read, &[include_str!("redis/standing.lua")]);

/// Characters of a session's id: 95 bits, so that ids of all users are told apart.
const ID_CHARACTERS: usize = 16;
/// How exact it is when a session was used last.
const SEEN_EXACT_TO_MS: u64 = 60_000;
/// Times and durations beyond this are for ever, and this is as good: Lua counts so far without a fault.
const FOR_EVER_MS: u64 = 1 << 52;

/// Logins in Redis.
#[derive(Debug)]
pub struct RedisSessions {
    redis: Arc<Redis>,
    lifetime: Lifetime,
}

impl RedisSessions {
    /// The logins that stand in this Redis, which last as long as `lifetime` says.
    pub fn new(redis: Arc<Redis>, lifetime: Lifetime) -> Self {
        Self { redis, lifetime }
    }

    fn sliding_ms(&self) -> u64 {
        self.lifetime.sliding_ms.min(FOR_EVER_MS)
    }

    /// Asks a script about the user's keys: the sessions, how the user stands, or both.
    async fn ask<R: FromValue>(
        &self,
        script: &'static Script,
        user: &UserId,
        keys: &[&str],
        args: Vec<Value>,
    ) -> Result<R, RedisError> {
        let at = self.redis.keys().user(user.as_str());
        let keys = keys.iter().map(|what| self.redis.keys().key(at, what, user.as_str())).collect();
        self.redis.ask(script, at, keys, args).await
    }

    /// Counts as a use of a session, if the secret's hash fits where one is given.
    async fn use_now(
        &self,
        user: &UserId,
        id: &str,
        hash: String,
        address: IpAddr,
    ) -> Result<Option<Session>, SessionsError> {
        let sliding_ms = self.sliding_ms();
        // A session that slides in a shorter time must be noted more often, or it would end while it is in use.
        let exact_to_ms = SEEN_EXACT_TO_MS.min(sliding_ms / 10);
        let args = vec![text(id), text(hash), text(address), text(sliding_ms), text(exact_to_ms)];
        let record: Option<String> = self.ask(&OPEN, user, &[SESSIONS], args).await?;
        Ok(record.map(|record| stored::session(user, id, &record)).transpose()?)
    }

    /// The sessions that stand, or one of them, as their ids and records.
    async fn standing(&self, user: &UserId, id: &str) -> Result<Vec<String>, SessionsError> {
        Ok(self.ask(&LIST, user, &[SESSIONS], vec![text(id)]).await?)
    }
}

const SESSIONS: &str = "sessions";
const STANDS: &str = "standing";

fn text(argument: impl ToString) -> Value {
    Value::from(argument.to_string())
}

/// An argument that may be left out.
fn maybe(argument: Option<u64>) -> Value {
    argument.map_or_else(|| text(""), text)
}

#[async_trait]
impl Sessions for RedisSessions {
    async fn create(&self, new: NewSession) -> Result<Created, SessionsError> {
        let id = random::word(ID_CHARACTERS);
        let secret = secret::new(&id, &new.user);
        let args = vec![
            text(&id),
            text(secret::hash(&secret)),
            text(new.address),
            text(stored::unchanging(&new)?),
            text(self.sliding_ms()),
            text(self.lifetime.absolute_ms.min(FOR_EVER_MS)),
            maybe(new.not_after_ms.map(|not_after_ms| not_after_ms.min(FOR_EVER_MS))),
            maybe(new.issued_at_s),
            text(SESSIONS_PER_USER_MAX),
        ];
        let (record, revoked_before_s, banned): (Option<String>, Option<u64>, bool) =
            self.ask(&CREATE, &new.user, &[SESSIONS, STANDS], args).await?;
        Ok(match record {
            Some(record) => Created::Session(Box::new(stored::session(&new.user, &id, &record)?), secret),
            None => Created::Refused(UserStanding { revoked_before_s, banned }),
        })
    }

    async fn open(&self, secret: &str, address: IpAddr) -> Result<Option<Session>, SessionsError> {
        match secret::parse(secret) {
            Some((id, user)) => self.use_now(&user, id, secret::hash(secret), address).await,
            None => Ok(None),
        }
    }

    async fn touch(&self, user: &UserId, id: &str, address: IpAddr) -> Result<Option<Session>, SessionsError> {
        self.use_now(user, id, String::new(), address).await
    }

    async fn stands(&self, user: &UserId, id: &str) -> Result<bool, SessionsError> {
        Ok(!id.is_empty() && !self.standing(user, id).await?.is_empty())
    }

    async fn list(&self, user: &UserId) -> Result<Vec<Session>, SessionsError> {
        let standing = self.standing(user, "").await?;
        let pairs = standing.chunks_exact(2);
        let mut sessions =
            pairs.map(|pair| stored::session(user, &pair[0], &pair[1])).collect::<Result<Vec<_>, _>>()?;
        sessions.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        Ok(sessions)
    }

    async fn revoke(&self, user: &UserId, id: &str) -> Result<bool, SessionsError> {
        let ended: Vec<String> = self.ask(&REVOKE, user, &[SESSIONS], vec![text("one"), text(id)]).await?;
        Ok(!ended.is_empty())
    }

    async fn revoke_others(&self, user: &UserId, keep: &str) -> Result<Vec<Arc<str>>, SessionsError> {
        let ended: Vec<String> = self.ask(&REVOKE, user, &[SESSIONS], vec![text("others"), text(keep)]).await?;
        Ok(ended.into_iter().map(Arc::from).collect())
    }

    async fn revoke_user(&self, user: &UserId) -> Result<u64, SessionsError> {
        Ok(self.ask(&REVOKE_USER, user, &[SESSIONS, STANDS], Vec::new()).await?)
    }

    async fn set_banned(&self, user: &UserId, until_ms: Option<u64>) -> Result<(), SessionsError> {
        Ok(self.ask(&BAN, user, &[STANDS], vec![maybe(until_ms)]).await?)
    }

    async fn user_standing(&self, user: &UserId) -> Result<UserStanding, SessionsError> {
        let (revoked_before_s, banned) = self.ask(&STANDING, user, &[STANDS], Vec::new()).await?;
        Ok(UserStanding { revoked_before_s, banned })
    }
}

impl From<RedisError> for SessionsError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unavailable | RedisError::Full => {}
            RedisError::Refused(_) | RedisError::Broken(_) => {
                tracing::error!(%error, "the sessions in Redis cannot be used");
            }
        }
        Self::Unavailable
    }
}
