//! The phases of a run, from the first connection to the last answer. Players follow the phase; the run goes on to the
//! next one when all of them are done with it, or when its time is over.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::latency::Latencies;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::player::{Outcome, Player};
use crate::progress::Progress;
use crate::report::{Measured, Report};
use crate::schedule::{Schedule, Share};
use crate::servers::{Per, Used, Watch, used};
use crate::tally::Tallies;

/// How often the run looks whether a phase is over.
const TICK: Duration = Duration::from_millis(50);
/// Players begin to send together, this long after they are told.
const RUN_UP: Duration = Duration::from_millis(200);
/// How long players may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(10);

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Everybody connects and joins.
    Connect,
    /// Messages are sent.
    Send,
    /// Nothing more is sent; what was sent is still to be answered.
    Answer,
    /// All is answered; what was acknowledged is still to be delivered.
    CatchUp,
    /// The connections are at rest.
    Hold,
    /// Everybody says goodbye.
    Stop,
}

impl Phase {
    const COUNT: usize = 6;
}

/// One room of the run.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) ledger: Mutex<Ledger>,
}

/// What all players of a run have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) rooms: Vec<Room>,
    pub(crate) latencies: Latencies,
    pub(crate) tallies: Tallies,
    /// When the first connection is due.
    pub(crate) opened: Instant,
    /// When the first message is due; set before anybody sends.
    pub(crate) started: OnceLock<Instant>,
    /// When the sending ended. What was due before is still sent, however late.
    pub(crate) ended: OnceLock<Instant>,
    /// How many players are done with each phase.
    done: [AtomicUsize; Phase::COUNT],
}

impl Shared {
    /// A player is done with a phase.
    pub(crate) fn done(&self, phase: Phase) {
        self.done[phase as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn done_count(&self, phase: Phase) -> usize {
        self.done[phase as usize].load(Ordering::Relaxed)
    }
}

/// Makes the run that the plan describes. Ctrl-C ends the sending; the report is made all the same.
pub(crate) async fn run(plan: Plan) -> Report {
    let schedule = Schedule::new(plan.messages_per_second, plan.duration);
    let shared = Arc::new(Shared {
        rooms: (0..plan.rooms)
            .map(|number| Room { name: plan.room(number), ledger: Mutex::new(Ledger::new(plan.senders)) })
            .collect(),
        latencies: Latencies::new(),
        tallies: Tallies::default(),
        opened: Instant::now(),
        started: OnceLock::new(),
        ended: OnceLock::new(),
        done: std::array::from_fn(|_| AtomicUsize::new(0)),
        plan,
    });
    let (phase, follow) = watch::channel(Phase::Connect);
    let mut players = JoinSet::new();
    for number in 0..shared.plan.clients {
        let share = match shared.plan.sender(number) {
            Some(sender) if schedule.count() > 0 => schedule.share(sender, shared.plan.senders),
            Some(_) | None => Share::none(),
        };
        players.spawn(Player::new(number, share, Arc::clone(&shared), follow.clone()).play());
    }
    drop(follow);
    let mut stage = Stagehand { shared, phase, progress: Progress::new(), interrupt: interrupt(), interrupts: 0 };
    let measured = stage.direct().await;
    let outcomes = stage.dismiss(players).await;
    let Stagehand { shared, progress, .. } = stage;
    progress.finish();
    Report::new(&shared, measured, schedule, &outcomes)
}

/// Moves the run from phase to phase.
struct Stagehand {
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    progress: Progress,
    /// Comes with the next Ctrl-C.
    interrupt: Pin<Box<dyn Future<Output = ()> + Send>>,
    interrupts: u32,
}

fn interrupt() -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async {
        // Where the signal cannot be listened to, it ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

impl Stagehand {
    async fn direct(&mut self) -> Measured {
        let plan = &self.shared.plan;
        let (drain, hold, duration) = (plan.drain, plan.hold, plan.duration);
        // A process that has ended since the plan was made is missing in the report.
        let mut watch = Watch::new(&plan.servers).unwrap_or_default();
        let at_first = watch.look();
        self.wait(Phase::Connect, plan.connect_timeout).await;
        let connect = self.shared.opened.elapsed();
        let connected = watch.look();
        let per = Per { connections: self.shared.tallies.welcomed.get(), ..Per::default() };
        let connecting = used(&at_first, &connected, per);
        if self.shared.tallies.welcomed.get() == 0 {
            // Nobody is there to send, and the report says why.
            let servers = Used { connecting, ..Used::default() };
            return Measured { connect, servers, ..Measured::default() };
        }
        let start = Instant::now() + RUN_UP;
        self.shared.started.get_or_init(|| start);
        let before = self.shared.tallies.deliveries.get();
        self.wait(Phase::Send, RUN_UP + duration).await;
        let sending = start.elapsed();
        let deliveries = self.shared.tallies.deliveries.get() - before;
        let ended = Instant::now();
        self.shared.ended.get_or_init(|| ended);
        self.wait(Phase::Answer, drain).await;
        let answered = self.is_done(Phase::Answer);
        self.wait(Phase::CatchUp, drain.saturating_sub(ended.elapsed())).await;
        let settled = answered && self.is_done(Phase::CatchUp);
        let drained = ended.elapsed();
        let (messages, deliveries_in_all) =
            (self.shared.tallies.sent.get(), self.shared.tallies.deliveries.get() - before);
        let per = Per { messages, deliveries: deliveries_in_all, connections: 0 };
        let servers = Used { connecting, sending: used(&connected, &watch.look(), per) };
        self.wait(Phase::Hold, hold).await;
        Measured {
            connect,
            sending,
            deliveries_while_sending: deliveries,
            drained,
            settled,
            servers,
            interrupted: self.interrupts > 0,
        }
    }

    /// Waits until all players are done with the phase, but not longer than `time`.
    async fn wait(&mut self, phase: Phase, time: Duration) {
        self.phase.send_replace(phase);
        let end = Instant::now() + time;
        while !self.is_done(phase) && Instant::now() < end {
            self.progress.show(&self.shared, phase, end);
            tokio::select! {
                () = sleep(TICK.min(end.saturating_duration_since(Instant::now()))) => {}
                () = &mut self.interrupt => {
                    self.interrupt = interrupt();
                    self.interrupts += 1;
                }
            }
            // The first one ends the sending and what only waits, the second one also the wait for answers.
            let patient = matches!(phase, Phase::Answer | Phase::CatchUp) && self.interrupts < 2;
            if self.interrupts > 0 && !patient {
                break;
            }
        }
    }

    fn is_done(&self, phase: Phase) -> bool {
        self.shared.done_count(phase) >= self.shared.plan.clients
    }

    /// Lets the players say goodbye and tell what became of them.
    async fn dismiss(&self, mut players: JoinSet<Outcome>) -> Vec<Outcome> {
        self.phase.send_replace(Phase::Stop);
        let mut outcomes = Vec::with_capacity(players.len());
        let all = async {
            while let Some(outcome) = players.join_next().await {
                outcomes.extend(outcome);
            }
        };
        // A player that does not come to an end is missing in the outcomes, and the report says so.
        drop(timeout(FAREWELL, all).await);
        players.shutdown().await;
        outcomes
    }
}
