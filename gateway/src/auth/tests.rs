//! What an authenticator promises as a whole.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;
use crate::auth::token::testing::{NOW_MS, SECRET, TESTDATA, claims, jwk, jwks, sign};
use crate::grants::{Pattern, Rights};

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

fn authenticator(settings: AuthSettings) -> Authenticator {
    Authenticator::new(settings, Clock::tokio(NOW_MS)).unwrap()
}

/// A token that says who, what, and that it is good for a minute.
fn bare<'a>(user: &'a UserId, grants: &'a Grants) -> NewToken<'a> {
    NewToken { user, name: None, grants, issuer: None, audience: None, lifetime: Duration::from_mins(1) }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(TESTDATA).join(name)
}

async fn user(authenticator: &Authenticator, token: &str) -> Result<UserId, AuthError> {
    authenticator.verify(token).await.map(|identity| identity.user)
}

#[tokio::test(start_paused = true)]
async fn a_minted_token_says_who_somebody_is_and_what_is_granted() {
    let authenticator = authenticator(AuthSettings { secret: Some(SECRET.to_owned()), ..AuthSettings::default() });
    let join = Rights { join: true, ..Rights::NONE };
    let moderate = Rights { moderate: true, ..Rights::NONE };
    let wanted = Grants(vec![(Pattern::new("team-*"), join), (Pattern::new("team-*"), moderate)]);
    let token = mint(SECRET, NewToken { name: Some("Ada"), ..bare(&ada(), &wanted) }, NOW_MS + 999).unwrap();
    let identity = Identity {
        user: ada(),
        name: Some(Arc::from("Ada")),
        grants: Grants(vec![(Pattern::new("team-*"), join.or(moderate))]),
        issued_at_s: NOW_MS / 1_000,
        expires_at_ms: NOW_MS + 60_000,
    };
    assert_eq!(authenticator.verify(&token).await, Ok(identity));
    let bare = mint(SECRET, bare(&ada(), &Grants::default()), NOW_MS).unwrap();
    let identity = authenticator.verify(&bare).await.unwrap();
    assert_eq!((identity.name, identity.grants), (None, Grants::default()));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_any_configured_key_is_good_and_of_no_other() {
    let public_keys = vec![file("rsa.public.pem"), file("p256.public.pem"), file("ed25519.public.pem")];
    let settings = AuthSettings { secret: Some(SECRET.to_owned()), public_keys, ..AuthSettings::default() };
    let authenticator = authenticator(settings);
    for algorithm in [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        for key_id in [None, Some("any")] {
            let token = sign(algorithm, key_id, &claims());
            assert_eq!(user(&authenticator, &token).await, Ok(ada()), "{algorithm:?}, {key_id:?}");
        }
    }
    let foreign = sign(Algorithm::ES384, None, &claims());
    assert_eq!(user(&authenticator, &foreign).await, Err(AuthError::BadSignature));
}

#[tokio::test(start_paused = true)]
async fn without_keys_no_token_is_good() {
    let authenticator = authenticator(AuthSettings::default());
    authenticator.keep_keys_fresh(CancellationToken::new()).await;
    let token = sign(Algorithm::HS256, None, &claims());
    assert_eq!(user(&authenticator, &token).await, Err(AuthError::BadSignature));
}

#[test]
fn every_fault_of_the_configured_keys_is_reported() {
    let settings = AuthSettings {
        secret: Some(SECRET.to_owned()),
        public_keys: vec![
            file("rsa.private.pem"),
            file("missing.pem"),
            file("../testdata/README.md"),
            file("none.json"),
        ],
        jwks_url: Some("http://example.com/keys".to_owned()),
        algorithms: vec![Algorithm::RS256],
        ..AuthSettings::default()
    };
    let faults = Authenticator::new(settings, Clock::System).unwrap_err();
    let faults: Vec<String> = faults.iter().map(|fault| format!("{fault:?}")).collect();
    let expected = ["Secret(Algorithm)", "Private", "NotFound", "Unknown", "NotFound", "Insecure"];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{fault} should tell {expected}");
    }
}

#[tokio::test]
async fn keys_that_rotate_at_their_address_are_followed() {
    let served = Arc::new(Mutex::new(jwks(&[jwk(Algorithm::RS256, Some("k1"))])));
    let answer = Arc::clone(&served);
    let router = Router::new().route("/keys", get(async move || answer.lock().clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let jwks_url = Some(format!("http://{}/keys", listener.local_addr().unwrap()));
    let settings = AuthSettings { jwks_url, jwks_refresh_s: 300, ..AuthSettings::default() };
    let authenticator = authenticator(settings);
    let stop = CancellationToken::new();
    let test = async {
        let old = sign(Algorithm::RS256, Some("k1"), &claims());
        let new = sign(Algorithm::ES256, Some("k2"), &claims());
        assert_eq!(user(&authenticator, &old).await, Ok(ada()));
        *served.lock() = jwks(&[jwk(Algorithm::ES256, Some("k2"))]);
        assert_eq!(user(&authenticator, &new).await, Ok(ada()));
        let withdrawn = user(&authenticator, &old).await;
        assert!(matches!(withdrawn, Err(AuthError::KeysUnavailable { .. })), "it may come back: {withdrawn:?}");
        stop.cancel();
    };
    tokio::select! {
        ended = axum::serve(listener, router).into_future() => panic!("the server ended: {ended:?}"),
        ((), ()) = async { tokio::join!(authenticator.keep_keys_fresh(stop.clone()), test) } => {}
    }
}
