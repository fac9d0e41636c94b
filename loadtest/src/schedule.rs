//! When which message is due. The schedule knows nothing of the gateway: a message is due when it is due, however slow
//! the answers to earlier ones are, and its latency counts from that moment.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::plan::Plan;
use crate::settings::Arrivals;

/// When the messages of a whole run are due. Message n is sent by sender n modulo the number of senders.
#[derive(Debug)]
pub(crate) struct Schedule {
    messages_per_second: f64,
    count: u64,
    /// Where they are drawn: when each is due, in microseconds.
    drawn_us: Option<Vec<u64>>,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan) -> Self {
        let messages_per_second = plan.messages_per_second;
        let count = if plan.missed > 0 {
            plan.missed * plan.rooms as u64
        } else {
            (messages_per_second * plan.duration.as_secs_f64()).floor() as u64
        };
        match plan.arrivals {
            Arrivals::Even => Self { messages_per_second, count, drawn_us: None },
            Arrivals::Poisson => {
                let drawn_us = draw_us(plan, count);
                Self { messages_per_second, count: drawn_us.len() as u64, drawn_us: Some(drawn_us) }
            }
        }
    }

    /// How many messages there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// When a message is due, from the start of the sending.
    pub(crate) fn due(&self, message: u64) -> Duration {
        match &self.drawn_us {
            Some(drawn_us) => Duration::from_micros(drawn_us[message as usize]),
            None => Duration::from_secs_f64(message as f64 / self.messages_per_second),
        }
    }

    /// When the last message is due.
    pub(crate) fn length(&self) -> Duration {
        self.count.checked_sub(1).map_or(Duration::ZERO, |last| self.due(last))
    }
}

/// Draws a Poisson process: the gaps between independent events have an exponential distribution. It ends with the
/// duration, or with the count where that is what is asked for.
fn draw_us(plan: &Plan, count: u64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let end_us = plan.duration.as_secs_f64() * 1e6;
    let mut at_us = 0.0;
    let mut drawn_us = Vec::with_capacity(count as usize);
    loop {
        let is_over = if plan.missed > 0 { drawn_us.len() as u64 == count } else { at_us >= end_us };
        if is_over || plan.messages_per_second <= 0.0 {
            return drawn_us;
        }
        drawn_us.push(at_us as u64);
        at_us += exponential(&mut random) * 1e6 / plan.messages_per_second;
    }
}

/// An exponentially distributed number whose mean is 1.
pub(crate) fn exponential(random: &mut impl RngExt) -> f64 {
    let chance: f64 = random.random();
    -(1.0 - chance).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;

    fn schedule(line: &str) -> Schedule {
        Schedule::new(&Plan::new(RunArguments::parse_words(line)).unwrap())
    }

    #[test]
    fn messages_are_due_evenly_and_only_within_the_duration() {
        let schedule = schedule("--rate 4 --duration 1600ms");
        assert_eq!(schedule.count(), 6);
        let due: Vec<u128> = (0..6).map(|message| schedule.due(message).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750, 1_000, 1_250]);
        assert_eq!(schedule.length(), Duration::from_millis(1_250));
    }

    #[test]
    fn a_long_and_fast_run_does_not_drift() {
        let schedule = schedule("--rate 30000 --duration 1h");
        assert_eq!(schedule.count(), 108_000_000);
        assert_eq!(schedule.due(107_970_000), Duration::from_secs(3_599));
    }

    #[test]
    fn independent_arrivals_have_the_rate_asked_for_and_gaps_as_unequal_as_chance_makes_them() {
        let schedule = schedule("--rate 1000 --duration 20s --arrivals poisson --seed 1");
        let count = schedule.count();
        // The standard deviation of the count is its root.
        assert!(count.abs_diff(20_000) < 600, "{count}");
        let gaps: Vec<f64> =
            (1..count).map(|message| schedule.due(message).abs_diff(schedule.due(message - 1)).as_secs_f64()).collect();
        let longer_than_the_mean = gaps.iter().filter(|gap| **gap > 0.001).count() as f64 / gaps.len() as f64;
        assert!((longer_than_the_mean - (-1.0_f64).exp()).abs() < 0.02, "{longer_than_the_mean}");
        assert!(schedule.length() < Duration::from_secs(20));
    }

    #[test]
    fn who_is_to_miss_a_number_of_messages_misses_that_many() {
        for arrivals in ["even", "poisson"] {
            let line = format!("-n 10 --rooms 2 --senders 4 --missed 50 --rate 1000 --arrivals {arrivals}");
            assert_eq!(schedule(&line).count(), 100);
        }
    }

    #[test]
    fn an_idle_run_has_no_messages() {
        for arrivals in ["even", "poisson"] {
            assert_eq!(schedule(&format!("--idle --arrivals {arrivals}")).count(), 0);
        }
    }
}
