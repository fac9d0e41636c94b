//! The sizes and counts that both ends of the wire rely on. `welcome` tells a client those in force.

use serde::{Deserialize, Serialize};

/// JSON nested deeper than this is refused.
pub const DEPTH_MAX: usize = 64;
/// The longest emoji of a reaction, in bytes.
pub const EMOJI_BYTES_MAX: usize = 64;
/// The longest name that a guest or an author may carry, in bytes.
pub const DISPLAY_NAME_BYTES_MAX: usize = 128;
/// The longest reason of a moderation, in bytes.
pub const REASON_BYTES_MAX: usize = 512;

/// The limits in force on a connection, as `welcome` gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Limits {
    /// The largest frame from the client, in bytes.
    pub frame_bytes: u32,
    /// The largest `data`, in bytes, without white space.
    pub data_bytes: u32,
    /// The longest `key`, in bytes.
    pub key_bytes: u32,
    /// Where a `history` or `members` reply ends early, in bytes.
    pub reply_bytes: u32,
    /// Rooms that one connection may be in at once.
    pub rooms: u32,
    /// The most entries that one `history` or one `join` gives.
    pub history: u32,
    /// Unanswered requests at which the gateway stops reading.
    pub pipeline: u32,
}

impl Limits {
    /// What a gateway uses when nothing else is configured.
    pub const DEFAULT: Self = Self {
        frame_bytes: 65_536,
        data_bytes: 32_768,
        key_bytes: 64,
        reply_bytes: 262_144,
        rooms: 128,
        history: 500,
        pipeline: 64,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

// An entry of the largest size must fit into a frame and into a reply, or it could be sent but never read.
const _: () = assert!(Limits::DEFAULT.data_bytes + 4_096 <= Limits::DEFAULT.frame_bytes);
const _: () = assert!(Limits::DEFAULT.data_bytes * 2 <= Limits::DEFAULT.reply_bytes);
