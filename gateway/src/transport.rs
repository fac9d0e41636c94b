//! Sockets: the WebSocket upgrade, frames in, outbox out. The only place that knows WebSocket's own types.

pub mod counted;
pub mod upgrade;
pub mod websocket;

pub use upgrade::{Transport, router};
