//! Keys that are fetched, kept, and fetched again: in time, and when a token names one that is not known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::auth::AuthError;
use crate::auth::jwks::FetchError;
use crate::auth::keys::KeySet;
use crate::auth::token::Unverified;
use crate::auth::token::claims::Claims;
use crate::clock::Clock;

/// At least this long is between two fetches for keys that are not known, and until a failed one is tried again.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a token waits for its key.
const WAIT: Duration = Duration::from_secs(6);
/// A token that was issued this long before a fetch had its key published by then, whatever the clocks say.
const SKEW_MS: u64 = 60_000;

/// Where keys are fetched from.
#[async_trait]
pub(super) trait KeySource: fmt::Debug + Send + Sync {
    /// Fetches the keys; ends within a deadline of its own.
    async fn fetch(&self) -> Result<KeySet, FetchError>;
}

/// Keys that are fetched. They are as good as the task that runs [`FetchedKeys::keep_fresh`].
#[derive(Debug)]
pub(super) struct FetchedKeys {
    source: Box<dyn KeySource>,
    refresh: Duration,
    clock: Clock,
    latest: watch::Sender<Latest>,
    wanted: Notify,
}

/// What the fetches so far have brought.
#[derive(Debug, Clone, Default)]
struct Latest {
    /// Those of the last fetch that succeeded.
    keys: Option<Fetched>,
    /// The last fetch that ended: when it began and whether it succeeded.
    attempt: Option<(Instant, bool)>,
    /// When the last fetch began that was made because a token named an unknown key.
    demanded: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Fetched {
    set: Arc<KeySet>,
    /// When the fetch began, Unix milliseconds.
    begun_ms: u64,
}

impl FetchedKeys {
    /// No keys yet.
    pub(super) fn new(source: Box<dyn KeySource>, refresh: Duration, clock: Clock) -> Self {
        Self { source, refresh, clock, latest: watch::Sender::default(), wanted: Notify::new() }
    }

    /// Fetches the keys at once, whenever `refresh` has passed, and on demand, until told to stop. When a fetch fails,
    /// the known keys stay.
    pub(super) async fn keep_fresh(&self, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            let mut next = Instant::now();
            loop {
                let demanded = tokio::select! {
                    biased;
                    () = sleep_until(next) => false,
                    () = self.wanted.notified() => true,
                };
                if demanded && self.latest.borrow().pause_left().is_some() {
                    continue;
                }
                next = self.fetch(demanded).await;
            }
        })
        .await;
    }

    /// Fetches once; answers when to fetch again.
    async fn fetch(&self, demanded: bool) -> Instant {
        let (begun, begun_ms) = (Instant::now(), self.clock.now_ms());
        let fetched = self.source.fetch().await;
        let pause = if fetched.is_ok() { self.refresh } else { self.refresh.min(PAUSE) };
        self.latest.send_modify(|latest| {
            latest.attempt = Some((begun, fetched.is_ok()));
            if demanded {
                latest.demanded = Some(begun);
            }
            match fetched {
                Ok(set) => {
                    if latest.keys.is_none() || demanded {
                        info!(keys = set.len(), "fetched the keys that check tokens");
                    }
                    latest.keys = Some(Fetched { set: Arc::new(set), begun_ms });
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    warn!(error, "could not fetch the keys that check tokens; those known stay in use");
                }
            }
        });
        begun + pause
    }

    /// The claims of the token, if it is signed with one of the keys; one that is not known is fetched first.
    pub(super) async fn open(&self, token: &Unverified<'_>) -> Result<Claims, AuthError> {
        let asked = Instant::now();
        let mut news = self.latest.subscribe();
        loop {
            let latest = news.borrow_and_update().clone();
            if let Some(claims) = latest.open(token)? {
                return Ok(claims);
            }
            if latest.proves_foreign(token, asked) {
                return Err(AuthError::BadSignature);
            }
            if latest.attempt.is_some_and(|(begun, _)| begun >= asked) || latest.pause_left().is_some() {
                return Err(latest.unavailable());
            }
            self.wanted.notify_one();
            if timeout_at(asked + WAIT, news.changed()).await.is_err() {
                return Err(latest.unavailable());
            }
        }
    }
}

impl Latest {
    fn open(&self, token: &Unverified<'_>) -> Result<Option<Claims>, AuthError> {
        self.keys.as_ref().map_or(Ok(None), |keys| keys.set.open(token))
    }

    /// Whether no fetch could bring the key of a token that none of these keys signed: it names one of them, or none;
    /// or they were fetched since it was issued or asked about.
    fn proves_foreign(&self, token: &Unverified<'_>, asked: Instant) -> bool {
        let Some(keys) = &self.keys else { return false };
        token.key_id().is_none_or(|id| keys.set.knows(id))
            || self.attempt.is_some_and(|(begun, succeeded)| succeeded && begun >= asked)
            || token.issued_at_ms().is_some_and(|issued_ms| issued_ms.saturating_add(SKEW_MS) < keys.begun_ms)
    }

    /// How long no key is fetched on demand.
    fn pause_left(&self) -> Option<Duration> {
        self.demanded.and_then(|demanded| PAUSE.checked_sub(demanded.elapsed()))
    }

    fn unavailable(&self) -> AuthError {
        let left = self.pause_left().unwrap_or(Duration::from_secs(1));
        AuthError::KeysUnavailable { retry_after_ms: left.as_millis() as u64 + 1 }
    }
}

#[cfg(test)]
mod tests;
