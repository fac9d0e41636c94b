//! What a user may do in a room: what the credential grants there, and where it says nothing, the policy of the room's
//! kind.

use std::collections::HashSet;

use hubbub_shared::{RoomName, UserId};

use crate::grants::{Grants, Rights};

/// Who may do something in rooms of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// All who are logged in, guests too.
    Everyone,
    /// All who are logged in, but no guests.
    Users,
    /// Nobody, except by a grant.
    Nobody,
    /// These users.
    Only(HashSet<UserId>),
}

impl Who {
    /// Whether this user is among them.
    pub fn includes(&self, user: &UserId) -> bool {
        match self {
            Self::Everyone => true,
            Self::Users => !user.is_guest(),
            Self::Nobody => false,
            Self::Only(users) => users.contains(user),
        }
    }
}

/// Who has which right in rooms of a kind, where the credential says nothing about the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPolicy {
    /// Who has [`Rights::join`].
    pub join: Who,
    /// Who has [`Rights::send`].
    pub send: Who,
    /// Who has [`Rights::moderate`].
    pub moderate: Who,
}

/// The rights of a user in a room.
///
/// Grants that match the room replace the policy of its kind. A personal room has no policy: its user joins it and
/// sends there, or does what matching grants say instead; nobody else has any right in it, not even a moderator of all
/// rooms. The server API asks nobody.
pub fn rights(user: &UserId, grants: &Grants, room: &RoomName, policy: &RoomPolicy) -> Rights {
    let granted = grants.rights(room);
    match room.personal_of() {
        Some(owner) if owner != user.as_str() => Rights::NONE,
        Some(_) => granted.unwrap_or(Rights { join: true, send: true, moderate: false }),
        None => granted.unwrap_or_else(|| Rights {
            join: policy.join.includes(user),
            send: policy.send.includes(user),
            moderate: policy.moderate.includes(user),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Pattern;

    const ALL: Rights = Rights { join: true, send: true, moderate: true };
    const JOIN: Rights = Rights { join: true, ..Rights::NONE };
    const JOIN_AND_SEND: Rights = Rights { join: true, send: true, moderate: false };

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    fn room(name: &str) -> RoomName {
        RoomName::new(name).unwrap()
    }

    fn only(id: &str) -> Who {
        Who::Only(HashSet::from([user(id)]))
    }

    fn grants(of: &[(&str, Rights)]) -> Grants {
        Grants(of.iter().map(|&(pattern, rights)| (Pattern::new(pattern), rights)).collect())
    }

    fn policy() -> RoomPolicy {
        RoomPolicy { join: Who::Everyone, send: Who::Users, moderate: only("ada") }
    }

    #[test]
    fn without_a_matching_grant_the_policy_of_the_room_holds() {
        let elsewhere = grants(&[("team-*", ALL)]);
        assert_eq!(rights(&user("ada"), &Grants::default(), &room("general"), &policy()), ALL);
        assert_eq!(rights(&user("bob"), &elsewhere, &room("general"), &policy()), JOIN_AND_SEND);
        let closed = RoomPolicy { join: Who::Nobody, send: Who::Nobody, moderate: Who::Nobody };
        assert_eq!(rights(&user("ada"), &elsewhere, &room("general"), &closed), Rights::NONE);
    }

    #[test]
    fn a_matching_grant_replaces_the_policy_also_where_it_allows_less() {
        let silent = grants(&[("gen*", JOIN)]);
        assert_eq!(rights(&user("ada"), &silent, &room("general"), &policy()), JOIN);
        let barred = grants(&[("general", Rights::NONE)]);
        assert_eq!(rights(&user("ada"), &barred, &room("general"), &policy()), Rights::NONE);
    }

    #[test]
    fn a_guest_is_everyone_but_no_user() {
        assert_eq!(rights(&user("guest:7f"), &Grants::default(), &room("general"), &policy()), JOIN);
    }

    #[test]
    fn a_personal_room_is_open_to_its_user_whatever_the_policy_says() {
        let closed = RoomPolicy { join: Who::Nobody, send: Who::Nobody, moderate: Who::Nobody };
        for id in ["ada", "guest:7f"] {
            let own = room(&format!("@{id}"));
            assert_eq!(rights(&user(id), &Grants::default(), &own, &closed), JOIN_AND_SEND);
        }
    }

    #[test]
    fn a_personal_room_is_closed_to_everybody_else_whatever_grants_and_policy_say() {
        let open = RoomPolicy { join: Who::Everyone, send: Who::Everyone, moderate: Who::Everyone };
        for moderator in [grants(&[("@*", ALL)]), grants(&[("*", ALL)]), grants(&[("@ada", ALL)])] {
            assert_eq!(rights(&user("bob"), &moderator, &room("@ada"), &open), Rights::NONE);
        }
        // A room that is called like a user's, but for the letter case, is another user's.
        assert_eq!(rights(&user("Ada"), &Grants::default(), &room("@ada"), &open), Rights::NONE);
    }

    #[test]
    fn grants_decide_what_a_user_does_in_the_own_personal_room() {
        assert_eq!(rights(&user("ada"), &grants(&[("@*", JOIN)]), &room("@ada"), &policy()), JOIN);
        assert_eq!(rights(&user("ada"), &grants(&[("*", ALL)]), &room("@ada"), &policy()), ALL);
    }
}
