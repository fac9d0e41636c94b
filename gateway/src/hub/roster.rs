//! Which users this replica holds in a room: what it declares to the presence store.

use std::collections::HashMap;

use hubbub_shared::UserId;
use tokio::time::Instant;

use crate::broker::Author;

/// A user whom this replica holds in a room.
#[derive(Debug, Clone)]
struct Local {
    author: Author,
    connections: u32,
    /// Until when a user without a connection is still held, because the last one broke and may come back.
    grace_until: Option<Instant>,
}

/// Which users this replica holds in a room.
#[derive(Debug, Default)]
pub struct Roster {
    users: HashMap<UserId, Local, ahash::RandomState>,
}

impl Roster {
    /// Another connection of a user. The name is the newest connection's.
    pub fn enter(&mut self, author: &Author) {
        let local = self.users.entry(author.user.clone()).or_insert_with(|| Local {
            author: author.clone(),
            connections: 0,
            grace_until: None,
        });
        local.author = author.clone();
        local.connections += 1;
        local.grace_until = None;
    }

    /// A connection of a user is gone. With a grace the user is held until then if it was the last; without one not.
    /// Answers whether that changes what is to be declared now.
    pub fn exit(&mut self, user: &UserId, grace_until: Option<Instant>) -> bool {
        let Some(local) = self.users.get_mut(user) else { return false };
        local.connections = local.connections.saturating_sub(1);
        if local.connections == 0 {
            local.grace_until = grace_until;
            return grace_until.is_none();
        }
        true
    }

    /// Whether a user's grace is over.
    pub fn grace_is_over(&self, user: &UserId, now: Instant) -> bool {
        self.users
            .get(user)
            .is_some_and(|local| local.connections == 0 && local.grace_until.is_none_or(|until| until <= now))
    }

    /// How many connections of a user are to be declared, and under which name. A user in the grace is still one.
    pub fn declaration(&self, user: &UserId, now: Instant) -> Option<(Author, u32)> {
        let local = self.users.get(user)?;
        let held = local.grace_until.is_some_and(|until| until > now);
        Some((local.author.clone(), if held { local.connections.max(1) } else { local.connections }))
    }

    /// Forgets a user who was declared gone, unless somebody came back meanwhile.
    pub fn forget(&mut self, user: &UserId, now: Instant) {
        if self.grace_is_over(user, now) {
            self.users.remove(user);
        }
    }

    /// Whether nobody is held.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Everybody who is held.
    pub fn users(&self) -> Vec<UserId> {
        self.users.keys().cloned().collect()
    }
}
