//! Tokens made here, for trying things out.

use std::time::Duration;

use hubbub_shared::UserId;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::grants::{Grants, Rights};

/// Why no token was made. A fault of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the token could not be signed: {0}")]
pub struct MintError(#[from] jsonwebtoken::errors::Error);

/// What a token shall say.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// `sub`.
    pub user: &'a UserId,
    /// `name`.
    pub name: Option<&'a str>,
    /// `rooms`; grants of the same pattern are put together.
    pub grants: &'a Grants,
    /// `iss`.
    pub issuer: Option<&'a str>,
    /// `aud`.
    pub audience: Option<&'a str>,
    /// How long after `iat` comes `exp`.
    pub lifetime: Duration,
}

/// A token of HS256 for a user, as the application would make it.
///
/// `now_ms` is Unix milliseconds; `iat` and `exp` are its whole seconds.
pub fn mint(secret: &str, token: NewToken<'_>, now_ms: u64) -> Result<String, MintError> {
    let NewToken { user, name, grants, issuer, audience, lifetime } = token;
    let now_s = now_ms / 1_000;
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user));
    claims.insert("iat".to_owned(), json!(now_s));
    claims.insert("exp".to_owned(), json!(now_s.saturating_add(lifetime.as_secs())));
    for (claim, value) in [("name", name), ("iss", issuer), ("aud", audience)] {
        claims.extend(value.map(|value| (claim.to_owned(), json!(value))));
    }
    if !grants.0.is_empty() {
        claims.insert("rooms".to_owned(), Value::Object(rooms(grants)));
    }
    Ok(encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))?)
}

fn rooms(grants: &Grants) -> Map<String, Value> {
    grants
        .0
        .iter()
        .map(|(pattern, _)| {
            let together = grants.0.iter().filter(|(other, _)| other == pattern).map(|&(_, rights)| rights);
            (pattern.as_str().to_owned(), names(together.fold(Rights::NONE, Rights::or)))
        })
        .collect()
}

fn names(rights: Rights) -> Value {
    let all = [(rights.join, "join"), (rights.send, "send"), (rights.moderate, "moderate")];
    all.into_iter().filter(|&(has, _)| has).map(|(_, name)| name).collect()
}
