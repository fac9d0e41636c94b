//! Random words: tags, epochs, ids and secrets.

use std::sync::Arc;

use rand::RngExt;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of a tag or an epoch: 53 bits, so that a log that went another way is told from the one that a client
/// knew.
const TAG_CHARACTERS: usize = 9;

/// A random word of letters and digits; each character carries 5.95 bits.
pub fn word(characters: usize) -> String {
    let mut rng = rand::rng();
    (0..characters).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

/// A random tag or epoch.
pub fn tag() -> Arc<str> {
    Arc::from(word(TAG_CHARACTERS))
}
