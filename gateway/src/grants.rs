//! What a user may do in which rooms.

use hubbub_shared::RoomName;
use serde::{Deserialize, Serialize};

/// A pattern of names, in which `*` stands for any run of characters, also an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Any text is a pattern; one without `*` matches only itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole name fits the pattern. Takes time proportional to name × pattern at worst.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where to go on when a character does not fit: behind the last star, one character of the name further.
        let mut star = None;
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                star = Some((p + 1, n));
                p += 1;
            } else if pattern.get(p) == Some(&name[n]) {
                p += 1;
                n += 1;
            } else if let Some((after_star, taken)) = star {
                p = after_star;
                n = taken + 1;
                star = Some((after_star, taken + 1));
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|&character| character == b'*')
    }
}

/// A set of rights in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rights {
    /// Join, history, members, read, unread.
    pub join: bool,
    /// Send, react, signal, and edit and delete of one's own.
    pub send: bool,
    /// Moderate, and edit and delete of anyone's.
    pub moderate: bool,
}

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self { join: false, send: false, moderate: false };

    /// What either of both allows.
    pub fn or(self, other: Self) -> Self {
        Self { join: self.join || other.join, send: self.send || other.send, moderate: self.moderate || other.moderate }
    }
}

/// The rights that a credential carries, by pattern of rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(pub Vec<(Pattern, Rights)>);

impl Grants {
    /// What the matching patterns say together, or nothing where none matches and the policy of the room's kind
    /// holds.
    pub fn rights(&self, room: &RoomName) -> Option<Rights> {
        self.0
            .iter()
            .filter(|(pattern, _)| pattern.matches(room.as_str()))
            .map(|&(_, rights)| rights)
            .reduce(Rights::or)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, name) in
            [("*", "x"), ("team-*", "team-"), ("team-*", "team-a"), ("*a*b*", "xxaxxbxx"), ("a*a", "aa"), ("a", "a")]
        {
            assert!(Pattern::new(pattern).matches(name), "{pattern} should match {name}");
        }
        for (pattern, name) in [("team-*", "team"), ("a", "ab"), ("a*a", "a"), ("*b", "ba"), ("", "a")] {
            assert!(!Pattern::new(pattern).matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_does_not_take_forever() {
        let pattern = Pattern::new("*a".repeat(60));
        assert!(!pattern.matches(&"a".repeat(50)));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(200))));
    }

    #[test]
    fn matching_patterns_add_up_and_no_match_says_nothing() {
        let join = Rights { join: true, ..Rights::NONE };
        let send = Rights { send: true, ..Rights::NONE };
        let grants = Grants(vec![(Pattern::new("team-*"), join), (Pattern::new("*-a"), send)]);
        assert_eq!(grants.rights(&RoomName::new("team-a").unwrap()), Some(join.or(send)));
        assert_eq!(grants.rights(&RoomName::new("team-b").unwrap()), Some(join));
        assert_eq!(grants.rights(&RoomName::new("other").unwrap()), None);
    }
}
