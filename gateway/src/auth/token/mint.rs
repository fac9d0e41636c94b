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

/// A token of HS256 for a user, as the application would make it.
///
/// `now_ms` is Unix milliseconds; `issued_at` and the expiry, `lifetime` later, are its whole seconds. Grants of the
/// same pattern are put together.
pub fn mint(
    secret: &str,
    user: &UserId,
    name: Option<&str>,
    grants: &Grants,
    lifetime: Duration,
    now_ms: u64,
) -> Result<String, MintError> {
    let now_s = now_ms / 1_000;
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user));
    claims.insert("iat".to_owned(), json!(now_s));
    claims.insert("exp".to_owned(), json!(now_s.saturating_add(lifetime.as_secs())));
    if let Some(name) = name {
        claims.insert("name".to_owned(), json!(name));
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
