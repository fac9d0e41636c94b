//! The embedded version.

use async_trait::async_trait;
use parking_lot::Mutex;

use super::pace::Pace;
use super::{Charge, Limits, LimitsError, Scope, Subject, Verdict};
use crate::clock::Clock;

const NS_PER_MS: u64 = 1_000_000;

/// Below this number of subjects a sweep is not worth its while.
const SWEEP_SUBJECTS_MIN: usize = 1_024;

/// Rate limits in this process's memory. Replicas share them by sharing the value.
#[derive(Debug)]
pub struct MemoryLimits {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The theoretical arrival time of each subject, in Unix nanoseconds: when all that it was allowed is paid for.
    /// A subject that has paid is as good as one never seen.
    paid_ns: ahash::HashMap<Subject, u64>,
    /// The number of subjects at which those that have paid are swept away: twice what the last sweep left, so that
    /// sweeping costs a constant time per charge.
    sweep_at: usize,
}

impl MemoryLimits {
    /// Limits under which nothing has been charged yet.
    pub fn new(clock: Clock) -> Self {
        let state = State { paid_ns: ahash::HashMap::default(), sweep_at: SWEEP_SUBJECTS_MIN };
        Self { clock, state: Mutex::new(state) }
    }
}

#[async_trait]
impl Limits for MemoryLimits {
    async fn charge(&self, charges: &[Charge]) -> Result<Verdict, LimitsError> {
        let now_ns = self.clock.now_ms().saturating_mul(NS_PER_MS);
        Ok(self.state.lock().charge(charges, now_ns))
    }
}

impl State {
    fn charge(&mut self, charges: &[Charge], now_ns: u64) -> Verdict {
        let mut staged: Vec<(&Subject, u64)> = Vec::with_capacity(charges.len());
        let mut longest: Option<(u64, Scope)> = None;
        for Charge { subject, quota, cost } in charges {
            let pace = Pace::of(*quota);
            let already_staged = staged.iter().rfind(|(other, _)| *other == subject).map(|&(_, owed_ns)| owed_ns);
            let owed_ns = already_staged.unwrap_or_else(|| owed_ns(pace, self.paid_ns.get(subject), now_ns));
            let owing_ns = owed_ns.saturating_add(pace.interval_ns.saturating_mul(u64::from(*cost)));
            staged.push((subject, owing_ns));
            let wait_ns = owing_ns.saturating_sub(pace.burst_ns);
            if wait_ns > longest.map_or(0, |(wait_ns, _)| wait_ns) {
                longest = Some((wait_ns, subject.scope));
            }
        }
        if let Some((wait_ns, scope)) = longest {
            return Verdict::Limited { scope, retry_after_ms: wait_ns.div_ceil(NS_PER_MS) };
        }
        for (subject, owing_ns) in staged {
            let paid_ns = now_ns.saturating_add(owing_ns);
            match self.paid_ns.get_mut(subject) {
                Some(known_ns) => *known_ns = paid_ns,
                None => self.insert(subject, paid_ns, now_ns),
            }
        }
        Verdict::Allowed
    }

    fn insert(&mut self, subject: &Subject, paid_ns: u64, now_ns: u64) {
        if self.paid_ns.len() >= self.sweep_at {
            self.paid_ns.retain(|_, paid_ns| *paid_ns > now_ns);
            self.sweep_at = (self.paid_ns.len() * 2).max(SWEEP_SUBJECTS_MIN);
            self.paid_ns.shrink_to(self.sweep_at);
        }
        self.paid_ns.insert(subject.clone(), paid_ns);
    }
}

/// What a subject owes now: never more than a burst, unless the clock was set back or the quota was lowered, for which
/// nobody is to wait.
fn owed_ns(pace: Pace, paid_ns: Option<&u64>, now_ns: u64) -> u64 {
    paid_ns.map_or(0, |paid_ns| paid_ns.saturating_sub(now_ns)).min(pace.burst_ns)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::limits::Quota;
    use crate::limits::conformance::{Fixture, limits_conformance};

    struct Memory(Arc<MemoryLimits>);

    impl Fixture for Memory {
        async fn new() -> Self {
            Self(Arc::new(MemoryLimits::new(Clock::tokio(1_790_000_000_000))))
        }

        async fn replica(&self) -> Arc<dyn Limits> {
            Arc::clone(&self.0) as Arc<dyn Limits>
        }
    }

    limits_conformance!(Memory, #[tokio::test(start_paused = true)]);

    fn charge(name: &str, per_s: f64, burst: u32, cost: u32) -> Charge {
        let subject = Subject { scope: Scope::UserSend, name: name.to_owned() };
        Charge { subject, quota: Quota { per_s, burst }, cost }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_exact_to_the_millisecond() {
        let limits = MemoryLimits::new(Clock::tokio(1_790_000_000_000));
        let one = [charge("ada", 3.0, 1, 1)];
        assert_eq!(limits.charge(&one).await.unwrap(), Verdict::Allowed);
        for left_ms in [334, 1] {
            let refused = Verdict::Limited { scope: Scope::UserSend, retry_after_ms: left_ms };
            assert_eq!(limits.charge(&one).await.unwrap(), refused);
            tokio::time::advance(Duration::from_millis(if left_ms == 334 { 333 } else { 1 })).await;
        }
        assert_eq!(limits.charge(&one).await.unwrap(), Verdict::Allowed);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_longer_than_for_a_burst() {
        let pace = Pace::of(Quota { per_s: 1.0, burst: 10 });
        let hour_ns = 3_600_000_000_000;
        assert_eq!(owed_ns(pace, Some(&(2 * hour_ns)), hour_ns), pace.burst_ns);
    }

    #[tokio::test(start_paused = true)]
    async fn quotas_beyond_all_measure_do_no_harm() {
        let limits = MemoryLimits::new(Clock::tokio(1_790_000_000_000));
        for (name, per_s, burst) in [("slow", 1e-300, u32::MAX), ("fast", f64::MAX, 1), ("free", f64::INFINITY, 1)] {
            let charge = [charge(name, per_s, burst, 1)];
            assert_eq!(limits.charge(&charge).await.unwrap(), Verdict::Allowed, "{name}");
            limits.charge(&charge).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn subjects_that_have_paid_are_forgotten_and_others_are_not() {
        let limits = MemoryLimits::new(Clock::tokio(1_790_000_000_000));
        let debtor = [charge("ada", 0.000_1, 1, 1)];
        assert_eq!(limits.charge(&debtor).await.unwrap(), Verdict::Allowed);
        for number in 0..10 * SWEEP_SUBJECTS_MIN {
            limits.charge(&[charge(&number.to_string(), 1_000.0, 1, 1)]).await.unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(limits.state.lock().paid_ns.len() <= SWEEP_SUBJECTS_MIN);
        // At one moment nobody pays, however many come.
        for number in 0..4 * SWEEP_SUBJECTS_MIN {
            let once = [charge(&format!("r{number}"), 1_000.0, 1, 1)];
            assert_eq!(limits.charge(&once).await.unwrap(), Verdict::Allowed);
        }
        let first = [charge("r0", 1_000.0, 1, 1)];
        assert!(matches!(limits.charge(&first).await.unwrap(), Verdict::Limited { .. }));
        assert!(matches!(limits.charge(&debtor).await.unwrap(), Verdict::Limited { .. }));
    }
}
