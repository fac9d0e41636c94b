//! What is seen of a run while it goes on.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use crate::run::{Phase, Shared};

/// How often the line is written anew, and the rate taken.
const REFRESH: Duration = Duration::from_millis(500);

/// One line in the terminal; nothing where there is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    last: Instant,
    deliveries: u64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        // The default style stays where the template is wrong.
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg}") {
            bar.set_style(style);
        }
        Self { bar, last: Instant::now(), deliveries: 0 }
    }

    /// Shows where the run is. `end` is when the phase ends at the latest.
    pub(crate) fn show(&mut self, shared: &Shared, phase: Phase, end: Instant) {
        self.bar.tick();
        let now = Instant::now();
        if self.bar.is_hidden() || now - self.last < REFRESH {
            return;
        }
        let deliveries = shared.tallies.deliveries.get();
        let per_second = (deliveries - self.deliveries) as f64 / (now - self.last).as_secs_f64();
        (self.last, self.deliveries) = (now, deliveries);
        let clients = shared.plan.clients;
        let left = end.saturating_duration_since(now).as_secs();
        let message = match phase {
            Phase::Connect => {
                format!("connecting: {} of {clients} are in their rooms", shared.done_count(Phase::Connect))
            }
            Phase::Send => format!(
                "sending: {} messages, {per_second:.0} deliveries/s, p99 {:.1} ms, {left} s left",
                shared.tallies.sent.get(),
                shared.latencies.delivered.percentiles().p99_ms
            ),
            Phase::Answer => {
                format!("draining: {} of {clients} have all their answers", shared.done_count(Phase::Answer))
            }
            Phase::CatchUp => {
                format!("draining: {} of {clients} have all their messages", shared.done_count(Phase::CatchUp))
            }
            Phase::Hold => format!("holding {clients} connections for {left} s; Ctrl-C ends it"),
            Phase::Stop => "closing".to_owned(),
        };
        self.bar.set_message(message);
    }

    /// Leaves the terminal clean.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
