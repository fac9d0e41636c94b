//! How a subscription begins: where it starts, whom it makes a member, and the `joined` before anything else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hubbub_shared::server_frame::UnrecoveredReason;
use hubbub_shared::{Position, RoomName};
use thiserror::Error;
use tokio::time::timeout;

use super::outbox::Outbox;
use super::replay::{Ahead, Loss};
use super::room::{Phase, Room, Seat, State};
use super::subscription::Wants;
use super::{Hub, PATIENCE};
use crate::broker::{BrokerError, PageLimit, Range, Reading};
use crate::presence::PresenceError;

/// A page that is read to find where a replay starts.
const PAGE: PageLimit = PageLimit { entries: 500, bytes: 512 * 1024 };

/// How long a join waits for the bus to bring what the log has already.
const BUS_DELAY: Duration = Duration::from_millis(250);

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The room.
    pub room: RoomName,
    /// The position after which to go on.
    pub since: Option<Position>,
    /// How many of the last entries to replay where there is no position to go on from.
    pub limit: u64,
    /// What is wanted besides entries.
    pub wants: Wants,
}

/// What the client is told first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The room's head.
    pub pos: Position,
    /// Whether everything after `since` follows; `None` without `since`.
    pub recovered: Option<Result<(), UnrecoveredReason>>,
    /// How many entries follow before the live ones.
    pub replayed: u64,
    /// Users in the room; `None` where presence is off.
    pub members: Option<u64>,
    /// The number of the own read marker.
    pub read_seq: u64,
    /// Messages after it.
    pub unread: u64,
}

/// Why a join failed; nothing was changed.
#[derive(Debug, Error)]
pub enum JoinError {
    /// The connection is in the room already.
    #[error("the room is joined on this connection already")]
    AlreadyJoined,
    /// The connection is closing.
    #[error("the connection is closing")]
    Closing,
    /// The log could not be read.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The presence store could not be told.
    #[error(transparent)]
    Presence(#[from] PresenceError),
}

/// Where a subscription starts.
enum Start {
    /// After a position that was proven to be in the log.
    After(Position),
    /// With the last entries; the number of each that was read from the log and the position before it, oldest first,
    /// or `None` where the ring was enough.
    Last { before: Option<Vec<(u64, Position)>>, unrecovered: Option<UnrecoveredReason> },
}

/// Whether a subscription was made.
enum Attached {
    Yes,
    /// The room was closed, its log replaced, or what was read of it outrun meanwhile.
    Again,
    Closing,
}

/// A connection that is counted in the roster, but has no seat yet; counted out again on drop.
struct Entrance<'a> {
    hub: &'a Hub,
    room: &'a Arc<Room>,
    outbox: &'a Outbox,
    seated: bool,
}

impl Drop for Entrance<'_> {
    fn drop(&mut self) {
        if !self.seated {
            self.hub.exit(self.room, self.outbox);
        }
    }
}

impl Hub {
    /// Makes a subscription. `frame` writes the `joined`, which is queued before anything else of the room.
    pub async fn join(
        self: &Arc<Self>,
        outbox: &Arc<Outbox>,
        join: &Join,
        frame: impl Fn(&Joined) -> Bytes + Send + Sync,
    ) -> Result<(), JoinError> {
        if outbox.subscription_to(&join.room).is_some() {
            return Err(JoinError::AlreadyJoined);
        }
        loop {
            let room = self.open(&join.room).await?;
            let start = self.find_start(&room, join).await?;
            let unread = self.broker.unread(&outbox.user.user, std::slice::from_ref(&join.room)).await?;
            let unread = unread.first().copied();
            self.await_head(&room, unread.map_or(0, |unread| unread.head_seq)).await?;
            let Some(mut entrance) = self.enter(&room, outbox) else { continue };
            let members = if room.kind.presence { Some(self.declare(&room, &outbox.user.user).await?) } else { None };
            let joined = |pos: Position, replayed: u64, recovered| Joined {
                pos,
                recovered,
                replayed,
                members,
                read_seq: unread.map_or(0, |unread| unread.read_seq),
                unread: unread.map_or(0, |unread| unread.unread),
            };
            match room.attach(outbox, join, &start, |pos, replayed, recovered| frame(&joined(pos, replayed, recovered)))
            {
                Attached::Yes => {
                    entrance.seated = true;
                    return Ok(());
                }
                Attached::Again => self.refresh(&room).await?,
                Attached::Closing => return Err(JoinError::Closing),
            }
        }
    }

    fn enter<'a>(&'a self, room: &'a Arc<Room>, outbox: &'a Outbox) -> Option<Entrance<'a>> {
        let mut state = room.state.lock();
        if state.phase == Phase::Closed {
            return None;
        }
        state.roster.enter(&outbox.user);
        Some(Entrance { hub: self, room, outbox, seated: false })
    }

    async fn find_start(self: &Arc<Self>, room: &Arc<Room>, join: &Join) -> Result<Start, BrokerError> {
        let Some(since) = &join.since else { return self.find_last(room, join.limit, None).await };
        {
            let state = room.state.lock();
            if state.last == *since || state.ring.after(since).is_some() {
                self.metrics.replays_from_ring.inc();
                return Ok(Start::After(since.clone()));
            }
        }
        self.metrics.replays_from_log.inc();
        let unrecovered = match self.ahead(room, since).await? {
            Ahead::Entries(_) => {
                self.reach(room, since).await?;
                return Ok(Start::After(since.clone()));
            }
            Ahead::Lost(Loss::Trimmed) => UnrecoveredReason::Trimmed,
            Ahead::Lost(Loss::OtherLog) => UnrecoveredReason::Reset,
        };
        self.find_last(room, join.limit, Some(unrecovered)).await
    }

    /// Waits until the room has reached a position that the log has proven: the client may come from a replica that
    /// heard of it earlier.
    async fn reach(self: &Arc<Self>, room: &Arc<Room>, pos: &Position) -> Result<(), BrokerError> {
        let reached = |state: &State| pos.is_start() || (state.last.epoch == pos.epoch && state.last.seq >= pos.seq);
        self.wait_until(room, pos.seq, reached).await
    }

    /// Gives the bus a moment to bring what the log has already, and asks the log where it does not: who was told of an
    /// entry and joins then is shown a head that is no older.
    async fn await_head(self: &Arc<Self>, room: &Arc<Room>, seq: u64) -> Result<(), BrokerError> {
        let reached = async {
            loop {
                let moved = room.moved.notified();
                if room.state.lock().last.seq >= seq {
                    return;
                }
                moved.await;
            }
        };
        if timeout(BUS_DELAY, reached).await.is_ok() {
            return Ok(());
        }
        // The bus may have lost them, and with them the word of a deletion, whose data must not be replayed any more.
        if room.suspect(seq) {
            self.spawn_catch_up(room);
        }
        self.wait_until(room, seq, |state| state.phase == Phase::Live).await
    }

    /// Compares the room with its log once more, and waits until that is done.
    async fn refresh(self: &Arc<Self>, room: &Arc<Room>) -> Result<(), BrokerError> {
        if room.suspect(0) {
            self.spawn_catch_up(room);
        }
        self.wait_until(room, 0, |state| state.phase == Phase::Live).await
    }

    /// Waits until something holds for a room, which is made to read its log up to a number as long as it does not.
    async fn wait_until(
        self: &Arc<Self>,
        room: &Arc<Room>,
        seen_seq: u64,
        holds: impl Fn(&State) -> bool + Send,
    ) -> Result<(), BrokerError> {
        let waiting = async {
            loop {
                let moved = room.moved.notified();
                {
                    let state = room.state.lock();
                    if state.phase == Phase::Closed || holds(&state) {
                        return;
                    }
                }
                if room.suspect(seen_seq) {
                    self.spawn_catch_up(room);
                }
                moved.await;
            }
        };
        timeout(PATIENCE, waiting).await.map_err(|_| BrokerError::Unavailable)
    }

    /// Reads back until the last `limit` entries are covered, unless the ring covers them.
    async fn find_last(
        self: &Arc<Self>,
        room: &Arc<Room>,
        limit: u64,
        unrecovered: Option<UnrecoveredReason>,
    ) -> Result<Start, BrokerError> {
        let covered = {
            let state = room.state.lock();
            let wanted = limit.min(state.last.seq);
            wanted == 0 || state.ring.get(state.last.seq + 1 - wanted).is_some()
        };
        if covered {
            return Ok(Start::Last { before: None, unrecovered });
        }
        let mut before = Vec::new();
        let mut range = Range::Newest;
        let mut head = None;
        while (before.len() as u64) < limit {
            let Reading::Page(page) = self.read(room, range, PAGE).await? else { break };
            head.get_or_insert(page.head.pos);
            let Some(oldest) = page.entries.first() else { break };
            range = Range::Before(oldest.pos.clone());
            let older = page.entries.iter().map(|entry| (entry.pos.seq, entry.before()));
            before.splice(0..0, older);
            if !page.more {
                break;
            }
        }
        // The last entries are those before the room's position, so it must be no older than what was read.
        if let Some(head) = head {
            self.reach(room, &head).await?;
        }
        Ok(Start::Last { before: Some(before), unrecovered })
    }
}

impl Room {
    fn attach(
        self: &Arc<Self>,
        outbox: &Arc<Outbox>,
        join: &Join,
        start: &Start,
        frame: impl FnOnce(Position, u64, Option<Result<(), UnrecoveredReason>>) -> Bytes,
    ) -> Attached {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Closed | Phase::Opening { .. }) {
            return Attached::Again;
        }
        let last = state.last.clone();
        let (after, recovered) = match start {
            Start::After(pos) => {
                if !(pos.is_start() || (pos.epoch == last.epoch && pos.seq <= last.seq)) {
                    return Attached::Again;
                }
                (pos.clone(), Some(Ok(())))
            }
            Start::Last { before, unrecovered } => {
                let Some(after) = state.before_last(join.limit, before.as_deref()) else { return Attached::Again };
                (after, unrecovered.map(Err))
            }
        };
        let joined = frame(last.clone(), last.seq - after.seq, recovered);
        let Some(id) = outbox.subscribe(self.clone(), after, joined) else { return Attached::Closing };
        state.seats.insert(outbox.connection, Seat { outbox: outbox.clone(), id, wants: join.wants });
        outbox.reach(id, &last);
        drop(state);
        // What the ring holds follows at once; the rest is the connection's business.
        self.advance(outbox, id);
        Attached::Yes
    }
}

impl State {
    /// The position before the last `limit` entries, or as many of them as the log still has; `None` where neither the
    /// ring nor what was read of the log says which those are.
    fn before_last(&self, limit: u64, read: Option<&[(u64, Position)]>) -> Option<Position> {
        let wanted = limit.min(self.last.seq);
        if wanted == 0 {
            return Some(self.last.clone());
        }
        let first_seq = self.last.seq + 1 - wanted;
        if let Some(entry) = self.ring.get(first_seq).and_then(|shared| shared.entry()) {
            return Some(entry.before());
        }
        let read = read?;
        let same_log = |(seq, pos): &&(u64, Position)| {
            *seq >= first_seq && *seq <= self.last.seq && (pos.is_start() || pos.epoch == self.last.epoch)
        };
        match read.iter().find(same_log) {
            Some((_, before)) => Some(before.clone()),
            // Retention has left nothing.
            None => read.is_empty().then(|| self.last.clone()),
        }
    }
}
