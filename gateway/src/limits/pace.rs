//! A quota in nanoseconds, as every store counts it.

use super::Quota;

/// A quota in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// What one costs.
    pub(super) interval_ns: u64,
    /// What may be owed at most.
    pub(super) burst_ns: u64,
}

impl Pace {
    pub(super) fn of(quota: Quota) -> Self {
        // Rounded up, so that what is allowed never exceeds the quota.
        let interval_ns = (1e9 / quota.per_s).ceil() as u64;
        Self { interval_ns, burst_ns: interval_ns.saturating_mul(u64::from(quota.burst)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_rounded_up_so_that_no_quota_is_exceeded() {
        let pace = Pace::of(Quota { per_s: 3.0, burst: 2 });
        assert_eq!((pace.interval_ns, pace.burst_ns), (333_333_334, 666_666_668));
    }
}
