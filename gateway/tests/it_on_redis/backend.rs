//! Where the gateways of these tests keep what they know.

use hubbub::config::Config;
use hubbub_testbed::RedisServer;

/// In a Redis of the gateway's own.
#[derive(Debug)]
pub(crate) struct Backend(#[expect(dead_code, reason = "it ends when it is dropped")] RedisServer);

impl Backend {
    pub(crate) fn start(config: &mut Config) -> Self {
        let server = RedisServer::start();
        config.redis.url = Some(server.url().parse().unwrap());
        // A machine that is busy with other tests is no outage.
        config.broker.deadline_ms = 10_000;
        Self(server)
    }
}
