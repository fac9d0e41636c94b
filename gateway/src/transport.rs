//! Sockets: accepting them, the upgrade, frames in, outbox out. The only place that knows WebSocket's own types.

pub mod flusher;
pub mod listener;
mod patience;
mod socket;
pub mod upgrade;
pub mod websocket;
mod writer;

pub use flusher::Flushers;
pub use upgrade::{Transport, router};
