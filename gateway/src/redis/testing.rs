//! Redis as tests of capabilities connect to it.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Redis, RedisMetrics, RedisSettings};

/// One replica's connections to Redis, which end with it.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) redis: Arc<Redis>,
    /// Where what stands on it runs its tasks.
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

/// Connects to the servers of a URL, of which nothing is waited for.
pub(crate) fn connect(url: &str) -> Connected {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    Connected { redis: start(url, Duration::from_secs(2), &tasks, &stop), tasks, stop }
}

/// As `connect`, with a deadline and an end of the test's own.
pub(crate) fn start(url: &str, deadline: Duration, tasks: &TaskTracker, stop: &CancellationToken) -> Arc<Redis> {
    let settings = RedisSettings {
        url: url.parse().unwrap(),
        prefix: "hb".to_owned(),
        tls: None,
        deadline,
        metrics: RedisMetrics::default(),
    };
    Redis::start(settings, tasks, stop).unwrap()
}

impl Deref for Connected {
    type Target = Arc<Redis>;

    fn deref(&self) -> &Arc<Redis> {
        &self.redis
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
