//! `[auth]`: who may log in, and with what.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use crate::auth::{Algorithm, AuthSettings, api_keys};
use crate::config::{Secret, text};

/// The shared secret of a gateway that was told none. Everybody knows it, so it protects nothing.
pub const DEVELOPMENT_SECRET: &str = "hubbub-development-secret";

/// Who may log in, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Whether somebody may come in without a token; `Config::guests_allowed` gives the answer.
    pub guests: Guests,
    /// The secret that HS256 tokens are signed with; `AuthConfig::token_secret` says whether it counts.
    #[serde(deserialize_with = "text::secret_unless_empty")]
    pub secret: Option<Secret>,
    /// Files of public keys: PEM, or a JWKS where the name ends in `.json`.
    pub public_keys: Vec<PathBuf>,
    /// Where a JWKS is fetched from.
    #[serde(deserialize_with = "text::unless_empty")]
    pub jwks_url: Option<String>,
    /// How often the JWKS is fetched again.
    pub jwks_refresh_s: u64,
    /// The algorithms that tokens may be signed with; empty: those that fit the configured keys.
    pub algorithms: Vec<Algorithm>,
    /// The `iss` that tokens must carry; absent: not checked.
    #[serde(deserialize_with = "text::unless_empty")]
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry; absent: not checked.
    #[serde(deserialize_with = "text::unless_empty")]
    pub audience: Option<String>,
    /// How far the clock of whoever signs tokens may be off.
    pub leeway_s: u64,
    /// A session ends after this long without use.
    pub session_sliding_s: u64,
    /// A session ends this long after its login, used or not.
    pub session_absolute_s: u64,
    /// The name of the session cookie.
    pub cookie: String,
    /// The keys of the application's own back end.
    pub api_keys: Vec<ApiKeyConfig>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            guests: Guests::Loopback,
            secret: Some(Secret::new(DEVELOPMENT_SECRET)),
            public_keys: Vec::new(),
            jwks_url: None,
            jwks_refresh_s: 300,
            algorithms: Vec::new(),
            issuer: None,
            audience: None,
            leeway_s: 30,
            session_sliding_s: 1_209_600,
            session_absolute_s: 7_776_000,
            cookie: "hubbub_session".to_owned(),
            api_keys: Vec::new(),
        }
    }
}

impl AuthConfig {
    /// The secret that tokens are verified with. The development secret counts only where nothing else is configured:
    /// beside public keys it would let everybody in.
    pub fn token_secret(&self) -> Option<&Secret> {
        let other_keys = !self.public_keys.is_empty() || self.jwks_url.is_some();
        self.secret.as_ref().filter(|secret| !(other_keys && secret.expose() == DEVELOPMENT_SECRET))
    }

    /// What tokens are checked by.
    pub fn settings(&self) -> AuthSettings {
        AuthSettings {
            secret: self.token_secret().map(|secret| secret.expose().to_owned()),
            public_keys: self.public_keys.clone(),
            jwks_url: self.jwks_url.clone(),
            jwks_refresh_s: self.jwks_refresh_s,
            algorithms: self.algorithms.clone(),
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            leeway_s: self.leeway_s,
        }
    }

    /// Whether tokens signed with the secret that everybody knows are accepted.
    pub fn is_development_secret(&self) -> bool {
        self.token_secret().is_some_and(|secret| secret.expose() == DEVELOPMENT_SECRET)
    }
}

/// Whether somebody may come in without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guests {
    /// While the gateway listens on a loopback address.
    Loopback,
    /// On every address.
    Always,
    /// On none.
    Never,
}

/// A key with which the application's back end calls the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// What the key is called in logs, metrics and limits, and the scope of its dedupe keys.
    pub name: String,
    /// The hash of the key; the key itself is nowhere in the configuration.
    #[serde(deserialize_with = "text::parsed")]
    pub hash: ApiKeyHash,
}

/// The SHA-256 of an API key, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash([u8; 32]);

/// Why a text is no hash of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("`sha256:` and 64 hexadecimal digits are wanted; `hubbub key hash` prints the hash of a key")]
pub struct ApiKeyHashError;

impl ApiKeyHash {
    /// The hash of a key.
    pub fn of(key: &str) -> Self {
        Self(api_keys::hash(key))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ApiKeyHash {
    type Err = ApiKeyHashError;

    fn from_str(text: &str) -> Result<Self, ApiKeyHashError> {
        let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 64).ok_or(ApiKeyHashError)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).ok_or(ApiKeyHashError);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}
