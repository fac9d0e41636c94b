//! The version that replicas share through Redis, by the clock of the server that has the key.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use fred::types::Value;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use hubbub_shared::RoomName;
use tokio_util::task::TaskTracker;

use super::pace::Pace;
use super::{Charge, Limits, LimitsError, Scope, Subject, Verdict};
use crate::redis::group::Bounds;
use crate::redis::keys::PARTITIONS;
use crate::redis::{Access, Group, Keys, Partition, Redis, RedisError, Script};

#[cfg(test)]
mod tests;

/// Notes what is owed also where there is no room for more: who reads and leaves is to be served even then, and a key is
/// gone once it is paid for.
static CHARGE: Script = Script::new(Access::Tidy, &[include_str!("redis/charge.lua")]);

/// What goes together in one call: so much that a busy replica needs few calls, and so little that none takes longer than
/// half a millisecond of the server's time.
const BOUNDS: Bounds = Bounds { call: 24, call_bytes: usize::MAX, waiting: 8_192 };

/// Rate limits in Redis.
#[derive(Debug)]
pub struct RedisLimits {
    redis: Arc<Redis>,
    group: Group<Question, Answer>,
}

/// Charges whose keys may share a call.
#[derive(Debug, Clone)]
struct Question {
    at: Partition,
    charges: Vec<KeyedCharge>,
}

#[derive(Debug, Clone)]
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
    /// The limits that stand in this Redis. Calls run on tasks of `tasks`.
    pub fn new(redis: Arc<Redis>, tasks: TaskTracker) -> Self {
        // Where keys of different partitions may share a call, all questions do.
        let lanes = if redis.is_cluster() { 2 * PARTITIONS } else { 1 };
        let asked = redis.clone();
        let call = move |_: usize, questions| ask(asked.clone(), questions).boxed();
        let group = Group::new(lanes, BOUNDS, redis.deadline(), |_| 0, tasks, Box::new(call));
        Self { redis, group }
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

    async fn ask(&self, question: Question) -> Result<Answer, RedisError> {
        let lane = match (self.redis.is_cluster(), question.at) {
            (false, _) => 0,
            (true, Partition::Room(number)) => usize::from(number),
            (true, Partition::User(number)) => PARTITIONS + usize::from(number),
        };
        self.group.ask(lane, question).await
    }

    /// Gives back what some questions took where others were refused: all charges count or none.
    async fn give_back(&self, taken: Vec<Question>) {
        let given = taken.into_iter().map(|mut question| {
            for charge in &mut question.charges {
                charge.cost = -charge.cost;
            }
            self.ask(question)
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
        let answers = join_all(questions.iter().map(|question| self.ask(question.clone()))).await;
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

/// Asks questions whose keys may share a call.
async fn ask(redis: Arc<Redis>, questions: Vec<Question>) -> Result<Vec<Answer>, RedisError> {
    let Some(at) = questions.first().map(|question| question.at) else { return Ok(Vec::new()) };
    let mut keys: Vec<String> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut args: Vec<Value> = Vec::new();
    for question in &questions {
        args.push(number(question.charges.len()));
        for KeyedCharge { key, pace, cost, .. } in &question.charges {
            let key_number = *numbers.entry(key).or_insert_with(|| {
                keys.push(key.clone());
                keys.len()
            });
            args.extend([number(key_number), number(pace.interval_ns), number(pace.burst_ns), number(cost)]);
        }
    }
    let found: Vec<u64> = redis.run(&CHARGE, at, keys, args).await?;
    let broken = || RedisError::Broken(format!("{} numbers for {} questions", found.len(), questions.len()));
    if found.len() != 2 * questions.len() {
        return Err(broken());
    }
    let answers = questions.iter().zip(found.chunks_exact(2)).map(|(question, found)| match *found {
        [0, _] => Ok(Answer::Taken),
        [charge, retry_after_ms] => {
            let charge = question.charges.get(charge as usize - 1).ok_or_else(broken)?;
            Ok(Answer::Refused { scope: charge.scope, retry_after_ms })
        }
        _ => Err(broken()),
    });
    answers.collect()
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
