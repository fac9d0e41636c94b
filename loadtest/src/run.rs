//! The phases of a run, from the first connection to the last answer. Threads follow the phase; the run goes on to the
//! next one when all of their clients are done with it, or when its time is over.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::phase::{Phase, Turn};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Measured, PhaseTime, Report};
use crate::servers::Watch;
use crate::shared::{Shared, TargetError};
use crate::worker::{self, Outcome};

/// How often the run looks whether a phase is over.
const TICK: Duration = Duration::from_millis(10);
/// Clients begin to send together, this long after they are told.
const RUN_UP: Duration = Duration::from_millis(200);
/// How long a server takes at most to tell who is in a room: the grace of those who broke off, and a second to say so.
const SETTLE: Duration = Duration::from_secs(4);

/// How often Ctrl-C was pressed.
pub(crate) static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// Why there is no report.
#[derive(Debug, Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
    #[error("a thread could not wait for its sockets: {0}")]
    Poll(io::Error),
    #[error(
        "find-highest looks for the highest rate of messages, and with --{0} there is none; use run, or leave --{0} out"
    )]
    NoRate(&'static str),
}

/// Makes the run that the plan describes. Ctrl-C ends the sending; the report is made all the same.
pub(crate) fn run(plan: Plan) -> Result<Report, RunError> {
    let shared = Arc::new(Shared::new(plan)?);
    let threads = (0..shared.plan.threads).map(|number| {
        let shared = Arc::clone(&shared);
        std::thread::Builder::new().name(format!("load-{number}")).spawn(move || worker::play(number, shared))
    });
    let threads: Vec<_> = threads.collect::<io::Result<_>>().map_err(RunError::Thread)?;
    let mut stage = Stagehand { progress: Progress::new(&shared), shared, threads, phases: Vec::new() };
    let mut measured = stage.direct();
    measured.phases = std::mem::take(&mut stage.phases);
    let outcomes = stage.dismiss()?;
    stage.progress.finish();
    Ok(Report::new(&stage.shared, measured, outcomes))
}

/// Moves the run from phase to phase.
struct Stagehand {
    shared: Arc<Shared>,
    progress: Progress,
    threads: Vec<JoinHandle<io::Result<Outcome>>>,
    phases: Vec<PhaseTime>,
}

impl Stagehand {
    fn direct(&mut self) -> Measured {
        let mut measured = Measured::default();
        let plan = &self.shared.plan;
        let (drain, hold, missed, presence) = (plan.drain, plan.hold, plan.missed > 0, plan.presence);
        let connect_timeout = plan.connect_timeout;
        // A process that has ended since the plan was made is missing in the report.
        let mut watch = Watch::new(&plan.servers).unwrap_or_default();
        measured.at_first = watch.look();
        let turn = self.shared.current.get();
        self.wait(turn, connect_timeout);
        measured.connect = self.shared.opened.elapsed();
        self.progress.tell_connected(self.in_rooms(), measured.connect);
        measured.connected = watch.look();
        measured.resident_bytes = resident_bytes();
        if self.in_rooms() == 0 {
            // Nobody is there to send, and the report says why.
            return measured;
        }
        if missed {
            self.go_on(Phase::Cut, self.shared.plan.away);
            self.go_on(Phase::Return, connect_timeout);
            self.go_on(Phase::Cut, self.shared.plan.away);
        }
        measured.at_start = watch.look();
        let start = Instant::now() + RUN_UP;
        self.shared.started.get_or_init(|| start);
        self.go_on(Phase::Send, RUN_UP + self.shared.sending());
        measured.sending = start.elapsed();
        let ended = Instant::now();
        self.shared.ended.get_or_init(|| ended);
        let is_answered = self.go_on(Phase::Answer, drain);
        let has_returned = !missed || self.go_on(Phase::Return, connect_timeout);
        let has_caught_up = self.go_on(Phase::CatchUp, drain.saturating_sub(ended.elapsed()));
        measured.settled = is_answered && has_returned && has_caught_up;
        measured.at_end = watch.look();
        self.go_on(Phase::Settle, if presence { SETTLE } else { Duration::ZERO });
        self.go_on(Phase::Hold, hold);
        measured.interrupted = INTERRUPTS.load(Ordering::Relaxed) > 0;
        measured
    }

    fn go_on(&mut self, phase: Phase, time: Duration) -> bool {
        let turn = self.shared.current.go_on(phase);
        self.wait(turn, time)
    }

    /// Waits until all clients are done with the phase, but not longer than `time`. Answers whether they are.
    fn wait(&mut self, turn: Turn, time: Duration) -> bool {
        let start = Instant::now();
        let is_done = self.wait_for_it(turn, start + time);
        self.phases.push(PhaseTime { phase: turn.phase, ms: start.elapsed().as_millis() as u64 });
        is_done
    }

    fn wait_for_it(&mut self, turn: Turn, end: Instant) -> bool {
        loop {
            // Every thread takes note of every phase.
            let pending: Option<Vec<usize>> =
                self.shared.progress.iter().map(|progress| progress.pending(turn)).collect();
            let is_done = pending.as_ref().is_some_and(|pending| pending.iter().all(|clients| *clients == 0));
            let only_waits = matches!(turn.phase, Phase::Cut);
            if is_done && !only_waits {
                return true;
            }
            // The first Ctrl-C ends the sending and what only waits, the second one also the wait for answers.
            let patience = if matches!(turn.phase, Phase::Answer | Phase::CatchUp) { 2 } else { 1 };
            let is_over = Instant::now() >= end || INTERRUPTS.load(Ordering::Relaxed) >= patience;
            let is_dead = self.threads.iter().any(JoinHandle::is_finished);
            if is_over && pending.is_some() || is_dead {
                return is_done;
            }
            self.progress.show(&self.shared, turn.phase, end);
            std::thread::sleep(TICK.min(end.saturating_duration_since(Instant::now())).max(Duration::from_millis(1)));
        }
    }

    fn in_rooms(&self) -> u64 {
        self.shared.progress.iter().map(|progress| progress.in_rooms.load(Ordering::Relaxed)).sum()
    }

    /// Lets the clients say goodbye, and gathers what their threads saw.
    fn dismiss(&mut self) -> Result<Vec<Outcome>, RunError> {
        self.shared.current.go_on(Phase::Stop);
        let mut outcomes = Vec::with_capacity(self.threads.len());
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(outcome) => outcomes.push(outcome.map_err(RunError::Poll)?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(outcomes)
    }
}

/// The resident memory of this program; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    status.ok().and_then(|status| status.vmrss).unwrap_or(0) * 1024
}
