//! The wire contract of Hubbub (`hubbub.v1`) and nothing else: no runtime, no sockets, no Redis.
//!
//! Modules in reading order:
//!
//! * [`names`]: what a room and a user may be called.
//! * [`position`]: where an entry stands in a room's log, and why three parts are needed to say it.
//! * [`limits`]: the sizes and counts that both ends rely on.
//! * [`client_frame`], [`server_frame`]: every frame, in the order of `docs/protocol.md`.
//! * [`data`]: a JSON value that passes through untouched.
//! * [`frame`]: bytes to frames and back; total, so any bytes give a frame or a [`frame::DecodeError`].
//! * [`error_code`], [`close_code`]: answers and endings, and what a client does about each.

pub mod client_frame;
pub mod close_code;
pub mod data;
pub mod error_code;
pub mod frame;
pub mod limits;
pub mod names;
pub mod position;
pub mod server_frame;
pub mod strict;

#[cfg(test)]
mod typescript;

pub use client_frame::ClientFrame;
pub use close_code::CloseCode;
pub use data::Data;
pub use error_code::ErrorCode;
pub use names::{RoomName, UserId};
pub use position::Position;
pub use server_frame::ServerFrame;

/// The WebSocket subprotocol that names this language.
pub const SUBPROTOCOL: &str = "hubbub.v1";

/// The path of the WebSocket endpoint.
pub const WEBSOCKET_PATH: &str = "/v1/ws";
