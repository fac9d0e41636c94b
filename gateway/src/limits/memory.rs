//! The embedded version.

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Charge, Limits, LimitsError, Quota, Scope, Subject, Verdict};
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
            let already_staged = staged.iter().rfind(|(other, _)| *other == subject).map(|&(_, paid_ns)| paid_ns);
            let paid_ns = already_staged.or_else(|| self.paid_ns.get(subject).copied()).unwrap_or(0);
            let arrival = Arrival::of(*cost, *quota, paid_ns, now_ns);
            staged.push((subject, arrival.paid_ns));
            if arrival.wait_ns > longest.map_or(0, |(wait_ns, _)| wait_ns) {
                longest = Some((arrival.wait_ns, subject.scope));
            }
        }
        if let Some((wait_ns, scope)) = longest {
            return Verdict::Limited { scope, retry_after_ms: wait_ns.div_ceil(NS_PER_MS) };
        }
        for (subject, paid_ns) in staged {
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

/// What a charge would do, in nanoseconds.
struct Arrival {
    /// When all is paid for, this charge included.
    paid_ns: u64,
    /// How long to wait until it is allowed; 0 where it is allowed now.
    wait_ns: u64,
}

impl Arrival {
    fn of(cost: u32, quota: Quota, paid_ns: u64, now_ns: u64) -> Self {
        // Rounded up, so that what is allowed never exceeds the quota.
        let interval_ns = (1e9 / quota.per_s).ceil() as u64;
        let burst_ns = interval_ns.saturating_mul(u64::from(quota.burst));
        // Nobody owes more than a burst, unless the clock was set back or the quota was lowered.
        let owed_ns = paid_ns.saturating_sub(now_ns).min(burst_ns);
        let owing_ns = owed_ns.saturating_add(interval_ns.saturating_mul(u64::from(cost)));
        Self { paid_ns: now_ns.saturating_add(owing_ns), wait_ns: owing_ns.saturating_sub(burst_ns) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
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
        let quota = Quota { per_s: 1.0, burst: 10 };
        let hour_ns = 3_600_000_000_000;
        let ahead = Arrival::of(1, quota, 0, 2 * hour_ns);
        assert_eq!(ahead.wait_ns, 0);
        assert_eq!(Arrival::of(1, quota, ahead.paid_ns, hour_ns).wait_ns, 1_000_000_000);
    }

    #[test]
    fn quotas_beyond_all_measure_do_not_overflow() {
        for (per_s, burst, cost) in [(1e-300, u32::MAX, u32::MAX), (f64::MAX, 1, u32::MAX), (f64::INFINITY, 1, 1)] {
            let arrival = Arrival::of(cost, Quota { per_s, burst }, u64::MAX, u64::MAX / 2);
            assert!(arrival.paid_ns >= u64::MAX / 2);
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
        assert!(matches!(limits.charge(&debtor).await.unwrap(), Verdict::Limited { .. }));
    }
}
