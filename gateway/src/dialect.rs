//! Wire languages: the only place that knows frames. A client chooses one by the WebSocket subprotocol.

use std::sync::Arc;

use crate::connection::reply::Dialect;

pub mod framing;
pub mod native;

use native::Native;

/// Every language, by the subprotocol that names it; the first is spoken where none is offered.
pub fn all() -> Vec<(&'static str, Arc<dyn Dialect>)> {
    let native: Arc<dyn Dialect> = Arc::new(Native);
    vec![(hubbub_shared::SUBPROTOCOL, native)]
}
