//! What is seen of a run while it goes on.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::phase::Phase;
use crate::shared::{self, Shared};

/// How often the line is written anew, and the rate taken.
const REFRESH: Duration = Duration::from_millis(500);

/// One line in the terminal; nothing where there is no terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    clients: usize,
    last: Instant,
    deliveries: u64,
}

impl Progress {
    pub(crate) fn new(shared: &Shared) -> Self {
        let bar = ProgressBar::new_spinner();
        // The default style stays where the template is wrong.
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg}") {
            bar.set_style(style);
        }
        Self { bar, clients: shared.plan.clients, last: Instant::now(), deliveries: 0 }
    }

    /// Shows where the run is. `end` is when the phase ends at the latest.
    pub(crate) fn show(&mut self, shared: &Shared, phase: Phase, end: Instant) {
        self.bar.tick();
        let now = Instant::now();
        if self.bar.is_hidden() || now - self.last < REFRESH {
            return;
        }
        let sum = |of: fn(&shared::Progress) -> &AtomicU64| {
            shared.progress.iter().map(|each| of(each).load(Ordering::Relaxed)).sum::<u64>()
        };
        let deliveries = sum(|each| &each.deliveries);
        let per_second = (deliveries - self.deliveries) as f64 / (now - self.last).as_secs_f64();
        (self.last, self.deliveries) = (now, deliveries);
        let (clients, in_rooms) = (self.clients, sum(|each| &each.in_rooms));
        let left = end.saturating_duration_since(now).as_secs();
        let p99_us = shared.progress.iter().map(|each| each.p99_us.load(Ordering::Relaxed)).max().unwrap_or(0);
        let message = match phase {
            Phase::Connect => format!("connecting: {in_rooms} of {clients} are in their rooms"),
            Phase::Cut => format!("cut: {in_rooms} of {clients} are in their rooms, for {left} s"),
            Phase::Return => format!("returning: {in_rooms} of {clients} are in their rooms"),
            Phase::Send => format!(
                "sending: {} messages, {per_second:.0} deliveries/s, p99 {:.1} ms, {left} s left",
                sum(|each| &each.sent),
                p99_us as f64 / 1_000.0
            ),
            Phase::Answer => "draining: not everything is answered".to_owned(),
            Phase::CatchUp => format!("draining: not everything is delivered, {per_second:.0} deliveries/s"),
            Phase::Settle => format!("settling: {left} s left"),
            Phase::Hold => format!("holding {in_rooms} connections for {left} s; Ctrl-C ends it"),
            Phase::Stop => "closing".to_owned(),
        };
        self.bar.set_message(message);
    }

    /// Says that everybody is connected, where there is no terminal: another process may wait for it.
    pub(crate) fn tell_connected(&self, in_rooms: u64, time: Duration) {
        if self.bar.is_hidden() {
            let clients = self.clients;
            let line = format!("{in_rooms} of {clients} clients are in their rooms after {:.1} s", time.as_secs_f64());
            // Nobody may be there to read it.
            drop(writeln!(anstream::stderr(), "{line}"));
        }
    }

    /// Leaves the terminal clean.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
