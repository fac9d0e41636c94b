//! When which message is due. The schedule knows nothing of the gateway: a message is due when it is due, however slow
//! the answers to earlier ones are, and its latency counts from that moment.

use std::time::Duration;

/// When the messages of a whole run are due, evenly spaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    messages_per_second: f64,
    count: u64,
}

impl Schedule {
    pub(crate) fn new(messages_per_second: f64, duration: Duration) -> Self {
        let count = (messages_per_second * duration.as_secs_f64()).floor() as u64;
        Self { messages_per_second, count }
    }

    /// How many messages there are.
    pub(crate) fn count(self) -> u64 {
        self.count
    }

    /// When a message is due, from the start of the sending.
    pub(crate) fn due(self, message: u64) -> Duration {
        Duration::from_secs_f64(message as f64 / self.messages_per_second)
    }

    /// The share of one of several senders, who take turns.
    pub(crate) fn share(self, sender: usize, senders: usize) -> Share {
        Share { schedule: self, next: sender as u64, step: senders as u64 }
    }
}

/// The messages of one sender that are still to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    schedule: Schedule,
    next: u64,
    step: u64,
}

impl Share {
    /// The share of somebody who sends nothing.
    pub(crate) fn none() -> Self {
        Self { schedule: Schedule { messages_per_second: 1.0, count: 0 }, next: 0, step: 1 }
    }

    /// The number of the next message and when it is due.
    pub(crate) fn peek(&self) -> Option<(u64, Duration)> {
        (self.next < self.schedule.count).then(|| (self.next, self.schedule.due(self.next)))
    }

    /// Which of this sender's messages the next one is, from 0.
    pub(crate) fn turn(&self) -> u64 {
        self.next / self.step
    }

    /// Goes on to the one after.
    pub(crate) fn advance(&mut self) {
        self.next += self.step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_evenly_and_only_within_the_duration() {
        let schedule = Schedule::new(4.0, Duration::from_millis(1_600));
        assert_eq!(schedule.count(), 6);
        let due: Vec<u128> = (0..6).map(|message| schedule.due(message).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750, 1_000, 1_250]);
    }

    #[test]
    fn a_long_and_fast_run_does_not_drift() {
        let schedule = Schedule::new(30_000.0, Duration::from_hours(1));
        assert_eq!(schedule.count(), 108_000_000);
        assert_eq!(schedule.due(107_970_000), Duration::from_secs(3_599));
    }

    #[test]
    fn the_senders_together_send_every_message_once() {
        let schedule = Schedule::new(10.0, Duration::from_secs(2));
        let mut all = Vec::new();
        for sender in 0..3 {
            let mut share = schedule.share(sender, 3);
            let mut turn = 0;
            while let Some((message, due)) = share.peek() {
                assert_eq!(due, schedule.due(message));
                assert_eq!(share.turn(), turn);
                all.push(message);
                share.advance();
                turn += 1;
            }
        }
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn who_has_no_share_sends_nothing() {
        assert_eq!(Share::none().peek(), None);
        assert_eq!(Schedule::new(0.0, Duration::from_secs(10)).count(), 0);
    }

    #[test]
    fn more_senders_than_messages_leave_some_with_nothing() {
        let share = Schedule::new(1.0, Duration::from_secs(2)).share(5, 10);
        assert_eq!(share.peek(), None);
    }
}
