//! Random words: tags, epochs, ids and secrets.

use std::sync::Arc;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of a tag or an epoch: 53 bits, so that a log that went another way is told from the one that a client
/// knew.
const TAG_CHARACTERS: usize = 9;

/// A random word of letters and digits; each character carries 5.95 bits.
pub fn word(characters: usize) -> String {
    let mut word = String::with_capacity(characters);
    while word.len() < characters {
        let bytes: [u8; 16] = rand::random();
        // Six bits name one of 64; what names none of the alphabet is left out, so that all are equally likely.
        let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 63)));
        word.extend(letters.take(characters - word.len()).map(|letter| char::from(*letter)));
    }
    word
}

/// A random tag or epoch.
pub fn tag() -> Arc<str> {
    Arc::from(word(TAG_CHARACTERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_its_length_and_every_character_comes_about_equally_often() {
        let text = word(62_000);
        assert_eq!(text.len(), 62_000);
        for letter in ALPHABET {
            let count = text.bytes().filter(|byte| byte == letter).count();
            assert!((800..1_200).contains(&count), "{} came {count} times", char::from(*letter));
        }
        assert_ne!(word(43), word(43));
    }
}
