//! HTTP beside the socket.
//!
//! * [`peer`], [`origin`], [`cookie`]: where a request comes from, whose page it is, and the session it brings.

pub mod cookie;
pub mod origin;
pub mod peer;
