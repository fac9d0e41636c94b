//! How a subscription begins: where it starts, whom it makes a member, and the `joined` before anything else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hubbub_shared::server_frame::UnrecoveredReason;
use hubbub_shared::{Position, RoomName};
use thiserror::Error;

use super::Hub;
use super::outbox::Outbox;
use super::room::{Phase, Room, Seat};
use super::subscription::Wants;
use crate::broker::{BrokerError, PageLimit, Range, Reading};
use crate::presence::PresenceError;

/// A page that is read to find where a replay starts.
const PAGE: PageLimit = PageLimit { entries: 500, bytes: 512 * 1024 };
/// How long a client that is ahead of this replica waits for the replica to reach it.
const REACH: Duration = Duration::from_secs(2);

/// What a client asked for.
#[derive(Debug, Clone)]
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
    /// With the last entries; the position before each that was read from the log, oldest first.
    Last { before: Vec<(u64, Position)>, unrecovered: Option<UnrecoveredReason> },
}

/// Whether a subscription was made.
enum Attached {
    Yes,
    /// The room was closed or its log replaced meanwhile.
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
                Attached::Again => {}
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
        let one = PageLimit { entries: 1, bytes: 1 };
        let unrecovered = match self.read(room, Range::After(since.clone()), one).await? {
            Reading::Page(page) if !page.gap => {
                self.reach(room, since).await?;
                return Ok(Start::After(since.clone()));
            }
            Reading::Page(_) => UnrecoveredReason::Trimmed,
            Reading::OtherLog(_) => UnrecoveredReason::Reset,
        };
        self.find_last(room, join.limit, Some(unrecovered)).await
    }

    /// Waits until the room has reached a position that the log has proven: the client may come from a replica that
    /// heard of it earlier.
    async fn reach(self: &Arc<Self>, room: &Arc<Room>, pos: &Position) -> Result<(), BrokerError> {
        let reached = async {
            loop {
                let moved = room.moved.notified();
                {
                    let last = &room.state.lock().last;
                    if pos.is_start() || (last.epoch == pos.epoch && last.seq >= pos.seq) {
                        return;
                    }
                }
                if room.suspect(pos.seq) {
                    self.spawn_catch_up(room);
                }
                moved.await;
            }
        };
        tokio::time::timeout(REACH, reached).await.map_err(|_| BrokerError::Unavailable)
    }

    /// Reads back until the last `limit` entries are covered, unless the ring covers them.
    async fn find_last(
        &self,
        room: &Room,
        limit: u64,
        unrecovered: Option<UnrecoveredReason>,
    ) -> Result<Start, BrokerError> {
        let mut before = Vec::new();
        let covered = {
            let state = room.state.lock();
            let wanted = limit.min(state.last.seq);
            wanted == 0 || state.ring.get(state.last.seq + 1 - wanted).is_some()
        };
        if !covered {
            let mut range = Range::Newest;
            while (before.len() as u64) < limit {
                let Reading::Page(page) = self.read(room, range, PAGE).await? else { break };
                let Some(oldest) = page.entries.first() else { break };
                range = Range::Before(oldest.pos.clone());
                let older = page.entries.iter().map(|entry| (entry.pos.seq, entry.before()));
                before.splice(0..0, older);
                if !page.more {
                    break;
                }
            }
        }
        Ok(Start::Last { before, unrecovered })
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
                let first_seq = last.seq + 1 - join.limit.min(last.seq);
                let from_ring = state.ring.get(first_seq).and_then(|shared| shared.entry()).map(|entry| entry.before());
                let from_log = || {
                    let same_log = |(seq, pos): &&(u64, Position)| {
                        *seq >= first_seq && *seq <= last.seq && (pos.is_start() || pos.epoch == last.epoch)
                    };
                    before.iter().find(same_log).map(|(_, pos)| pos.clone())
                };
                (from_ring.or_else(from_log).unwrap_or_else(|| last.clone()), unrecovered.map(Err))
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
