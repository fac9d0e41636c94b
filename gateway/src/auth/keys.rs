//! The keys that signatures are checked with, and the files that they come from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use tracing::debug;

use crate::auth::AuthError;
use crate::auth::jwks::JwksUrlError;
use crate::auth::token::claims::Claims;
use crate::auth::token::key::{Key, KeyError};
use crate::auth::token::{Algorithm, Unverified};

/// The most keys of one JWKS. Enough for every rotation, few enough to try all with a token that names none.
const JWKS_KEYS_MAX: usize = 32;

/// Why something that is configured gives no keys. The operator's fault.
#[derive(Debug, Error)]
pub enum KeySourceError {
    /// The secret will not do.
    #[error("the secret cannot check tokens")]
    Secret(#[source] KeyError),
    /// A file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM of a public key.
    #[error("{} does not hold a public key that tokens can be checked with", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// A file is no JWKS.
    #[error("{} does not hold public keys that tokens can be checked with", .path.display())]
    Jwks {
        /// The file.
        path: PathBuf,
        /// Why.
        source: JwksError,
    },
    /// Nothing can be fetched from the address.
    #[error("keys cannot be fetched from the configured address")]
    Address(#[from] JwksUrlError),
}

/// Why a text is no JWKS that tokens can be checked with. The fault of whoever made it.
#[derive(Debug, Error)]
pub enum JwksError {
    /// It is something else.
    #[error("this is no JWKS, an object with a list of `keys`")]
    Shape(#[from] serde_json::Error),
    /// It holds too many keys.
    #[error("this JWKS has {keys} keys; at most {JWKS_KEYS_MAX} will do")]
    TooMany {
        /// How many.
        keys: usize,
    },
    /// It holds no key that will do; the source says what is wrong with its last one.
    #[error("this JWKS has no key that tokens can be checked with")]
    Unusable(#[source] Option<KeyError>),
}

/// Keys of any origin.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet(Vec<Key>);

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// The secret and the keys of these files; every fault is reported.
    pub(super) fn configured(
        secret: Option<&str>,
        files: &[PathBuf],
        allowed: &[Algorithm],
    ) -> Result<Self, Vec<KeySourceError>> {
        let secret = secret.map(|secret| Key::secret(secret, allowed).map(|key| Self(vec![key])));
        let secret = secret.into_iter().map(|key| key.map_err(KeySourceError::Secret));
        let mut keys = Vec::new();
        let mut faults = Vec::new();
        for source in secret.chain(files.iter().map(|file| read(file, allowed))) {
            match source {
                Ok(set) => keys.extend(set.0),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self(keys)) } else { Err(faults) }
    }

    /// The keys of a JWKS. Members that are no keys for tokens are passed over, as long as one is left.
    pub(super) fn of_jwks(text: &[u8], allowed: &[Algorithm]) -> Result<Self, JwksError> {
        let Jwks { keys: members } = serde_json::from_slice(text)?;
        if members.len() > JWKS_KEYS_MAX {
            return Err(JwksError::TooMany { keys: members.len() });
        }
        let mut keys = Vec::new();
        let mut fault = None;
        for member in members {
            match Key::member(member, allowed) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    debug!(%error, "passed over a key of a jwks");
                    fault = Some(error);
                }
            }
        }
        if keys.is_empty() { Err(JwksError::Unusable(fault)) } else { Ok(Self(keys)) }
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them has this id.
    pub(super) fn knows(&self, key_id: &str) -> bool {
        self.0.iter().any(|key| key.id() == Some(key_id))
    }

    /// The claims of the token, if one of the keys signed it.
    pub(super) fn open(&self, token: &Unverified<'_>) -> Result<Option<Claims>, AuthError> {
        for key in &self.0 {
            if let Some(claims) = token.open(key)? {
                return Ok(Some(claims));
            }
        }
        Ok(None)
    }
}

fn read(path: &Path, allowed: &[Algorithm]) -> Result<KeySet, KeySourceError> {
    let text = fs::read_to_string(path).map_err(|source| KeySourceError::Read { path: path.to_owned(), source })?;
    if path.extension().is_some_and(|extension| extension == "json") {
        KeySet::of_jwks(text.as_bytes(), allowed)
            .map_err(|source| KeySourceError::Jwks { path: path.to_owned(), source })
    } else {
        let key = Key::pem(&text, allowed).map_err(|source| KeySourceError::Pem { path: path.to_owned(), source })?;
        Ok(KeySet(vec![key]))
    }
}
