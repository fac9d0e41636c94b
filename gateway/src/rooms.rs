//! What may be asked of a room, by whom and how often: the same for a socket and for the HTTP API.
//!
//! * [`caller`]: in whose name something is asked.
//! * [`allowance`]: rate limits, by kind of request.
//! * [`publish`]: send, edit, delete, react, signal.
//! * [`look`]: history, members, read markers.
//! * [`moderate`]: kick, ban, mute, across replicas.

use std::sync::Arc;

use hubbub_shared::RoomName;
use hubbub_shared::limits::Limits as WireLimits;

use crate::auth::policy;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::control::Control;
use crate::fault::Fault;
use crate::grants::Rights;
use crate::kinds::{Kind, Kinds};
use crate::limits::Limits;
use crate::presence::Presence;

pub mod allowance;
pub mod caller;
pub mod look;
pub mod moderate;
pub mod publish;

pub use allowance::Quotas;
pub use caller::{Caller, Person};

/// What may be asked of rooms.
#[expect(missing_debug_implementations, reason = "capabilities are trait objects without a text of their own")]
pub struct Rooms {
    /// The log and the bus.
    pub broker: Arc<dyn Broker>,
    /// Who is where.
    pub presence: Arc<dyn Presence>,
    /// Rate limits.
    pub limits: Arc<dyn Limits>,
    /// How much is allowed.
    pub quotas: Quotas,
    /// Which rules hold where.
    pub kinds: Arc<Kinds>,
    /// The limits of the wire.
    pub wire: WireLimits,
    /// Tells all replicas whom to remove.
    pub control: Control,
    /// Wall time.
    pub clock: Clock,
}

/// A right that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Join, history, members, read, unread.
    Join,
    /// Send, react, signal, edit and delete of one's own.
    Send,
    /// Moderate.
    Moderate,
}

impl Rooms {
    /// The rights of a caller in a room, and the room's kind.
    pub fn rights(&self, caller: &Caller, room: &RoomName) -> (Rights, Arc<Kind>) {
        let kind = self.kinds.of(room);
        let rights = match caller {
            Caller::Person(person) => policy::rights(&person.author.user, &person.grants, room, &kind.policy),
            Caller::Api { .. } => Rights { join: true, send: true, moderate: true },
        };
        (rights, kind)
    }

    /// Checks that the caller has the right and is not banned.
    pub async fn require(&self, caller: &Caller, room: &RoomName, right: Right) -> Result<Arc<Kind>, Fault> {
        let (rights, kind) = self.rights(caller, room);
        let (has, refusal) = match right {
            Right::Join => (rights.join, "you may not join or read this room; ask for the right `join`"),
            Right::Send => (rights.send, "you may not send to this room; ask for the right `send`"),
            Right::Moderate => (rights.moderate, "only moderators may do this; ask for the right `moderate`"),
        };
        if !has {
            return Err(Fault::Forbidden(refusal));
        }
        if let Caller::Person(person) = caller {
            let standing = self.broker.standing(room, &person.author.user).await?;
            if standing.banned {
                return Err(Fault::Forbidden(BANNED));
            }
            if standing.muted && right == Right::Send {
                return Err(Fault::Forbidden(MUTED));
            }
        }
        Ok(kind)
    }
}

pub(crate) const BANNED: &str = "you are banned from this room; only `leave` is allowed until the ban ends";
pub(crate) const MUTED: &str = "you are muted in this room; you may read until the mute ends";
