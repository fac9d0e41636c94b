//! The version that replicas share through Redis, by the clock of the server that has the key.

use std::sync::Arc;

use async_trait::async_trait;
use fred::types::Value;
use futures_util::future::join_all;
use hubbub_shared::RoomName;

use super::pace::Pace;
use super::{Charge, Limits, LimitsError, Scope, Subject, Verdict};
use crate::redis::{Access, Keys, Partition, Redis, RedisError, Script};

#[cfg(test)]
mod tests;

/// Notes what is owed also where there is no room for more: who reads and leaves is to be served even then, and a key is
/// gone once it is paid for.
static CHARGE: Script = Script::new(Access::Tidy, &[include_str!("redis/charge.lua")]);

/// Rate limits in Redis.
#[derive(Debug)]
pub struct RedisLimits {
    redis: Arc<Redis>,
}

/// Charges whose keys may share a call.
#[derive(Debug)]
struct Question {
    at: Partition,
    charges: Vec<KeyedCharge>,
}

#[derive(Debug)]
struct KeyedCharge {
    key: String,
    scope: Scope,
    pace: Pace,
    /// Below 0: given back.
    cost: i64,
}

/// What became of a question.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Taken,
    Refused { scope: Scope, retry_after_ms: u64 },
}

impl RedisLimits {
    /// The limits that stand in this Redis.
    pub fn new(redis: Arc<Redis>) -> Self {
        Self { redis }
    }

    /// The charges, together as far as they may share a call.
    fn questions(&self, charges: &[Charge]) -> Vec<Question> {
        let keys = self.redis.keys();
        let mut questions: Vec<Question> = Vec::new();
        for Charge { subject, quota, cost } in charges {
            let at = partition(keys, subject);
            let key = keys.key(at, "limit", &format!("{}:{}", subject.scope.as_str(), subject.name));
            let charge = KeyedCharge { key, scope: subject.scope, pace: Pace::of(*quota), cost: i64::from(*cost) };
            match questions.iter_mut().find(|question| !self.redis.is_cluster() || question.at == at) {
                Some(question) => question.charges.push(charge),
                None => questions.push(Question { at, charges: vec![charge] }),
            }
        }
        questions
    }

    async fn ask(&self, question: &Question) -> Result<Answer, RedisError> {
        let Question { at, charges } = question;
        let keys = charges.iter().map(|charge| charge.key.clone()).collect();
        let args = charges
            .iter()
            .flat_map(|KeyedCharge { pace, cost, .. }| [number(pace.interval_ns), number(pace.burst_ns), number(cost)]);
        let (longest, retry_after_ms): (usize, u64) = self.redis.ask(&CHARGE, *at, keys, args.collect()).await?;
        match longest.checked_sub(1).map(|index| charges.get(index)) {
            None => Ok(Answer::Taken),
            Some(Some(charge)) => Ok(Answer::Refused { scope: charge.scope, retry_after_ms }),
            Some(None) => Err(RedisError::Broken(format!("no charge has the number {longest}"))),
        }
    }

    /// Gives back what some questions took where others were refused: all charges count or none.
    async fn give_back(&self, taken: Vec<Question>) {
        let given = taken.into_iter().map(async |mut question| {
            for charge in &mut question.charges {
                charge.cost = -charge.cost;
            }
            self.ask(&question).await
        });
        for outcome in join_all(given).await {
            if let Err(error) = outcome {
                // It makes somebody wait a little longer, and lets nobody do more.
                tracing::debug!(%error, "a charge could not be given back");
            }
        }
    }
}

#[async_trait]
impl Limits for RedisLimits {
    async fn charge(&self, charges: &[Charge]) -> Result<Verdict, LimitsError> {
        let questions = self.questions(charges);
        let answers = join_all(questions.iter().map(|question| self.ask(question))).await;
        let mut taken = Vec::new();
        let (mut verdict, mut failure) = (Verdict::Allowed, None);
        for (question, answer) in questions.into_iter().zip(answers) {
            match answer {
                Ok(Answer::Taken) => taken.push(question),
                Ok(Answer::Refused { scope, retry_after_ms }) => match verdict {
                    Verdict::Limited { retry_after_ms: longest_ms, .. } if retry_after_ms <= longest_ms => {}
                    Verdict::Limited { .. } | Verdict::Allowed => {
                        verdict = Verdict::Limited { scope, retry_after_ms };
                    }
                },
                Err(error) => failure = Some(error),
            }
        }
        if failure.is_some() || verdict != Verdict::Allowed {
            self.give_back(taken).await;
        }
        failure.map_or(Ok(verdict), |error| Err(error.into()))
    }
}

/// Where a subject is counted: with its user or room, whose other limits are asked in the same breath.
fn partition(keys: &Keys, subject: &Subject) -> Partition {
    let Subject { scope, name } = subject;
    match scope {
        Scope::RoomSend => RoomName::new(name).map_or_else(|_| keys.user(name), |room| keys.room(&room)),
        Scope::UserRoomSend => keys.user(name.split_once(' ').map_or(name, |(_, user)| user)),
        Scope::UserSend
        | Scope::UserSignal
        | Scope::UserRequest
        | Scope::AddressRequest
        | Scope::AddressHello
        | Scope::Api => keys.user(name),
    }
}

fn number(number: impl ToString) -> Value {
    Value::from(number.to_string())
}

impl From<RedisError> for LimitsError {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unavailable | RedisError::Full => {}
            RedisError::Refused(_) | RedisError::Broken(_) => {
                tracing::error!(%error, "the limits in Redis cannot be used");
            }
        }
        Self::Unavailable
    }
}
