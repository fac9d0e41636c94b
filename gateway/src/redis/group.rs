//! Group commit: while a call is under way, the questions that come wait, and then go together in the next one.
//!
//! One question alone goes at once. Under load a call carries many, which costs each of them a fraction of a call and
//! makes nobody wait for longer than the call before. Where so many wait that they fill a call, it need not wait
//! either, so that the server has work while an answer is on its way. The questions of a lane go in the order in which
//! they came.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::RedisError;

/// How much may wait and go together.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Questions in one call.
    pub call: usize,
    /// The weight of a call, unless one question alone weighs more.
    pub call_bytes: usize,
    /// Calls of a lane that are under way at once; all but the first of them are full.
    pub at_once: usize,
    /// Questions that wait in one lane; one more is answered [`RedisError::Unavailable`].
    pub waiting: usize,
}

/// Asks many questions of one lane in one call; the answers come in the order of the questions.
pub type Call<Q, A> = Box<dyn Fn(usize, Vec<Q>) -> BoxFuture<'static, Result<Vec<A>, RedisError>> + Send + Sync>;

/// Questions that wait for their lane's call.
pub struct Group<Q, A>(Arc<Shared<Q, A>>);

struct Shared<Q, A> {
    lanes: Vec<Mutex<Lane<Q, A>>>,
    bounds: Bounds,
    deadline: Duration,
    weigh: fn(&Q) -> usize,
    call: Call<Q, A>,
    tasks: TaskTracker,
}

struct Lane<Q, A> {
    waiting: VecDeque<Waiting<Q, A>>,
    /// Whether somebody takes care of what waits.
    busy: bool,
    /// Told when a whole call waits.
    full: Arc<Notify>,
}

/// Questions that go together, and who asked them.
struct Together<Q, A> {
    questions: Vec<Q>,
    askers: Vec<oneshot::Sender<Result<A, RedisError>>>,
}

struct Waiting<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A, RedisError>>,
}

impl<Q: Send + 'static, A: Send + 'static> Group<Q, A> {
    /// A group of `lanes` lanes. A question is answered within the deadline, waiting included. The calls run on tasks
    /// of `tasks`, so that they outlive whoever asked.
    pub fn new(
        lanes: usize,
        bounds: Bounds,
        deadline: Duration,
        weigh: fn(&Q) -> usize,
        tasks: TaskTracker,
        call: Call<Q, A>,
    ) -> Self {
        let lane = || Lane { waiting: VecDeque::new(), busy: false, full: Arc::default() };
        let lanes = (0..lanes).map(|_| Mutex::new(lane())).collect();
        Self(Arc::new(Shared { lanes, bounds, deadline, weigh, call, tasks }))
    }

    /// Asks one question. One whose asker gives up before its call begins is not asked at all.
    pub async fn ask(&self, lane: usize, question: Q) -> Result<A, RedisError> {
        let (answer, asker) = oneshot::channel();
        let begin = {
            let mut lane = self.0.lanes[lane].lock();
            if lane.waiting.len() >= self.0.bounds.waiting {
                return Err(RedisError::Unavailable);
            }
            lane.waiting.push_back(Waiting { question, answer });
            if lane.waiting.len() == self.0.bounds.call {
                lane.full.notify_one();
            }
            !std::mem::replace(&mut lane.busy, true)
        };
        if begin {
            let shared = self.0.clone();
            self.0.tasks.spawn(async move { shared.serve(lane).await });
        }
        match timeout(self.0.deadline, asker).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(RedisError::Unavailable),
        }
    }
}

impl<Q, A> Shared<Q, A> {
    /// Asks what waits in a lane until nothing does.
    async fn serve(&self, lane: usize) {
        let _unharmed = Unharmed(&self.lanes[lane]);
        let full = self.lanes[lane].lock().full.clone();
        let mut under_way = FuturesUnordered::new();
        loop {
            while let Some(together) = self.next_call(lane, under_way.len()) {
                under_way.push(self.call(lane, together));
            }
            tokio::select! {
                biased;
                done = under_way.next() => if done.is_none() { return },
                () = full.notified(), if under_way.len() < self.bounds.at_once => {}
            }
        }
    }

    async fn call(&self, lane: usize, together: Together<Q, A>) {
        let Together { questions, askers } = together;
        match (self.call)(lane, questions).await {
            Ok(answers) => {
                // Who asked may have given up meanwhile.
                for (asker, answer) in askers.into_iter().zip(answers) {
                    _ = asker.send(Ok(answer));
                }
            }
            Err(error) => {
                for asker in askers {
                    _ = asker.send(Err(error.clone()));
                }
            }
        }
    }

    /// What goes next, while so many calls are under way. With none under way and nothing to ask, nobody takes care of
    /// the lane from then on.
    fn next_call(&self, lane: usize, under_way: usize) -> Option<Together<Q, A>> {
        let mut lane = self.lanes[lane].lock();
        let least = if under_way == 0 { 0 } else { self.bounds.call };
        if under_way >= self.bounds.at_once || lane.waiting.len() < least {
            return None;
        }
        let (mut together, mut bytes) = (Together { questions: Vec::new(), askers: Vec::new() }, 0);
        while let Some(next) = lane.waiting.front() {
            bytes += (self.weigh)(&next.question);
            let asked = together.questions.len();
            if asked >= self.bounds.call || (asked > 0 && bytes > self.bounds.call_bytes) {
                break;
            }
            let Some(Waiting { question, answer }) = lane.waiting.pop_front() else { break };
            if !answer.is_closed() {
                together.questions.push(question);
                together.askers.push(answer);
            }
        }
        if together.questions.is_empty() {
            lane.busy = under_way > 0;
            return None;
        }
        Some(together)
    }
}

/// Lets go of a lane whose call panicked, with those who wait in it, so that the next question begins anew.
struct Unharmed<'a, Q, A>(&'a Mutex<Lane<Q, A>>);

impl<Q, A> Drop for Unharmed<'_, Q, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let waiting = {
                let mut lane = self.0.lock();
                lane.busy = false;
                std::mem::take(&mut lane.waiting)
            };
            drop(waiting);
        }
    }
}

impl<Q, A> fmt::Debug for Group<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("lanes", &self.0.lanes.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    const BOUNDS: Bounds = Bounds { call: 4, call_bytes: 100, at_once: 1, waiting: 10 };
    const DEADLINE: Duration = Duration::from_secs(2);

    struct World {
        group: Group<usize, usize>,
        calls: Arc<Mutex<Vec<Vec<usize>>>>,
        /// Calls that may end.
        ends: Arc<Semaphore>,
    }

    fn world(fails: bool) -> World {
        world_with(fails, BOUNDS)
    }

    fn world_with(fails: bool, bounds: Bounds) -> World {
        let (calls, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let call: Call<usize, usize> = Box::new({
            let (calls, ends) = (calls.clone(), ends.clone());
            move |_, questions| {
                let (calls, ends) = (calls.clone(), ends.clone());
                calls.lock().push(questions.clone());
                async move {
                    ends.acquire().await.unwrap().forget();
                    if fails {
                        return Err(RedisError::Full);
                    }
                    Ok(questions.into_iter().map(|question| question + 1_000).collect())
                }
                .boxed()
            }
        });
        World { group: Group::new(2, bounds, DEADLINE, |question| *question, TaskTracker::new(), call), calls, ends }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_during_a_call_goes_together_in_the_next_ones() {
        let world = world(false);
        world.ends.add_permits(10);
        let answers = join_all((1..=7).map(|question| world.group.ask(0, question))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [1_001, 1_002, 1_003, 1_004, 1_005, 1_006, 1_007]);
        assert_eq!(*world.calls.lock(), [vec![1, 2, 3, 4], vec![5, 6, 7]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_full_does_not_wait_for_the_one_before() {
        let world = world_with(false, Bounds { at_once: 2, ..BOUNDS });
        let answers = join_all((1..=8).map(|question| world.group.ask(0, question)));
        tokio::pin!(answers);
        assert!(timeout(DEADLINE / 2, answers.as_mut()).await.is_err());
        // The first goes with whoever waits when it begins; the rest do not fill another one.
        assert_eq!(*world.calls.lock(), [vec![1, 2, 3, 4], vec![5, 6, 7, 8]]);
        let more = join_all([9, 10].map(|question| world.group.ask(0, question)));
        tokio::pin!(more);
        assert!(timeout(DEADLINE / 4, more.as_mut()).await.is_err());
        assert_eq!(world.calls.lock().len(), 2);
        world.ends.add_permits(10);
        assert!(answers.await.into_iter().all(|answer| answer.is_ok()));
        assert_eq!(more.await, [Ok(1_009), Ok(1_010)]);
        assert_eq!(world.calls.lock().last(), Some(&vec![9, 10]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_no_heavier_than_allowed_unless_one_question_is() {
        let world = world(false);
        world.ends.add_permits(10);
        join_all([60, 60, 500, 1].map(|question| world.group.ask(0, question))).await;
        assert_eq!(*world.calls.lock(), [vec![60], vec![60], vec![500], vec![1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_does_not_wait_for_another() {
        let world = world(false);
        let stuck = world.group.ask(0, 1);
        tokio::pin!(stuck);
        assert!(stuck.as_mut().now_or_never().is_none());
        world.ends.add_permits(2);
        assert_eq!(world.group.ask(1, 2).await, Ok(1_002));
        assert_eq!(stuck.await, Ok(1_001));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_come_is_waited_for_until_the_deadline() {
        let world = world(false);
        let start = tokio::time::Instant::now();
        assert_eq!(world.group.ask(0, 1).await, Err(RedisError::Unavailable));
        assert_eq!(start.elapsed(), DEADLINE);
        // What nobody waits for any more is not asked.
        assert_eq!(world.group.ask(0, 2).await, Err(RedisError::Unavailable));
        world.ends.add_permits(10);
        assert_eq!(world.group.ask(0, 3).await, Ok(1_003));
        assert_eq!(*world.calls.lock(), [vec![1], vec![3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_is_told_to_all_who_asked() {
        let world = world(true);
        world.ends.add_permits(10);
        let answers = join_all((1..=3).map(|question| world.group.ask(0, question))).await;
        assert!(answers.into_iter().all(|answer| answer == Err(RedisError::Full)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_panics_takes_nobody_with_it_who_asks_later() {
        let call: Call<usize, usize> = Box::new(|_, questions| {
            assert_ne!(questions, [1], "a call that panics");
            async move { Ok(questions) }.boxed()
        });
        let group = Group::new(1, BOUNDS, DEADLINE, |question| *question, TaskTracker::new(), call);
        let start = tokio::time::Instant::now();
        assert_eq!(group.ask(0, 1).await, Err(RedisError::Unavailable));
        assert_eq!(group.ask(0, 2).await, Ok(2));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_is_full_says_so_at_once() {
        let world = world(false);
        let mut asked: Vec<_> = (0..=BOUNDS.waiting).map(|_| Box::pin(world.group.ask(0, 1))).collect();
        let answers: Vec<_> = asked.iter_mut().map(|asked| asked.as_mut().now_or_never()).collect();
        assert_eq!(answers.last(), Some(&Some(Err(RedisError::Unavailable))));
        assert_eq!(answers.iter().filter(|answer| answer.is_some()).count(), 1);
    }
}
