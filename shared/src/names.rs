//! What a room and a user may be called. A value of these types is valid, so nothing downstream checks again.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest room name, in bytes.
pub const ROOM_NAME_BYTES_MAX: usize = 200;
/// The longest user id, in bytes.
pub const USER_ID_BYTES_MAX: usize = 127;
/// What every guest's id begins with, and no token's subject may.
pub const GUEST_PREFIX: &str = "guest:";

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name needs at least one character")]
    Empty,
    /// The text has more bytes than the kind of name allows.
    #[error("a name has at most {max_bytes} bytes, this one has {bytes}")]
    TooLong {
        /// The length of the text.
        bytes: usize,
        /// The limit of this kind of name.
        max_bytes: usize,
    },
    /// The text holds a character outside the alphabet.
    #[error("{0:?} cannot stand in a name; use letters, digits and _ - = @ , . ; : / # $ +")]
    Character(char),
}

fn check(text: &str, max_bytes: usize) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > max_bytes {
        return Err(NameError::TooLong { bytes: text.len(), max_bytes });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-=@,.;:/#$+".contains(c);
    match text.chars().find(|&c| !allowed(c)) {
        Some(character) => Err(NameError::Character(character)),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max_bytes:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text against the rules of protocol §1.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text, $max_bytes)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name! {
    /// The name of a room: 1–200 bytes of the alphabet of protocol §1.
    RoomName, ROOM_NAME_BYTES_MAX
}

name! {
    /// The id of a user: 1–127 bytes of the same alphabet.
    UserId, USER_ID_BYTES_MAX
}

impl RoomName {
    /// The gateways' own log, in which they tell each other what must reach every replica. No client can name it,
    /// because `!` stands in no name.
    pub fn control() -> Self {
        Self(Arc::from("!control"))
    }

    /// The user whose personal room this is, for a name that begins with `@`.
    pub fn personal_of(&self) -> Option<&str> {
        self.as_str().strip_prefix('@')
    }
}

impl UserId {
    /// Whether the gateway made this id for a guest.
    pub fn is_guest(&self) -> bool {
        self.as_str().starts_with(GUEST_PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_alphabet_is_allowed_and_nothing_else() {
        let alphabet = "ABCXYZabcxyz0123456789_-=@,.;:/#$+";
        assert!(RoomName::new(alphabet).is_ok());
        for character in ['!', ' ', '*', '?', '%', '\\', '"', '{', '\0', 'é', '👍'] {
            assert_eq!(RoomName::new(&format!("a{character}")), Err(NameError::Character(character)));
        }
    }

    #[test]
    fn lengths_are_counted_in_bytes_and_the_limits_are_inside() {
        assert_eq!(RoomName::new(""), Err(NameError::Empty));
        assert!(RoomName::new(&"r".repeat(200)).is_ok());
        assert_eq!(RoomName::new(&"r".repeat(201)), Err(NameError::TooLong { bytes: 201, max_bytes: 200 }));
        assert!(UserId::new(&"u".repeat(127)).is_ok());
        assert_eq!(UserId::new(&"u".repeat(128)), Err(NameError::TooLong { bytes: 128, max_bytes: 127 }));
    }

    #[test]
    fn no_client_can_name_the_control_log() {
        assert!(RoomName::new(RoomName::control().as_str()).is_err());
    }

    #[test]
    fn a_personal_room_names_its_user() {
        assert_eq!(RoomName::new("@ada").unwrap().personal_of(), Some("ada"));
        assert_eq!(RoomName::new("ada").unwrap().personal_of(), None);
    }
}
