//! Who a client is told is in its room.

use std::collections::BTreeSet;

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::MembersRequest;
use hubbub_shared::server_frame::{Members, Presence};

use super::{Client, Request};
use crate::local::Local;
use crate::phase::Phase;

/// As many members as the gateway gives at once.
const PAGE: u64 = 250;

/// Who one client was told is in its room.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    room: u32,
    users: BTreeSet<String>,
    /// What the last frame said of their number.
    count: u64,
}

/// Who one client was told is in its room, in the end.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) room: u32,
    pub(crate) users: BTreeSet<String>,
    pub(crate) count: u64,
}

impl Watch {
    pub(super) fn into_told(self) -> Told {
        Told { room: self.room, users: self.users, count: self.count }
    }
}

impl Client {
    pub(super) fn ask_for_members(&mut self, subscription: usize, after: Option<String>, local: &Local) {
        let id = self.asked.ask(Request::Members { subscription });
        let room = local.shared.plan.room(self.memberships[subscription].room as usize);
        self.say(&ClientFrame::Members(MembersRequest { id: Some(id), room, limit: Some(PAGE), after: after.clone() }));
        if after.is_none()
            && let Some(watch) = self.watch.as_mut()
        {
            watch.users.clear();
        }
    }

    pub(super) fn members(&mut self, page: Members, subscription: usize, local: &Local) {
        let Some(watch) = self.watch.as_mut() else {
            return;
        };
        watch.room = self.memberships[subscription].room;
        watch.count = page.count;
        watch.users.extend(page.members.into_iter().map(|member| member.user));
        if page.next.is_some() {
            self.ask_for_members(subscription, page.next, local);
        }
    }

    pub(super) fn presence(&mut self, presence: &Presence, local: &mut Local) {
        if local.shared.current.get().phase == Phase::Stop {
            // Everybody is saying goodbye, those of other threads perhaps before this one has heard of the end.
            return;
        }
        let index = local.shared.room(&presence.room).and_then(|room| self.membership_of(room));
        let (Some(index), Some(watch)) = (index, self.watch.as_mut()) else {
            return local.tallies.breaches.add("presence that nobody asked for");
        };
        watch.count = presence.count;
        watch.users.extend(presence.joined.iter().map(|user| user.user.clone()));
        for user in &presence.left {
            watch.users.remove(user);
        }
        if presence.resync {
            self.ask_for_members(index, None, local);
        }
    }
}
