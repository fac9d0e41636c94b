//! One clock for all processes of a machine: a message says when it was due, and whoever gets it can tell its age.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time that does not jump while the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    instant: Instant,
    unix: Duration,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), unix }
    }

    /// A moment in microseconds of Unix time.
    pub(crate) fn unix_us(&self, at: Instant) -> u64 {
        let unix = match at.checked_duration_since(self.instant) {
            Some(after) => self.unix + after,
            None => self.unix.saturating_sub(self.instant.saturating_duration_since(at)),
        };
        unix.as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_as_far_apart_in_unix_time_as_they_are() {
        let clock = Clock::new();
        let now = Instant::now();
        for later in [Duration::ZERO, Duration::from_micros(1_500), Duration::from_hours(1)] {
            let apart = clock.unix_us(now + later).abs_diff(clock.unix_us(now));
            assert!(apart.abs_diff(later.as_micros() as u64) <= 1, "{apart}");
        }
        assert!(clock.unix_us(clock.instant.checked_sub(Duration::from_secs(1)).unwrap()) < clock.unix_us(now));
    }
}
