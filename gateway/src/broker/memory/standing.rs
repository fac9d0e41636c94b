//! Who is kept out of a room or silent in it, and who has to wait before the next message.

use std::collections::HashMap;

use hubbub_shared::UserId;

use crate::broker::{Standing, StandingChange};

/// What one user's terms take in memory beside the user's id, in bytes.
const TERM_BYTES: u64 = 112;

/// Bans and mutes of a room, each with its end.
#[derive(Debug, Default)]
pub(super) struct Standings {
    of: HashMap<UserId, Terms, ahash::RandomState>,
    bytes: u64,
}

/// Unix milliseconds at which each ends; 0 where there is none.
#[derive(Debug, Default, Clone, Copy)]
struct Terms {
    banned_until_ms: u64,
    muted_until_ms: u64,
}

impl Standings {
    pub(super) fn get(&self, user: &UserId, now_ms: u64) -> Standing {
        let terms = self.of.get(user).copied().unwrap_or_default();
        Standing { banned: now_ms < terms.banned_until_ms, muted: now_ms < terms.muted_until_ms }
    }

    pub(super) fn change(&mut self, user: &UserId, change: StandingChange) {
        let terms = self.of.entry(user.clone()).or_insert_with(|| {
            self.bytes += cost_bytes(user);
            Terms::default()
        });
        match change {
            StandingChange::Ban { until_ms } => terms.banned_until_ms = until_ms,
            StandingChange::Unban => terms.banned_until_ms = 0,
            StandingChange::Mute { until_ms } => terms.muted_until_ms = until_ms,
            StandingChange::Unmute => terms.muted_until_ms = 0,
        }
        let now_nothing = terms.banned_until_ms == 0 && terms.muted_until_ms == 0;
        if now_nothing {
            self.of.remove(user);
            self.bytes -= cost_bytes(user);
        }
    }

    /// Drops what has ended.
    pub(super) fn forget(&mut self, now_ms: u64) {
        self.of.retain(|user, terms| {
            let keep = now_ms < terms.banned_until_ms.max(terms.muted_until_ms);
            if !keep {
                self.bytes -= cost_bytes(user);
            }
            keep
        });
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// When each user may speak next in a room with slow mode.
#[derive(Debug, Default)]
pub(super) struct Pace {
    of: HashMap<UserId, Last, ahash::RandomState>,
    bytes: u64,
}

#[derive(Debug)]
struct Last {
    time_ms: u64,
    slow_mode_ms: u64,
}

impl Pace {
    /// How long a user still has to wait, in milliseconds; 0 for not at all.
    pub(super) fn wait_ms(&self, user: &UserId, slow_mode_ms: u64, now_ms: u64) -> u64 {
        self.of.get(user).map_or(0, |last| last.time_ms.saturating_add(slow_mode_ms).saturating_sub(now_ms))
    }

    pub(super) fn spoke(&mut self, user: &UserId, slow_mode_ms: u64, now_ms: u64) {
        if self.of.insert(user.clone(), Last { time_ms: now_ms, slow_mode_ms }).is_none() {
            self.bytes += cost_bytes(user);
        }
    }

    /// Drops who may speak again.
    pub(super) fn forget(&mut self, now_ms: u64) {
        self.of.retain(|user, last| {
            let keep = last.time_ms.saturating_add(last.slow_mode_ms) > now_ms;
            if !keep {
                self.bytes -= cost_bytes(user);
            }
            keep
        });
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

pub(super) fn cost_bytes(user: &UserId) -> u64 {
    TERM_BYTES + user.as_str().len() as u64
}
