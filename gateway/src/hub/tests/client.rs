//! A client and the gateway's end of its connection, which does what the real one does with an outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hubbub_shared::{Position, RoomName};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::frames::{Frame, Frames};
use super::world::Replica;
use crate::broker::conformance::{author, message};
use crate::broker::{Broker as _, BrokerError, Publish, Published};
use crate::hub::event::Sent;
use crate::hub::join::{Join, JoinError};
use crate::hub::outbox::Outbox;
use crate::hub::subscription::Wants;
use crate::ids::{ConnectionId, Origin};
use crate::presence::{Presence as _, PresenceError};

/// Room that an ordinary reply takes.
const REPLY_BYTES: usize = 512;

/// A connection.
pub(super) struct Client {
    pub(super) name: String,
    pub(super) outbox: Arc<Outbox>,
    pub(super) replica: Replica,
    frames: Arc<Frames>,
    got: Arc<Mutex<Vec<Frame>>>,
    reading: watch::Sender<Reading>,
    ids: AtomicU32,
    #[expect(dead_code, reason = "the tasks end with the client")]
    tasks: JoinSet<()>,
}

/// How a client reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reading {
    AsItComes,
    /// One frame, then a pause.
    Slowly(Duration),
    Not,
}

impl Client {
    pub(super) fn connect(replica: &Replica, name: &str, frames: Arc<Frames>, outbox_bytes: usize) -> Self {
        let outbox = Outbox::new(ConnectionId::random(), author(name), frames.clone(), outbox_bytes, Arc::default());
        let outbox = Arc::new(outbox);
        let got = Arc::new(Mutex::new(Vec::new()));
        let reading = watch::Sender::new(Reading::AsItComes);
        let mut tasks = JoinSet::new();
        tasks.spawn(read(outbox.clone(), frames.clone(), got.clone(), reading.subscribe()));
        tasks.spawn(advance(replica.clone(), outbox.clone()));
        let (name, replica, ids) = (name.to_owned(), replica.clone(), AtomicU32::new(1));
        Self { name, outbox, replica, frames, got, reading, ids, tasks }
    }

    pub(super) fn reads(&self, reading: Reading) {
        self.reading.send_replace(reading);
    }

    /// Everything that it got so far.
    pub(super) fn got(&self) -> Vec<Frame> {
        self.got.lock().clone()
    }

    /// What it got since the last look, in a few words each.
    pub(super) fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.got.lock()).iter().map(ToString::to_string).collect()
    }

    /// Joins at the head.
    pub(super) async fn join(&self, room: &RoomName) {
        self.join_with(room, None, 0).await;
    }

    pub(super) async fn join_with(&self, room: &RoomName, since: Option<&Position>, limit: u64) {
        let join = Join { room: room.clone(), since: since.cloned(), limit, wants: Wants::default() };
        self.try_join(&join).await.unwrap();
    }

    /// Joins at the head and wants to hear of presence and receipts.
    pub(super) async fn attend(&self, room: &RoomName) {
        let wants = Wants { presence: true, receipts: true };
        self.try_join(&Join { room: room.clone(), since: None, limit: 0, wants }).await.unwrap();
    }

    pub(super) async fn try_join(&self, join: &Join) -> Result<(), JoinError> {
        let _reserved = self.outbox.reserve(REPLY_BYTES).await;
        let frame = |joined: &_| self.frames.write(Frame::Joined(join.clone(), Clone::clone(joined)));
        self.replica.hub.join(&self.outbox, join, frame).await
    }

    pub(super) async fn leave(&self, room: &RoomName) {
        let left = self.frames.write(Frame::Left(room.clone()));
        self.replica.hub.leave(&self.outbox, room, left).await;
    }

    /// The connection breaks.
    pub(super) fn disconnect(self) {
        self.replica.hub.detach(&self.outbox);
    }

    /// Says something, and asks for the entry itself.
    pub(super) async fn say(&self, room: &RoomName, text: &str) {
        self.post(message(room, &self.name, text), true).await.unwrap();
    }

    /// Says something, and asks for the `sent` in the entry's place.
    pub(super) async fn say_without_echo(&self, room: &RoomName, text: &str) {
        self.post(message(room, &self.name, text), false).await.unwrap();
    }

    /// Publishes; answers the id under which the reply comes.
    pub(super) async fn post(&self, publish: Publish, echo: bool) -> Result<u32, BrokerError> {
        let _reserved = self.outbox.reserve(REPLY_BYTES).await;
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let origin = Origin { connection: self.outbox.connection, request: id.into() };
        let echo = self.outbox.subscription_to(&publish.room).filter(|_| !echo);
        if let Some((subscription, _)) = echo {
            self.outbox.expect_echo(subscription, origin.request, Some(id));
        }
        let room = publish.room.clone();
        let published = self.replica.backend.publish(Publish { origin: Some(origin), ..publish }).await;
        match (published, echo) {
            (Ok(Published::Appended { pos, time_ms }), Some((subscription, room))) => {
                let sent = Sent { id: Some(id), pos, time_ms, duplicate: false };
                self.replica.hub.echo_appended(&self.outbox, subscription, &room, origin.request, sent);
                Ok(id)
            }
            (Ok(Published::Appended { pos, .. } | Published::Duplicate { pos, .. }), None) => {
                let proven = self.replica.hub.acknowledge(&room, &pos);
                self.outbox.reply(self.frames.write(if proven {
                    Frame::Sent(room, id, pos)
                } else {
                    Frame::Failed(id)
                }));
                Ok(id)
            }
            (Ok(Published::Duplicate { pos, .. }), Some((subscription, _))) => {
                self.outbox.forget_echo(subscription, origin.request);
                self.outbox.reply(self.frames.write(Frame::Sent(room, id, pos)));
                Ok(id)
            }
            (Ok(Published::Refused(_)), echo) => {
                self.fail(id, echo.is_none_or(|(it, _)| self.outbox.forget_echo(it, origin.request)));
                Ok(id)
            }
            (Err(error), echo) => {
                self.fail(id, echo.is_none_or(|(it, _)| self.outbox.forget_echo(it, origin.request)));
                Err(error)
            }
        }
    }

    /// The ids of all that it published.
    pub(super) fn posted(&self) -> std::ops::Range<u32> {
        1..self.ids.load(Ordering::Relaxed)
    }

    fn fail(&self, id: u32, owed: bool) {
        if owed {
            self.outbox.reply(self.frames.write(Frame::Failed(id)));
        }
    }

    /// Asks for the members, in such a way that every change that the page does not show comes behind it.
    pub(super) async fn ask_for_members(&self, room: &RoomName) -> Result<(), PresenceError> {
        let _reserved = self.outbox.reserve(REPLY_BYTES).await;
        let subscription = self.outbox.subscription_to(room).map(|(id, _)| id);
        if let Some(id) = subscription {
            self.outbox.hold_presence(id);
        }
        let page = self.replica.backend.members(room, None, 1_000).await;
        if let Ok(page) = &page {
            self.outbox.reply(self.frames.write(Frame::Members(room.clone(), page.clone())));
        }
        if let Some(id) = subscription {
            self.outbox.release_presence(id);
        }
        page.map(|_| ())
    }
}

/// Reads from the socket what the outbox holds.
async fn read(
    outbox: Arc<Outbox>,
    frames: Arc<Frames>,
    got: Arc<Mutex<Vec<Frame>>>,
    mut reading: watch::Receiver<Reading>,
) {
    loop {
        let how = *reading.borrow_and_update();
        match how {
            Reading::Not => {
                if reading.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Reading::Slowly(pause) => tokio::time::sleep(pause).await,
            Reading::AsItComes => {}
        }
        let readable = tokio::select! {
            readable = outbox.wait_readable() => readable,
            _ = reading.changed() => continue,
        };
        if !readable {
            return;
        }
        if *reading.borrow() != Reading::Not
            && let Some(frame) = outbox.take()
        {
            got.lock().push(frames.read(&frame));
        }
    }
}

/// Brings lagging subscriptions forward.
async fn advance(replica: Replica, outbox: Arc<Outbox>) {
    let mut advances = FuturesUnordered::new();
    let mut advancing = Vec::new();
    loop {
        tokio::select! {
            Some(id) = advances.next() => advancing.retain(|other| *other != id),
            pending = outbox.next_pending(&advancing) => {
                advancing.push(pending.subscription);
                let (hub, outbox) = (replica.hub.clone(), outbox.clone());
                advances.push(async move {
                    hub.advance(&outbox, &pending).await;
                    pending.subscription
                });
            }
        }
    }
}
