//! Who somebody is: tokens, the keys that check them, and what they grant.

pub mod api_keys;
mod fetched_keys;
mod jwks;
mod keys;
pub mod policy;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hubbub_shared::UserId;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use jwks::JwksUrlError;
pub use keys::{JwksError, KeySourceError};
pub use token::Algorithm;
pub use token::key::KeyError;
pub use token::mint::{MintError, NewToken, mint};

use crate::clock::Clock;
use crate::grants::Grants;
use fetched_keys::FetchedKeys;
use jwks::Jwks;
use keys::KeySet;
use token::Unverified;
use token::claims::Expected;

/// Who somebody is, as a token says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user; never a guest.
    pub user: UserId,
    /// The name to show, at most [`hubbub_shared::limits::DISPLAY_NAME_BYTES_MAX`] bytes.
    pub name: Option<Arc<str>>,
    /// What is allowed beyond the policies of room kinds.
    pub grants: Grants,
    /// When the token was issued, Unix seconds; 0 where it does not say.
    pub issued_at_s: u64,
    /// When it runs out, Unix milliseconds. A token that came after that, within the leeway, has until the leeway's
    /// end.
    pub expires_at_ms: u64,
}

/// Why a token was refused. Its sentence is fit for the peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// It is no token, or not one that can be understood. The fault of whoever made it; the same token never works.
    #[error("the token cannot be read, have another one made: {0}")]
    Malformed(String),
    /// None of the keys known here made its signature. The fault of whoever made it, or of the configuration; the same
    /// token never works.
    #[error("the token is signed with none of the keys that this gateway knows; sign it with one that is configured")]
    BadSignature,
    /// It is well signed, but for somebody or something else. The fault of whoever made it; the same token never works.
    #[error("the token does not fit here: {0}")]
    WrongClaims(String),
    /// It has run out. Nobody's fault; a fresh token works.
    #[error("the token has expired; get a fresh one")]
    Expired,
    /// Its time begins later. The fault of a clock, here or where it was made; the same token works then, so the client
    /// is to come back as with an expired one, and not earlier.
    #[error("the token is not valid yet; come back in {retry_after_ms} ms, and check the clock of whoever signed it")]
    NotYetValid {
        /// When its time begins, leeway taken into account.
        retry_after_ms: u64,
    },
    /// It may be signed with a key that could not be fetched. The fault of a dependency; retry with the same token.
    #[error("the keys that check tokens cannot be fetched at the moment; try again in {retry_after_ms} ms")]
    KeysUnavailable {
        /// When the keys may be fetched again.
        retry_after_ms: u64,
    },
}

/// What tokens are checked by.
#[derive(Clone, Default)]
pub struct AuthSettings {
    /// The secret that HMAC tokens are signed with.
    pub secret: Option<String>,
    /// Files of public keys: a PEM each, or a JWKS where the name ends in `.json`.
    pub public_keys: Vec<PathBuf>,
    /// Where a JWKS is fetched from.
    pub jwks_url: Option<String>,
    /// How often the JWKS is fetched again, whether a token asks for it or not.
    pub jwks_refresh_s: u64,
    /// The algorithms that tokens may be signed with; empty: all that fit the keys.
    pub algorithms: Vec<Algorithm>,
    /// The `iss` that tokens must carry; none: not checked.
    pub issuer: Option<String>,
    /// The `aud` that tokens must carry; none: not checked.
    pub audience: Option<String>,
    /// How far the clock of whoever signs tokens may be off.
    pub leeway_s: u64,
}

impl fmt::Debug for AuthSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthSettings")
            .field("secret", &self.secret.as_ref().map(|_| "***"))
            .field("public_keys", &self.public_keys)
            .field("jwks_url", &self.jwks_url)
            .field("jwks_refresh_s", &self.jwks_refresh_s)
            .field("algorithms", &self.algorithms)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("leeway_s", &self.leeway_s)
            .finish()
    }
}

/// Tells from a token who somebody is.
#[derive(Debug)]
pub struct Authenticator {
    clock: Clock,
    keys: KeySet,
    fetched_keys: Option<FetchedKeys>,
    expected: Expected,
}

impl Authenticator {
    /// Reads the configured keys, except those to be fetched; every fault is reported.
    pub fn new(settings: AuthSettings, clock: Clock) -> Result<Self, Vec<KeySourceError>> {
        let AuthSettings { secret, public_keys, algorithms, issuer, audience, leeway_s, .. } = settings;
        let keys = KeySet::configured(secret.as_deref(), &public_keys, &algorithms);
        let jwks = settings.jwks_url.map(|url| Jwks::new(&url, algorithms)).transpose();
        let (keys, jwks) = match (keys, jwks) {
            (Ok(keys), Ok(jwks)) => (keys, jwks),
            (keys, jwks) => {
                let mut faults = keys.err().unwrap_or_default();
                faults.extend(jwks.err().map(KeySourceError::from));
                return Err(faults);
            }
        };
        let refresh = Duration::from_secs(settings.jwks_refresh_s);
        let fetched_keys = jwks.map(|jwks| FetchedKeys::new(Box::new(jwks), refresh, clock.clone()));
        Ok(Self { clock, keys, fetched_keys, expected: Expected { issuer, audience, leeway_s } })
    }

    /// Fetches the keys from their address, now and again until told to stop. Somebody has to run this, and wait for
    /// it; without an address it ends at once.
    pub async fn keep_keys_fresh(&self, stop: CancellationToken) {
        if let Some(fetched_keys) = &self.fetched_keys {
            fetched_keys.keep_fresh(stop).await;
        }
    }

    /// Who the token is for. Takes 6 s at most, where its key has to be fetched first.
    pub async fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        let token = Unverified::read(token)?;
        let claims = match (self.keys.open(&token)?, &self.fetched_keys) {
            (Some(claims), _) => claims,
            (None, Some(fetched_keys)) => fetched_keys.open(&token).await?,
            (None, None) => return Err(AuthError::BadSignature),
        };
        claims.identity(&self.expected, self.clock.now_ms())
    }
}

#[cfg(test)]
mod tests;
