use std::future::Future;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use super::*;
use crate::auth::token::testing::{NOW_MS, claims, jwk, jwks, sign};

const REFRESH: Duration = Duration::from_mins(5);
/// So long does a fetch take.
const FETCH: Duration = Duration::from_millis(100);

/// A source that answers what it was told to.
#[derive(Debug, Clone, Default)]
struct Script(Arc<Mutex<Play>>);

#[derive(Debug, Default)]
struct Play {
    keys: Option<Vec<Value>>,
    fetches: u32,
    stuck: bool,
}

impl Script {
    fn serving(keys: &[Value]) -> Self {
        let script = Self::default();
        script.serve(keys);
        script
    }

    fn serve(&self, keys: &[Value]) {
        self.0.lock().keys = Some(keys.to_vec());
    }

    fn fail(&self) {
        self.0.lock().keys = None;
    }

    fn fetches(&self) -> u32 {
        self.0.lock().fetches
    }
}

#[async_trait]
impl KeySource for Script {
    async fn fetch(&self) -> Result<KeySet, FetchError> {
        self.0.lock().fetches += 1;
        sleep(if self.0.lock().stuck { Duration::from_hours(1) } else { FETCH }).await;
        let keys = self.0.lock().keys.clone().ok_or(FetchError::Status(StatusCode::BAD_GATEWAY))?;
        Ok(KeySet::of_jwks(jwks(&keys).as_bytes(), &[])?)
    }
}

/// Runs a test beside the task that keeps the keys fresh.
async fn beside<T: Future<Output = ()>>(script: &Script, test: impl FnOnce(Arc<FetchedKeys>) -> T) {
    let keys = Arc::new(FetchedKeys::new(Box::new(script.clone()), REFRESH, Clock::tokio(NOW_MS)));
    tokio::select! {
        () = keys.keep_fresh(CancellationToken::new()) => panic!("the task ended by itself"),
        () = test(Arc::clone(&keys)) => {}
    }
}

fn one() -> Value {
    jwk(Algorithm::ES256, Some("k1"))
}

fn two() -> Value {
    jwk(Algorithm::EdDSA, Some("k2"))
}

fn token_of_one() -> String {
    sign(Algorithm::ES256, Some("k1"), &claims())
}

fn token_of_two() -> String {
    sign(Algorithm::EdDSA, Some("k2"), &claims())
}

fn token_of_nobody() -> String {
    sign(Algorithm::EdDSA, Some("k3"), &claims())
}

async fn open(keys: &FetchedKeys, token: &str) -> Result<(), AuthError> {
    keys.open(&Unverified::read(token).unwrap()).await.map(|_| ())
}

fn retry_after(result: Result<(), AuthError>) -> Duration {
    match result {
        Err(AuthError::KeysUnavailable { retry_after_ms }) => Duration::from_millis(retry_after_ms),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_before_the_first_fetch_ended_waits_for_it() {
    beside(&Script::serving(&[one()]), async |keys| {
        assert_eq!(open(&keys, &token_of_one()).await, Ok(()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_again_in_time() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(FETCH * 2).await;
        assert_eq!(script.fetches(), 1);
        script.serve(&[two()]);
        sleep(REFRESH).await;
        assert_eq!(open(&keys, &token_of_two()).await, Ok(()));
        assert_eq!(script.fetches(), 2);
        assert_eq!(open(&keys, &token_of_one()).await, Err(AuthError::BadSignature), "a key that was withdrawn");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn known_keys_stay_when_a_fetch_fails_and_it_is_tried_again_soon() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(FETCH * 2).await;
        script.fail();
        sleep(REFRESH).await;
        assert_eq!(script.fetches(), 2);
        assert_eq!(open(&keys, &token_of_one()).await, Ok(()));
        script.serve(&[one(), two()]);
        sleep(PAUSE).await;
        assert_eq!(script.fetches(), 3);
        assert_eq!(open(&keys, &token_of_two()).await, Ok(()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_fetched_at_once_and_for_all_who_wait_for_it() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(FETCH * 2).await;
        script.serve(&[one(), two()]);
        let begin = Instant::now();
        let token = token_of_two();
        let opened = join_all((0..100).map(|_| open(&keys, &token))).await;
        assert!(opened.iter().all(Result::is_ok));
        assert_eq!(script.fetches(), 2);
        assert!(begin.elapsed() <= FETCH * 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_a_fetch_does_not_bring_is_foreign() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(FETCH * 2).await;
        assert_eq!(open(&keys, &token_of_nobody()).await, Err(AuthError::BadSignature));
        assert_eq!(script.fetches(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn unknown_keys_are_fetched_every_ten_seconds_at_most() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(FETCH * 2).await;
        assert_eq!(open(&keys, &token_of_nobody()).await, Err(AuthError::BadSignature));
        script.serve(&[one(), two()]);
        let begin = Instant::now();
        let wait = retry_after(open(&keys, &token_of_two()).await);
        assert_eq!(begin.elapsed(), Duration::ZERO, "told at once");
        assert!(wait <= PAUSE && wait + FETCH * 2 >= PAUSE, "{wait:?}");
        assert_eq!(script.fetches(), 2);
        sleep(wait).await;
        assert_eq!(open(&keys, &token_of_two()).await, Ok(()));
        assert_eq!(script.fetches(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_issued_long_before_the_last_fetch_asks_for_none() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(REFRESH + FETCH * 2).await;
        assert_eq!(script.fetches(), 2);
        assert_eq!(open(&keys, &token_of_nobody()).await, Err(AuthError::BadSignature));
        assert_eq!(script.fetches(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_signature_of_a_known_key_or_of_none_asks_for_no_fetch() {
    let script = Script::serving(&[one()]);
    beside(&script, async |keys| {
        sleep(FETCH * 2).await;
        for key_id in [Some("k1"), None] {
            let forged = sign(Algorithm::EdDSA, key_id, &claims());
            assert_eq!(open(&keys, &forged).await, Err(AuthError::BadSignature));
        }
        assert_eq!(script.fetches(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_keys_a_token_is_told_to_come_back() {
    let script = Script::default();
    beside(&script, async |keys| {
        for token in [token_of_one(), sign(Algorithm::ES256, None, &claims())] {
            let wait = retry_after(open(&keys, &token).await);
            assert!(wait <= PAUSE && wait >= Duration::from_secs(1), "{wait:?}");
        }
        script.serve(&[one()]);
        sleep(PAUSE * 2).await;
        assert_eq!(open(&keys, &token_of_one()).await, Ok(()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_does_not_wait_for_ever() {
    let script = Script::default();
    script.0.lock().stuck = true;
    beside(&script, async |keys| {
        let begin = Instant::now();
        retry_after(open(&keys, &token_of_one()).await);
        assert_eq!(begin.elapsed(), WAIT);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_task_stops_in_the_middle_of_a_fetch() {
    let script = Script::default();
    script.0.lock().stuck = true;
    let keys = FetchedKeys::new(Box::new(script.clone()), REFRESH, Clock::tokio(NOW_MS));
    let stop = CancellationToken::new();
    let begin = Instant::now();
    tokio::join!(keys.keep_fresh(stop.clone()), async {
        sleep(FETCH).await;
        stop.cancel();
    });
    assert_eq!((script.fetches(), begin.elapsed()), (1, FETCH));
}
