//! The bytes of a WebSocket, as a client sees them: what a server sends is not masked, so it is read where it stands.

pub(crate) mod frame;
pub(crate) mod upgrade;
