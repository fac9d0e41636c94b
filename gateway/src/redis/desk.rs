//! Questions of many kinds in one call: what thousands of connections ask at once when they come back.
//!
//! A script that answers one question is a function of its keys and arguments. Here such functions are put into one
//! script, which is told what is asked in which order and answers each. So what a connection asks of sessions, limits,
//! rooms and presence shares its calls with what others ask meanwhile.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::types::Value;
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::group::{Bounds, Call, Group};
use super::keys::PARTITIONS;
use super::script::{Access, Prepared, Script, fault_within};
use super::{Partition, Redis, RedisError};

/// What may go in one call, and how many questions of a lane may wait for theirs: so much that a storm of reconnects
/// needs few calls, and so little that none takes much longer than a millisecond of the server's time.
const BOUNDS: Bounds = Bounds { call: 64, call_bytes: 128 * 1024, at_once: 2, waiting: 65_536 };

/// Finds what is asked, and asks it.
const DISPATCH: &str = include_str!("desk.lua");

/// Where questions wait whose scripts and keys may share a call.
pub(super) struct Desk {
    /// Whether keys of different partitions may not share a call.
    parted: bool,
    group: Group<Question, Answer>,
}

/// What one question is answered; another's fault is none of it.
type Answer = Result<Value, RedisError>;

/// A question for a script that answers one.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) script: &'static Script,
    pub(super) at: Partition,
    pub(super) keys: Vec<String>,
    pub(super) args: Vec<Value>,
}

/// The scripts of one sort of access that were asked so far, as one. They are few, and always the same.
#[derive(Debug, Default)]
struct Known {
    scripts: Vec<&'static Script>,
    together: Option<Arc<Prepared>>,
}

impl Desk {
    /// The desk of this Redis; where `parted`, questions of different partitions do not share a call.
    pub(super) fn new(redis: Weak<Redis>, parted: bool, deadline: Duration, tasks: TaskTracker) -> Self {
        let known: Arc<[Mutex<Known>]> = Access::ALL.iter().map(|_| Mutex::default()).collect();
        let call: Call<Question, Answer> = Box::new(move |_lane, questions| {
            let (redis, known) = (redis.upgrade(), known.clone());
            async move {
                match redis {
                    Some(redis) => ask_together(&redis, &known, questions).await,
                    None => Err(RedisError::Unavailable),
                }
            }
            .boxed()
        });
        let lanes = Access::ALL.len() * if parted { 2 * PARTITIONS } else { 1 };
        Self { parted, group: Group::new(lanes, BOUNDS, deadline, Question::len_bytes, tasks, call) }
    }

    /// Asks in the next call that has room.
    pub(super) async fn ask(&self, question: Question) -> Result<Value, RedisError> {
        let place = if self.parted { question.at.place() * Access::ALL.len() } else { 0 };
        self.group.ask(place + question.script.access() as usize, question).await?
    }
}

impl Question {
    fn len_bytes(&self) -> usize {
        let args = self.args.iter().map(|arg| arg.as_bytes().map_or(0, <[u8]>::len));
        self.keys.iter().map(String::len).chain(args).sum()
    }
}

impl Known {
    /// The script that answers all of these, and where among its kinds each of them is.
    fn prepare(&mut self, questions: &[Question], redis: &Redis) -> (Arc<Prepared>, Vec<usize>) {
        let mut kinds = Vec::with_capacity(questions.len());
        for Question { script, .. } in questions {
            let known = self.scripts.iter().position(|known| std::ptr::eq(*known, *script));
            kinds.push(known.unwrap_or_else(|| {
                self.together = None;
                self.scripts.push(script);
                self.scripts.len() - 1
            }));
        }
        let prepare = |clock: Option<&str>| Arc::new(Script::together(&self.scripts, DISPATCH, clock));
        let together = match redis.frozen_clock() {
            Some(clock) => prepare(Some(&clock)),
            None => self.together.get_or_insert_with(|| prepare(None)).clone(),
        };
        (together, kinds)
    }
}

/// Asks questions of one sort of access, whose keys may share a call.
async fn ask_together(
    redis: &Redis,
    known: &[Mutex<Known>],
    questions: Vec<Question>,
) -> Result<Vec<Answer>, RedisError> {
    let Some(&Question { script, at, .. }) = questions.first() else { return Ok(Vec::new()) };
    let (together, kinds) = known[script.access() as usize].lock().prepare(&questions, redis);
    let count = questions.len();
    let (mut keys, mut args) = (Vec::new(), Vec::new());
    for (kind, question) in kinds.into_iter().zip(questions) {
        args.extend([kind + 1, question.keys.len(), question.args.len()].map(|number| Value::from(number.to_string())));
        keys.extend(question.keys);
        args.extend(question.args);
    }
    let (answers, faults): (Vec<Value>, Vec<Value>) = redis.evaluate(&together, at, keys, args).await?;
    if answers.len() != count {
        return Err(RedisError::Broken(format!("{} answers to {count} questions", answers.len())));
    }
    let mut answers: Vec<Answer> = answers.into_iter().map(Ok).collect();
    for fault in faults.chunks_exact(2) {
        let answer = fault[0].as_usize().and_then(|number| answers.get_mut(number.checked_sub(1)?));
        let text = fault[1].as_string().unwrap_or_default();
        if let Some(answer) = answer {
            *answer = Err(fault_within(text));
        }
    }
    Ok(answers)
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("group", &self.group).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
