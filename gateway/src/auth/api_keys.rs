//! The keys with which the application's own back end calls the gateway. Only their hashes are configured.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::random;

/// What every key begins with, so that one that leaked is recognised.
const PREFIX: &str = "hbk_";
/// Random characters of a key: 256 bits, as many as its hash has. So a plain hash suffices: there is nothing to guess.
const KEY_CHARACTERS: usize = 43;

/// What a key is called in logs, metrics and limits; also the scope of its dedupe keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiKeyName(Arc<str>);

impl ApiKeyName {
    /// Any text is a name.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApiKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The keys that are configured.
#[derive(Default)]
pub struct ApiKeys(Vec<(ApiKeyName, [u8; 32])>);

impl ApiKeys {
    /// The keys of these names and hashes.
    pub fn new(keys: impl IntoIterator<Item = (ApiKeyName, [u8; 32])>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Which key was presented. How long that takes tells nothing about the configured hashes.
    pub fn find(&self, presented: &str) -> Option<&ApiKeyName> {
        let presented = hash(presented);
        let mut found = None;
        for (name, expected) in &self.0 {
            let equal: Choice = expected.ct_eq(&presented);
            if equal.into() {
                found = Some(name);
            }
        }
        found
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A key that nobody has yet.
pub fn fresh() -> String {
    format!("{PREFIX}{}", random::word(KEY_CHARACTERS))
}

/// What is configured of a key.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(keys: &[(&str, &str)]) -> ApiKeys {
        ApiKeys::new(keys.iter().map(|&(name, key)| (ApiKeyName::new(name), hash(key))))
    }

    #[test]
    fn a_key_is_found_by_its_name_and_nothing_else_is() {
        let (shop, blog) = (fresh(), fresh());
        let keys = keys(&[("shop", &shop), ("blog", &blog)]);
        assert_eq!(keys.find(&shop).map(ApiKeyName::as_str), Some("shop"));
        assert_eq!(keys.find(&blog).map(ApiKeyName::as_str), Some("blog"));
        for wrong in ["", "hbk_", &fresh(), &shop[1..], &format!("{shop} "), &shop.to_lowercase()] {
            assert_eq!(keys.find(wrong), None, "{wrong:?} should be no key");
        }
    }

    #[test]
    fn the_hash_of_a_key_is_no_key() {
        let key = fresh();
        let hex = hash(&key).map(|byte| format!("{byte:02x}")).concat();
        let keys = keys(&[("shop", &key)]);
        assert_eq!(keys.find(&hex), None);
        assert_eq!(keys.find(&format!("sha256:{hex}")), None);
    }

    #[test]
    fn fresh_keys_differ_and_are_recognised_by_how_they_begin() {
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other);
        assert!(one.starts_with("hbk_") && one.len() == 47);
    }

    #[test]
    fn keys_are_not_shown_by_accident() {
        assert_eq!(format!("{:?}", keys(&[("shop", "hbk_1")])), r#"{ApiKeyName("shop")}"#);
    }
}
