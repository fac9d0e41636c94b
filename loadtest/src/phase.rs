//! What a run is at, as its threads learn it.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Everybody connects and joins.
    Connect,
    /// All who do not send are cut, and stay away.
    Cut,
    /// They come back, and get what they missed.
    Return,
    /// Messages are sent.
    Send,
    /// Nothing more is sent; what was sent is still to be answered.
    Answer,
    /// All is answered; what was acknowledged is still to be delivered.
    CatchUp,
    /// Nobody comes or goes any more; what there is to tell about it is told.
    Settle,
    /// The connections are at rest.
    Hold,
    /// Everybody says goodbye.
    Stop,
}

impl Phase {
    const ALL: [Self; 9] = [
        Self::Connect,
        Self::Cut,
        Self::Return,
        Self::Send,
        Self::Answer,
        Self::CatchUp,
        Self::Settle,
        Self::Hold,
        Self::Stop,
    ];

    /// Whether messages are sent: while answers are awaited, only those that are late.
    pub(crate) fn sends(self) -> bool {
        matches!(self, Self::Send | Self::Answer)
    }
}

/// A phase, and how many there were before it: some come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) number: u32,
    pub(crate) phase: Phase,
}

/// The phase of a run, written by one thread and read by all.
#[derive(Debug)]
pub(crate) struct Current(AtomicU64);

impl Current {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn get(&self) -> Turn {
        let packed = self.0.load(Ordering::Acquire);
        Turn { number: (packed >> 8) as u32, phase: Phase::ALL[(packed & 0xff) as usize] }
    }

    /// Goes on to a phase. What was written before is seen by whoever sees it.
    pub(crate) fn go_on(&self, phase: Phase) -> Turn {
        let turn = Turn { number: self.get().number + 1, phase };
        self.0.store(u64::from(turn.number) << 8 | phase as u64, Ordering::Release);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_comes_again_is_another_turn() {
        let current = Current::new();
        assert_eq!(current.get(), Turn { number: 0, phase: Phase::Connect });
        for (number, phase) in Phase::ALL.into_iter().chain(Phase::ALL).enumerate() {
            let turn = current.go_on(phase);
            assert_eq!(turn, Turn { number: number as u32 + 1, phase });
            assert_eq!(current.get(), turn);
        }
    }
}
