//! What tokens are promised, from outside.

use std::time::Duration;

use super::*;
use crate::grants::{Pattern, Rights};

/// Some moment of 2026, on a whole second.
const NOW_MS: u64 = 1_790_000_000_000;
const SECRET: &str = "a secret for tests, long enough to be one";

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_minted_token_says_who_somebody_is_and_what_is_granted() {
    let settings = AuthSettings { secret: Some(SECRET.to_owned()), ..AuthSettings::default() };
    let authenticator = Authenticator::new(settings, Clock::tokio(NOW_MS)).unwrap();
    let grants = Grants(vec![(Pattern::new("team-*"), Rights { join: true, send: true, moderate: false })]);
    let token = mint(SECRET, &ada(), Some("Ada"), &grants, Duration::from_mins(1), NOW_MS + 999).unwrap();
    let identity = Identity {
        user: ada(),
        name: Some(Arc::from("Ada")),
        grants,
        issued_at_s: NOW_MS / 1_000,
        expires_at_ms: NOW_MS + 60_000,
    };
    assert_eq!(authenticator.verify(&token).await, Ok(identity));
}
