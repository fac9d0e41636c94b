//! What must reach every replica and be missed by none: a small log of its own, with positions like a room's, so that
//! a replica that was deaf catches up in the same way as a room does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hubbub_shared::server_frame::RemovedReason;
use hubbub_shared::{Data, RoomName, UserId};
use serde::{Deserialize, Serialize};

use crate::broker::{Author, Authority, Body, Broker, BrokerError, Publish, Published, Retention};
use crate::hub::Hub;
use crate::hub::event::{Encoder, Event, Language};
use crate::hub::join::{Join, JoinError};
use crate::hub::outbox::Outbox;
use crate::hub::subscription::Wants;
use crate::ids::ConnectionId;
use crate::random;

/// Orders are kept this long, for replicas that were deaf; one that was deaf for longer checks everything again.
const RETENTION: Retention = Retention { entries: 10_000, bytes: 4 << 20, age_ms: 3_600_000 };
/// The bound of what waits for this replica to carry it out.
const OUTBOX_BYTES: usize = 1 << 20;
/// How long to wait before the control log is joined again after the store gave no answer.
const RETRY: Duration = Duration::from_millis(250);

/// Something that every replica must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Take a user out of a room.
    Remove {
        /// The room.
        room: RoomName,
        /// Whom.
        user: UserId,
        /// Why.
        reason: RemovedReason,
    },
    /// Close the connections of some sessions of a user.
    EndSessions {
        /// Whose.
        user: UserId,
        /// Which.
        sessions: Vec<String>,
    },
    /// Close all connections of a user.
    EndUser {
        /// Whose.
        user: UserId,
        /// Whether the user is banned from the service, or has only to log in again.
        banned: bool,
    },
}

/// What the control log brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An order.
    Order(Order),
    /// Orders may have been missed for good: check every connection again.
    Uncertain,
}

/// Gives orders to all replicas.
#[derive(Clone)]
pub struct Control {
    broker: Arc<dyn Broker>,
}

impl Control {
    /// Orders go through this broker.
    pub fn new(broker: Arc<dyn Broker>) -> Self {
        Self { broker }
    }

    /// Gives an order. Once this answers, every replica will hear it.
    pub async fn give(&self, order: Order) -> Result<(), BrokerError> {
        // An order holds names and numbers only, all of which JSON can write.
        let json = serde_json::to_string(&order).unwrap_or_default();
        let data = Data::from_json(&json).ok();
        let published = self
            .broker
            .publish(Publish {
                room: RoomName::control(),
                from: None,
                key: None,
                body: Body::Message { data },
                authority: Authority::Server,
                slow_mode_ms: 0,
                refuse_after_ms: None,
                retention: RETENTION,
                origin: None,
                tag: random::tag(),
                epoch: random::tag(),
            })
            .await?;
        match published {
            Published::Appended { .. } | Published::Duplicate { .. } => Ok(()),
            Published::Refused(_) => Err(BrokerError::Unavailable),
        }
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// This replica's subscription to the control log: a connection like any other to the hub, whose wire language is
/// [`Heard`] in JSON.
#[derive(Debug)]
pub struct Orders {
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
}

impl Orders {
    /// Begins to listen; tries until the store answers.
    pub async fn listen(hub: Arc<Hub>, user: UserId) -> Result<Self, JoinError> {
        let author = Author { user, name: None };
        let outbox =
            Arc::new(Outbox::new(ConnectionId::random(), author, Arc::new(OrderEncoder), OUTBOX_BYTES, Arc::default()));
        let join = Join { room: RoomName::control(), since: None, limit: 0, wants: Wants::default() };
        loop {
            match hub.join(&outbox, &join, |_| UNCERTAIN).await {
                Ok(()) => return Ok(Self { hub, outbox }),
                Err(JoinError::Broker(_) | JoinError::Presence(_)) => tokio::time::sleep(RETRY).await,
                Err(error @ (JoinError::AlreadyJoined | JoinError::Closing)) => return Err(error),
            }
        }
    }

    /// The next order; `None` once the outbox is closed.
    pub async fn next(&self) -> Option<Heard> {
        loop {
            if let Some(frame) = self.outbox.take() {
                return Some(serde_json::from_slice(&frame).map_or(Heard::Uncertain, Heard::Order));
            }
            tokio::select! {
                readable = self.outbox.wait_readable() => if !readable { return None },
                pending = self.outbox.next_pending(&[]) => self.hub.advance(&self.outbox, &pending).await,
            }
        }
    }
}

/// No order: what cannot be read as one means that something may have been missed.
const UNCERTAIN: Bytes = Bytes::from_static(b"null");

/// The number of this language; the wire languages of clients come first.
const CONTROL_LANGUAGE: Language = Language(crate::hub::event::LANGUAGES - 1);

struct OrderEncoder;

impl Encoder for OrderEncoder {
    fn language(&self) -> Language {
        CONTROL_LANGUAGE
    }

    fn event(&self, _: &RoomName, event: &Event) -> Bytes {
        match event {
            Event::Entry(entry) => match &entry.body {
                Body::Message { data: Some(data) } => Bytes::copy_from_slice(data.as_json().as_bytes()),
                Body::Message { data: None } | Body::Edit { .. } | Body::Delete { .. } | Body::Reaction { .. } => {
                    UNCERTAIN
                }
            },
            Event::Sent(_)
            | Event::Unproven { .. }
            | Event::Reset { .. }
            | Event::Signal { .. }
            | Event::Presence(_)
            | Event::Receipt { .. }
            | Event::Removed { .. } => UNCERTAIN,
        }
    }
}
