//! Who is in which room, across replicas.
//!
//! A replica *declares* how many connections of a user it has in a room; the user is a member as long as any replica's
//! declaration stands. Declarations are leased per replica, not per connection: a replica that does not renew its
//! lease loses all of them. A presence store promises:
//!
//! 1. Declaring is idempotent: the last declaration of a replica for a user in a room is the one that counts.
//! 2. Every change of membership is told to the bus once, as [`crate::broker::Payload::Presence`] with the count after
//!    it, to every replica that is subscribed to the room.
//! 3. After a lease has run out, [`Presence::sweep`] of a replica that could reach the store for one whole lease removes
//!    that replica's declarations and tells the bus; nobody else's. Where many sweep, the store may leave it to one.
//! 4. A swept replica cannot declare into the past: what it declares changes nothing until [`Presence::renew`] has
//!    named it [lost](Renewal::lost), once; from then on its declarations count under a new incarnation.
//! 5. A replica that was itself out of touch for half a lease sweeps nobody until it has been in touch again for one
//!    whole lease: it cannot tell whether it was the others or the store that stood still.
//! 6. What a store has answered and loses after all, in a failover for example, is named lost by the next renewal.

use std::collections::BTreeSet;

use async_trait::async_trait;
use hubbub_shared::{RoomName, UserId};
use thiserror::Error;

use crate::broker::Author;

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
pub mod redis;

/// A user in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub author: Author,
    /// Connections in the room, across replicas.
    pub connections: u32,
}

/// A page of members, ordered by user id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembersPage {
    /// Users in the room.
    pub count: u64,
    /// Those of this page.
    pub members: Vec<Member>,
    /// Whether more follow after the last one here.
    pub more: bool,
}

/// A part of all rooms, which a store may lose, or not reach, apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part(pub u8);

/// What a renewal found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Where the lease had run out and was swept, or the store lost what it was told: declare everything again there.
    pub lost: BTreeSet<Part>,
    /// Where the store gave no answer: renew again soon.
    pub unanswered: BTreeSet<Part>,
}

/// Why the presence store gave no answer. The dependency's fault; retry.
#[derive(Debug, Clone, Error)]
pub enum PresenceError {
    /// The store did not answer in time.
    #[error("the presence store did not answer in time")]
    Unavailable,
}

/// Who is in which room; see the module for what is promised.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Says how many connections of a user this replica has in a room, 0 for none any more. Answers how many users
    /// are in the room now.
    async fn declare(&self, room: &RoomName, member: &Author, connections: u32) -> Result<u64, PresenceError>;

    /// A page of at most `limit` members, after the given user id.
    async fn members(
        &self,
        room: &RoomName,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<MembersPage, PresenceError>;

    /// How many users are in a room.
    async fn count(&self, room: &RoomName) -> Result<u64, PresenceError>;

    /// The part that a room belongs to.
    fn part(&self, room: &RoomName) -> Part;

    /// Extends this replica's lease, in each part for itself.
    async fn renew(&self) -> Renewal;

    /// Removes what replicas whose lease ran out had declared, wherever the store can be reached; answers how many
    /// replicas those were.
    async fn sweep(&self) -> Result<usize, PresenceError>;

    /// Gives up the lease and everything declared under it, at the end of a replica.
    async fn resign(&self) -> Result<(), PresenceError>;
}
