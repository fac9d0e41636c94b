//! `[hub]`: the rooms of this replica.

use serde::Deserialize;

/// The rooms of this replica: their workers, rings and presence.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubConfig {
    /// Workers that rooms are hashed onto; 0: one per core.
    pub workers: usize,
    /// Recent entries of a live room that stay in memory, ready to send.
    pub ring_entries: usize,
    /// The bound of one room's recent entries in memory.
    pub ring_bytes: usize,
    /// The bound of all rooms' recent entries in memory.
    pub ring_total_bytes: usize,
    /// How long a room stays subscribed after its last local member left.
    pub linger_ms: u64,
    /// How long somebody whose connection broke stays a member.
    pub presence_grace_ms: u64,
    /// The shortest time between two presence frames of a room.
    pub presence_interval_ms: u64,
    /// Reads of the log that may be under way at once.
    pub log_reads_max: usize,
    /// How often a quiet room's position is compared with the head of its log.
    pub head_check_ms: u64,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            ring_entries: 256,
            ring_bytes: 262_144,
            ring_total_bytes: 67_108_864,
            linger_ms: 5_000,
            presence_grace_ms: 2_000,
            presence_interval_ms: 100,
            log_reads_max: 64,
            head_check_ms: 30_000,
        }
    }
}
