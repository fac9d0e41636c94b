//! What each request does.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hubbub_shared::server_frame::RemovedReason;
use hubbub_shared::{Data, Position, RoomName, UserId};

use super::command::Command;
use super::hello::token_is_revoked;
use super::live::Conn;
use super::reply::Reply;
use crate::fault::Fault;
use crate::hub::event::Sent;
use crate::hub::join::{Join, JoinError};
use crate::ids::Origin;
use crate::rooms::allowance::Activity;
use crate::rooms::publish::{Posted, Posting};
use crate::rooms::{Caller, Person, Right};

impl Conn {
    /// Carries out a request and queues its reply; the reply to a failure is the caller's.
    pub async fn execute(&self, id: Option<u32>, command: Command) -> Result<(), Fault> {
        let caller = Caller::Person(self.person.lock().clone());
        match command {
            // Neither reaches this place: they are no requests on an open connection.
            Command::Hello(_) | Command::Pong => Ok(()),
            Command::Ping => {
                self.context.rooms.admit(&caller, Activity::Request).await?;
                self.reply(id, &Reply::Pong);
                Ok(())
            }
            Command::Refresh { token } => self.refresh(id, &caller, &token).await,
            Command::Join(join) => self.join(id, &caller, join).await,
            Command::Leave { room } => {
                let left = self.handle.dialect.reply(id, &Reply::Left(&room));
                self.context.hub.leave(&self.handle.outbox, &room, left).await;
                Ok(())
            }
            Command::Post { posting, echo } => self.post(id, &caller, posting, echo).await,
            Command::Signal { room, data } => self.signal(id, &caller, room, data).await,
            Command::Members { room, limit, after } => self.members(id, &caller, room, limit, after).await,
            Command::Read { room, pos } => {
                let origin = Some(self.origin());
                self.context.rooms.mark_read(&caller, &room, &pos, origin).await?;
                self.reply(id, &Reply::Done);
                Ok(())
            }
            Command::Unread { rooms } => self.unread(id, &caller, rooms).await,
            Command::History { room, before, after, limit } => {
                self.history(id, &caller, &room, before, after, limit).await
            }
            Command::Moderate(moderation) => {
                self.context.rooms.moderate(&caller, moderation).await?;
                self.reply(id, &Reply::Done);
                Ok(())
            }
        }
    }

    /// Queues a reply, if one was asked for.
    fn reply(&self, id: Option<u32>, reply: &Reply<'_>) {
        if id.is_some() {
            self.handle.outbox.reply(self.handle.dialect.reply(id, reply));
        }
    }

    fn origin(&self) -> Origin {
        Origin { connection: self.handle.id, request: self.requests.fetch_add(1, Ordering::Relaxed) }
    }

    async fn refresh(&self, id: Option<u32>, caller: &Caller, token: &str) -> Result<(), Fault> {
        self.context.rooms.admit(caller, Activity::Request).await?;
        let identity = self.context.authenticator.verify(token).await?;
        if identity.user != self.handle.user {
            return Err(Fault::Forbidden("this token is another user's; open a new connection for it"));
        }
        if token_is_revoked(&self.context, &identity).await? {
            return Err(Fault::Unauthenticated("this token was revoked; log in again".to_owned()));
        }
        let person = {
            let mut person = self.person.lock();
            *person = Arc::new(Person { grants: identity.grants, ..Person::clone(&person) });
            person.clone()
        };
        *self.expires_at_ms.lock() = Some(identity.expires_at_ms);
        if let Some(issued_at_s) = self.handle.issued_at_s.lock().as_mut() {
            *issued_at_s = identity.issued_at_s;
        }
        let caller = Caller::Person(person);
        for (_, room) in self.handle.outbox.subscriptions() {
            if !self.context.rooms.rights(&caller, &room.name).0.join {
                self.context.hub.remove(&self.handle.outbox, &room.name, RemovedReason::Revoked).await;
            }
        }
        self.reply(id, &Reply::Refreshed { expires_at_ms: identity.expires_at_ms });
        Ok(())
    }

    async fn join(&self, id: Option<u32>, caller: &Caller, mut join: Join) -> Result<(), Fault> {
        let outbox = &self.handle.outbox;
        let wire = &self.context.settings.wire;
        if outbox.subscription_to(&join.room).is_some() {
            return Err(Fault::AlreadyJoined);
        }
        self.context.rooms.require(caller, &join.room, Right::Join).await?;
        self.context.rooms.admit(caller, Activity::Request).await?;
        // Joins of several rooms may be under way at once; each holds a place until it is in.
        let joining = self.joining.fetch_add(1, Ordering::Relaxed) + 1;
        let result = if outbox.rooms_len() + joining > wire.rooms as usize {
            Err(Fault::TooManyRooms { max: wire.rooms })
        } else {
            join.limit = join.limit.min(u64::from(wire.history));
            let frame = |joined: &_| self.handle.dialect.reply(id, &Reply::Joined(&join.room, joined));
            self.context.hub.join(outbox, &join, frame).await.map_err(|error| match error {
                JoinError::AlreadyJoined => Fault::AlreadyJoined,
                JoinError::Closing => Fault::Unavailable,
                JoinError::Broker(error) => error.into(),
                JoinError::Presence(error) => error.into(),
            })
        };
        self.joining.fetch_sub(1, Ordering::Relaxed);
        result?;
        // A ban may have come between the look at it and the join; its order found no subscription then.
        match self.context.rooms.broker.standing(&join.room, &self.handle.user).await {
            Ok(standing) if standing.banned => {
                self.context.hub.remove(outbox, &join.room, RemovedReason::Banned).await;
            }
            Ok(_) => {}
            // The join has been answered already.
            Err(_) => self.context.doubt.notify_one(),
        }
        Ok(())
    }

    async fn post(&self, id: Option<u32>, caller: &Caller, posting: Posting, echo: bool) -> Result<(), Fault> {
        let outbox = &self.handle.outbox;
        let room = posting.room.clone();
        let origin = self.origin();
        let placed = outbox.subscription_to(&room).filter(|_| !echo);
        if let Some((subscription, _)) = placed {
            outbox.expect_echo(subscription, origin.request, id);
        }
        match self.context.rooms.post(caller, posting, Some(origin)).await {
            Ok(Posted { pos, time_ms, duplicate }) => {
                let sent = Sent { id, pos, time_ms, duplicate };
                match placed {
                    Some((subscription, room)) if !duplicate => {
                        self.context.hub.echo_appended(outbox, subscription, &room, origin.request, sent);
                    }
                    Some((subscription, _)) => {
                        outbox.forget_echo(subscription, origin.request);
                        outbox.reply(self.handle.dialect.reply(id, &Reply::Sent(&room, &sent)));
                    }
                    None if !self.context.hub.acknowledge(&room, &sent.pos) => return Err(Fault::Unavailable),
                    None => self.reply(id, &Reply::Sent(&room, &sent)),
                }
                Ok(())
            }
            Err(fault) => match placed {
                // The entry came by the bus before the store's answer was given up: it was answered in its place.
                Some((subscription, _)) if !outbox.forget_echo(subscription, origin.request) => Ok(()),
                Some(_) | None => Err(fault),
            },
        }
    }

    async fn signal(&self, id: Option<u32>, caller: &Caller, room: RoomName, data: Data) -> Result<(), Fault> {
        if self.handle.outbox.subscription_to(&room).is_none() {
            // Who may not speak here is told so, and not to join.
            self.context.rooms.require(caller, &room, Right::Send).await?;
            return Err(Fault::NotJoined);
        }
        self.context.rooms.signal(caller, &room, data, Some(self.origin())).await?;
        self.reply(id, &Reply::Done);
        Ok(())
    }

    async fn members(
        &self,
        id: Option<u32>,
        caller: &Caller,
        room: RoomName,
        limit: Option<u64>,
        after: Option<UserId>,
    ) -> Result<(), Fault> {
        let outbox = &self.handle.outbox;
        let _reserved = outbox.reserve(self.context.settings.wire.reply_bytes as usize).await;
        let subscription = outbox.subscription_to(&room).map(|(subscription, _)| subscription);
        if let Some(subscription) = subscription {
            outbox.hold_presence(subscription);
        }
        let page = self.context.rooms.members(caller, &room, after.as_ref(), limit).await;
        if let Ok(page) = &page {
            self.reply(id, &Reply::Members(&room, page));
        }
        if let Some(subscription) = subscription {
            outbox.release_presence(subscription);
        }
        page.map(|_| ())
    }

    async fn unread(&self, id: Option<u32>, caller: &Caller, rooms: Vec<RoomName>) -> Result<(), Fault> {
        let most = self.context.settings.wire.rooms as usize;
        if rooms.len() > most {
            return Err(Fault::BadRequest(format!("ask for {most} rooms at most, several times if need be")));
        }
        let _reserved = self.handle.outbox.reserve(self.context.settings.wire.reply_bytes as usize).await;
        let unread = self.context.rooms.unread(caller, &rooms).await?;
        let rooms: Vec<_> = rooms.into_iter().zip(unread).collect();
        self.reply(id, &Reply::Unread(&rooms));
        Ok(())
    }

    async fn history(
        &self,
        id: Option<u32>,
        caller: &Caller,
        room: &RoomName,
        before: Option<Position>,
        after: Option<Position>,
        limit: Option<u64>,
    ) -> Result<(), Fault> {
        let reply_bytes = self.context.settings.wire.reply_bytes as usize;
        let _reserved = self.handle.outbox.reserve(reply_bytes).await;
        let page = self.context.rooms.history(caller, room, before, after, limit).await?;
        self.reply(id, &Reply::History(room, &page, reply_bytes));
        Ok(())
    }
}
