use axum::Router;
use axum::http::StatusCode as Code;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use jsonwebtoken::Algorithm as Alg;
use tokio::net::TcpListener;

use super::*;
use crate::auth::token::Unverified;
use crate::auth::token::testing::{claims, jwk, jwks, sign};

/// Fetches from an own server what it answers under `/keys`.
async fn fetch<R: IntoResponse + Clone + Send + Sync + 'static>(answer: R) -> Result<KeySet, FetchError> {
    let router = Router::new()
        .route("/keys", get(async move || answer))
        .route("/other", get(async || jwks(&[jwk(Alg::ES256, None)])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let source = Jwks::new(&url, vec![]).unwrap();
    tokio::select! {
        ended = axum::serve(listener, router).into_future() => panic!("the server ended: {ended:?}"),
        fetched = source.fetch() => fetched,
    }
}

#[tokio::test]
async fn all_keys_that_will_do_are_fetched() {
    let unusable = serde_json::json!({ "kty": "?", "kid": "k3" });
    let text = jwks(&[jwk(Alg::RS256, Some("k1")), unusable, jwk(Alg::ES256, Some("k2")), jwk(Alg::EdDSA, None)]);
    let keys = fetch(text).await.unwrap();
    assert_eq!((keys.len(), keys.knows("k1"), keys.knows("k2"), keys.knows("k3")), (3, true, true, false));
    for token in [sign(Alg::RS256, Some("k1"), &claims()), sign(Alg::EdDSA, None, &claims())] {
        assert!(keys.open(&Unverified::read(&token).unwrap()).unwrap().is_some());
    }
}

#[tokio::test]
async fn an_answer_without_keys_brings_none() {
    for text in ["", "{}", "[]", "<html>", r#"{"keys":{}}"#] {
        assert!(matches!(fetch(text).await, Err(FetchError::Jwks(JwksError::Shape(_)))), "{text}");
    }
    assert!(matches!(fetch(r#"{"keys":[]}"#).await, Err(FetchError::Jwks(JwksError::Unusable(None)))));
    let secret = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#;
    assert!(matches!(fetch(secret).await, Err(FetchError::Jwks(JwksError::Unusable(Some(_))))));
    let many = jwks(&vec![jwk(Alg::EdDSA, None); 33]);
    assert!(matches!(fetch(many).await, Err(FetchError::Jwks(JwksError::TooMany { keys: 33 }))));
}

#[tokio::test]
async fn an_answer_that_is_no_success_brings_no_keys() {
    let text = jwks(&[jwk(Alg::ES256, None)]);
    for code in [Code::NOT_FOUND, Code::INTERNAL_SERVER_ERROR, Code::ACCEPTED] {
        assert!(matches!(fetch((code, text.clone())).await, Err(FetchError::Status(status)) if status == code));
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let redirect = Redirect::temporary("/other").into_response();
    let answer = (redirect.status(), [("location", "/other")]);
    assert!(matches!(fetch(answer).await, Err(FetchError::Status(Code::TEMPORARY_REDIRECT))));
}

#[tokio::test]
async fn an_answer_is_not_read_beyond_its_bound() {
    let padded = |bytes: usize| {
        let text = jwks(&[jwk(Alg::ES256, None)]);
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    assert!(fetch(padded(JWKS_BYTES_MAX)).await.is_ok());
    assert!(matches!(fetch(padded(JWKS_BYTES_MAX + 1)).await, Err(FetchError::TooLong)));
}

#[tokio::test]
async fn an_address_where_nobody_listens_brings_no_keys() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    drop(listener);
    assert!(matches!(Jwks::new(&url, vec![]).unwrap().fetch().await, Err(FetchError::Http(_))));
}

#[test]
fn only_addresses_that_nobody_on_the_way_can_change_will_do() {
    for url in ["http://127.0.0.1:1/k", "http://localhost/k", "http://[::1]:8080/k", "http://127.8.0.1/k"] {
        assert!(Jwks::new(url, vec![]).is_ok(), "{url}");
    }
    assert!(is_safe(&Url::parse("https://example.com/k").unwrap()));
    for url in ["http://example.com/k", "http://localhost.example.com/k", "http://10.0.0.1/k", "file:///k", "ftp://::1"]
    {
        assert!(Jwks::new(url, vec![]).is_err(), "{url}");
    }
    for url in ["", "/etc/keys", "example.com/k"] {
        assert!(matches!(Jwks::new(url, vec![]), Err(JwksUrlError::Unreadable { .. })), "{url}");
    }
}
