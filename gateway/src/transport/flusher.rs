//! Who writes: a few tasks give every connection with something to write its turn, one after the other. So a message to
//! a thousand members wakes one task, not a thousand.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::writer::{Scratch, Writer};
use crate::random;

/// After so many turns other tasks come first.
const TURNS: usize = 64;

/// The tasks that write, by turns.
#[derive(Debug)]
pub struct Flushers {
    all: Vec<Arc<Flusher>>,
    next: AtomicUsize,
}

/// The connections that wait for their turn; each stands in line at most once.
#[derive(Debug, Default)]
pub(super) struct Flusher {
    line: Mutex<Vec<Arc<Writer>>>,
    filled: Notify,
}

impl Flushers {
    /// Starts one for each thread of the runtime; they end with `stop`, and `tasks` waits for them.
    pub fn start(tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        let threads = tokio::runtime::Handle::current().metrics().num_workers();
        let all: Vec<Arc<Flusher>> = (0..threads.max(1)).map(|_| Arc::default()).collect();
        for flusher in &all {
            tasks.spawn(flusher.clone().run(stop.clone()));
        }
        Self { all, next: AtomicUsize::new(0) }
    }

    /// The one that writes for a new connection.
    pub(super) fn assign(&self) -> Arc<Flusher> {
        self.all[self.next.fetch_add(1, Ordering::Relaxed) % self.all.len()].clone()
    }
}

impl Flusher {
    /// Lets a connection wait for its turn.
    pub(super) fn queue(&self, writer: Arc<Writer>) {
        let first = {
            let mut line = self.line.lock();
            line.push(writer);
            line.len() == 1
        };
        if first {
            self.filled.notify_one();
        }
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut scratch = Scratch::default();
        let mut writers = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.filled.notified() => {}
            }
            std::mem::swap(&mut *self.line.lock(), &mut writers);
            for (turn, writer) in writers.drain(..).enumerate() {
                // A fault in the turn of one connection ends that connection, not what is written to the others.
                if catch_unwind(AssertUnwindSafe(|| writer.turn(&mut scratch))).is_err() {
                    tracing::error!(incident = random::word(10), "the writing to a connection panicked");
                    scratch = Scratch::default();
                    writer.abandon();
                }
                if turn % TURNS == TURNS - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
        // Whoever still stands in line would keep this one, and be kept by it, for ever.
        let left = std::mem::take(&mut *self.line.lock());
        for writer in left {
            writer.abandon();
        }
    }
}
