//! The secret of a session: `<id>.<user in base64url>.<43 random characters>`.
//!
//! It names its user, so that one call finds the slot, and its session, so that one look finds the record. What counts is
//! the hash of all of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hubbub_shared::UserId;
use sha2::{Digest, Sha256};

use crate::random;

/// Characters that nobody can guess: 256 bits, as many as the hash has.
const RANDOM_CHARACTERS: usize = 43;
/// More than the longest user id makes of it. What is longer is not looked at.
const BYTES_MAX: usize = 256;

pub(super) fn new(id: &str, user: &UserId) -> String {
    format!("{id}.{}.{}", URL_SAFE_NO_PAD.encode(user.as_str()), random::word(RANDOM_CHARACTERS))
}

/// The id and user that a secret names; whether it is good is for its hash to say.
pub(super) fn parse(secret: &str) -> Option<(&str, UserId)> {
    if secret.len() > BYTES_MAX {
        return None;
    }
    let (id, rest) = secret.split_once('.')?;
    let (user, _) = rest.split_once('.')?;
    let user = String::from_utf8(URL_SAFE_NO_PAD.decode(user).ok()?).ok()?;
    Some((id, UserId::new(&user).ok()?))
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_names_its_session_and_user_and_fits_into_a_cookie() {
        for user in ["a", "guest:A-Z_09=@,.;:/#$+", &"~".repeat(127).replace('~', "$")] {
            let user = UserId::new(user).unwrap();
            let secret = new("PMuQARlSO00yrDib", &user);
            assert_eq!(parse(&secret), Some(("PMuQARlSO00yrDib", user)));
            assert!(secret.len() <= BYTES_MAX, "{} bytes", secret.len());
            assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)), "{secret}");
        }
    }

    #[test]
    fn what_is_no_secret_names_nobody() {
        for text in ["", ".", "..", "id.YWRh", "id.?.x", "id..x", "id.IA.x", &"x".repeat(5_000)] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_hash_is_that_of_the_whole_secret() {
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(hash("abcd"), hash("abc"));
    }
}
