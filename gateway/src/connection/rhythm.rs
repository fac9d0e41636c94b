//! The clocks of a connection: signs of life, a client that takes nothing in, the end of the credential.

use std::time::Duration;

use tokio::time::Instant;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Ask for a sign of life.
    Ping,
    /// The client gave none.
    Dead,
    /// The client takes nothing in.
    Slow,
    /// The credential has run out.
    Expired,
    /// The session wants to be counted as used.
    Touch,
}

/// When something was seen last, and what follows.
#[derive(Debug)]
pub struct Rhythm {
    heartbeat: Duration,
    slow_grace: Duration,
    received: Instant,
    sent: Instant,
    pinged: Instant,
    /// Since when the client has had something to take in and has taken nothing, or the last look if that is not so.
    drained: Instant,
    /// Whether something was queued at the last look.
    queued: bool,
    written_bytes: u64,
    /// When the credential runs out.
    pub expires: Option<Instant>,
    /// When a session is to be counted as used again.
    pub touch: Option<Instant>,
}

impl Rhythm {
    /// Everything was seen now.
    pub fn new(heartbeat: Duration, slow_grace: Duration, now: Instant) -> Self {
        Self {
            heartbeat,
            slow_grace,
            received: now,
            sent: now,
            pinged: now,
            drained: now,
            queued: false,
            written_bytes: 0,
            expires: None,
            touch: None,
        }
    }

    /// Something came from the client.
    pub fn received(&mut self, now: Instant) {
        self.received = now;
    }

    /// Takes in what the socket has done since, and whether the gateway listens to the client at all.
    pub fn look(&mut self, now: Instant, written_bytes: u64, queued: bool, listening: bool) {
        let wrote = written_bytes != self.written_bytes;
        if wrote {
            self.written_bytes = written_bytes;
            self.sent = now;
        }
        // What is queued now may have come this moment; it proves something only if it is still there at a later look.
        if wrote || !queued || !self.queued {
            self.drained = now;
        }
        self.queued = queued;
        if !listening {
            // While nothing is read, silence is the gateway's own doing.
            self.received = now;
        }
    }

    /// What is due now, the worst first.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        if self.expires.is_some_and(|expires| expires <= now) {
            Some(Due::Expired)
        } else if now >= self.drained + self.slow_grace {
            Some(Due::Slow)
        } else if now >= self.received + 2 * self.heartbeat {
            Some(Due::Dead)
        } else if self.touch.is_some_and(|touch| touch <= now) {
            self.touch = None;
            Some(Due::Touch)
        } else if now >= self.next_ping() {
            self.pinged = now;
            Some(Due::Ping)
        } else {
            None
        }
    }

    fn next_ping(&self) -> Instant {
        self.received.min(self.sent).max(self.pinged) + self.heartbeat
    }

    /// When to look again.
    pub fn next(&self) -> Instant {
        let mut next = self.next_ping().min(self.received + 2 * self.heartbeat).min(self.drained + self.slow_grace);
        for at in [self.expires, self.touch].into_iter().flatten() {
            next = next.min(at);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(25);
    const GRACE: Duration = Duration::from_mins(1);

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_is_asked_once_and_then_given_up() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(BEAT, GRACE, start);
        assert_eq!(rhythm.due(at(start, 24)), None);
        assert_eq!(rhythm.next(), at(start, 25));
        assert_eq!(rhythm.due(at(start, 25)), Some(Due::Ping));
        assert_eq!(rhythm.due(at(start, 49)), None);
        assert_eq!(rhythm.due(at(start, 50)), Some(Due::Dead));
    }

    #[test]
    fn a_client_that_only_listens_is_asked_every_heartbeat() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(BEAT, GRACE, start);
        for beat in 1..5 {
            let now = at(start, 25 * beat);
            rhythm.look(now, beat, false, true);
            assert_eq!(rhythm.due(now), Some(Due::Ping));
            rhythm.received(now);
        }
    }

    #[test]
    fn silence_does_not_count_while_the_gateway_does_not_listen() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(BEAT, GRACE, start);
        for second in 1..=59 {
            rhythm.look(at(start, second), 0, true, false);
        }
        assert_ne!(rhythm.due(at(start, 59)), Some(Due::Dead));
    }

    #[test]
    fn a_client_that_takes_nothing_in_for_a_whole_grace_is_slow() {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(BEAT, GRACE, start);
        rhythm.look(at(start, 10), 100, true, false);
        rhythm.look(at(start, 69), 100, true, false);
        assert_ne!(rhythm.due(at(start, 69)), Some(Due::Slow));
        rhythm.look(at(start, 70), 100, true, false);
        assert_eq!(rhythm.due(at(start, 70)), Some(Due::Slow));
        rhythm.look(at(start, 71), 101, true, false);
        assert_ne!(rhythm.due(at(start, 71)), Some(Due::Slow));
    }

    #[test]
    fn a_frame_on_its_way_at_the_only_look_in_a_grace_makes_nobody_slow() {
        let start = Instant::now();
        let (beat, grace) = (Duration::from_mins(1), Duration::from_secs(10));
        let mut rhythm = Rhythm::new(beat, grace, start);
        rhythm.look(at(start, 10), 0, false, true);
        assert_eq!(rhythm.next(), at(start, 20));
        rhythm.look(at(start, 20), 0, true, true);
        assert_eq!(rhythm.due(at(start, 20)), None);
        rhythm.look(at(start, 30), 100, true, true);
        assert_eq!(rhythm.due(at(start, 30)), None);
        rhythm.look(at(start, 40), 100, true, true);
        assert_eq!(rhythm.due(at(start, 40)), Some(Due::Slow));
    }
}
