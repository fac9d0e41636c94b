//! `[connection]`: what one connection may take.

use hubbub_shared::limits::Limits;
use serde::Deserialize;

/// What one connection may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionConfig {
    /// How long a client has to say `hello`.
    pub hello_timeout_ms: u64,
    /// After this silence in either direction the gateway pings.
    pub heartbeat_ms: u64,
    /// How long a client may drain nothing of a full outbox before it is closed with 4002.
    pub slow_grace_ms: u64,
    /// The bound of what is queued for one connection, replies included.
    pub outbox_bytes: usize,
    /// Connections of one user on all replicas.
    pub per_user_max: usize,
    /// Connections from one address to this replica.
    pub per_address_max: usize,
    /// The largest frame from a client.
    pub frame_bytes: u32,
    /// The largest `data` of an entry or a signal, without white space.
    pub data_bytes: u32,
    /// The longest `key`.
    pub key_bytes: u32,
    /// Where a `history` or `members` reply ends early.
    pub reply_bytes: u32,
    /// Rooms that one connection may be in at once.
    pub rooms: u32,
    /// The most entries that one `history` or one `join` gives.
    pub history: u32,
    /// Unanswered requests at which the gateway stops reading.
    pub pipeline: u32,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        let Limits { frame_bytes, data_bytes, key_bytes, reply_bytes, rooms, history, pipeline } = Limits::DEFAULT;
        Self {
            hello_timeout_ms: 10_000,
            heartbeat_ms: 25_000,
            slow_grace_ms: 60_000,
            outbox_bytes: 1_048_576,
            per_user_max: 32,
            per_address_max: 1_024,
            frame_bytes,
            data_bytes,
            key_bytes,
            reply_bytes,
            rooms,
            history,
            pipeline,
        }
    }
}

impl ConnectionConfig {
    /// The part that `welcome` tells the client.
    pub fn limits(&self) -> Limits {
        let &Self { frame_bytes, data_bytes, key_bytes, reply_bytes, rooms, history, pipeline, .. } = self;
        Limits { frame_bytes, data_bytes, key_bytes, reply_bytes, rooms, history, pipeline }
    }
}
