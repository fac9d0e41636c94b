//! History, members, read markers.

use hubbub_shared::{Position, RoomName, UserId};

use super::allowance::Activity;
use super::{Caller, Right, Rooms};
use crate::broker::{Head, Marker, Page, PageLimit, Range, Reading, Unread};
use crate::fault::Fault;
use crate::ids::Origin;
use crate::presence::MembersPage;

/// A part of a room's log, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// The head of the log.
    pub head: Head,
    /// The entries, oldest first.
    pub page: Page,
    /// Whether it was asked for what comes after a position; else the newest entries of the page are nearest to what
    /// was asked for.
    pub forward: bool,
}

impl HistoryPage {
    /// Whether older entries than those of the page once existed and are gone.
    pub fn trimmed(&self) -> bool {
        self.head.first_seq > 1
    }
}

const OTHER_LOG: &str = "this position belongs to another log of the room; ask without it";

impl Rooms {
    /// A part of a room's log.
    pub async fn history(
        &self,
        caller: &Caller,
        room: &RoomName,
        before: Option<Position>,
        after: Option<Position>,
        limit: Option<u64>,
    ) -> Result<HistoryPage, Fault> {
        let forward = after.is_some();
        let range = match (before, after) {
            (Some(_), Some(_)) => {
                return Err(Fault::BadRequest("give `before` or `after`, not both".to_owned()));
            }
            (Some(before), None) => Range::Before(before),
            (None, Some(after)) => Range::After(after),
            (None, None) => Range::Newest,
        };
        self.require(caller, room, Right::Join).await?;
        self.admit(caller, Activity::Request).await?;
        let most = u64::from(self.wire.history);
        let wanted = limit.unwrap_or(most).min(most) as usize;
        let limit = PageLimit { entries: wanted.max(1), bytes: self.wire.reply_bytes as usize };
        let Reading::Page(mut page) = self.broker.read(room, range, limit).await? else {
            return Err(Fault::Gone(OTHER_LOG));
        };
        if wanted == 0 {
            page.more |= !page.entries.is_empty();
            page.entries.clear();
        }
        Ok(HistoryPage { head: page.head.clone(), page, forward })
    }

    /// A page of a room's members.
    pub async fn members(
        &self,
        caller: &Caller,
        room: &RoomName,
        after: Option<&UserId>,
        limit: Option<u64>,
    ) -> Result<MembersPage, Fault> {
        // So many of the longest ids and names fit into a reply.
        const MEMBERS_MAX: u64 = 250;
        let kind = self.require(caller, room, Right::Join).await?;
        if !kind.presence {
            return Err(Fault::Forbidden("this room does not keep track of who is in it"));
        }
        self.admit(caller, Activity::Request).await?;
        let limit = limit.unwrap_or(100).clamp(1, MEMBERS_MAX);
        Ok(self.presence.members(room, after, limit as usize).await?)
    }

    /// Moves the caller's own read marker forward.
    pub async fn mark_read(
        &self,
        caller: &Caller,
        room: &RoomName,
        pos: &Position,
        origin: Option<Origin>,
    ) -> Result<Marker, Fault> {
        let Some(author) = caller.author() else { return Err(Fault::Forbidden("only users have read markers")) };
        self.require(caller, room, Right::Join).await?;
        self.admit(caller, Activity::Request).await?;
        Ok(self.broker.mark_read(room, &author.user, pos, origin).await?)
    }

    /// What the caller has not read in some rooms.
    pub async fn unread(&self, caller: &Caller, rooms: &[RoomName]) -> Result<Vec<Unread>, Fault> {
        let Some(author) = caller.author() else { return Err(Fault::Forbidden("only users have read markers")) };
        for room in rooms {
            self.require(caller, room, Right::Join).await?;
        }
        self.admit(caller, Activity::Request).await?;
        Ok(self.broker.unread(&author.user, rooms).await?)
    }
}
