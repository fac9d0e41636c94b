//! Where the gateways of these tests keep what they know.

use hubbub::config::Config;

/// In the gateway itself.
#[derive(Debug)]
pub(crate) struct Backend;

impl Backend {
    pub(crate) fn start(_config: &mut Config) -> Self {
        Self
    }
}
