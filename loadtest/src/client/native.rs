//! What the gateway says, in its own language.

use std::time::{Duration, Instant};

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::ClientPong;
use hubbub_shared::error_code::Retry;
use hubbub_shared::server_frame::{
    ErrorFrame, Joined, Reset, ResetReason, Sent, ServerFrame, UnrecoveredReason, Welcome,
};
use rand::RngExt;

use super::sending::AWAY_MAX;
use super::{Client, Request, Stage};
use crate::arrival::{Arrival, Entry};
use crate::local::{Action, Known, Local, Ours, Where};

/// How long to wait before a room is asked for again, where the gateway does not say.
const REJOIN_AFTER: Duration = Duration::from_secs(1);

impl Client {
    pub(super) fn native(&mut self, text: &str, local: &mut Local, now: Instant) {
        let is_here = self.stage == Stage::Here;
        match Arrival::read(text) {
            Ok(Arrival::Entry(_)) if !is_here => local.tallies.breaches.add("an entry before welcome"),
            Ok(Arrival::Entry(entry)) => self.entry(text, &entry, local, now),
            Ok(Arrival::Sent(sent)) if is_here => self.sent(&sent, local, now),
            Ok(Arrival::Sent(_)) => local.tallies.breaches.add("sent before welcome"),
            Ok(Arrival::Frame(frame)) => self.any(*frame, local, now),
            Err(_) => local.tallies.breaches.add("no frame of this language"),
        }
    }

    fn entry(&mut self, text: &str, entry: &Entry<'_>, local: &mut Local, now: Instant) {
        let Some(room) = local.shared.room(&entry.room) else {
            return local.tallies.breaches.add("an entry of a room that was never joined");
        };
        let ours = local.read(entry.data.as_deref());
        let ours = ours.map(|payload| Ours { message: payload.message, due_us: payload.due_us });
        local.ledger(room).arrived(entry.seq, &entry.pos, ours.map(|ours| ours.message));
        let place = Where::Log { seq: entry.seq, pos: (&*entry.pos).into() };
        self.deliver_new(text.as_bytes(), Known { room, ours, place }, local, now);
    }

    fn any(&mut self, frame: ServerFrame, local: &mut Local, now: Instant) {
        match (frame, self.stage == Stage::Here) {
            (ServerFrame::Welcome(welcome), false) => self.welcomed(&welcome, local, now),
            (ServerFrame::Error(error), _) => self.error(&error, local, now),
            (frame, true) => self.frame_of(frame, local, now),
            (frame, false) => local.tallies.breaches.add(&format!("{} before welcome", frame.kind())),
        }
    }

    fn welcomed(&mut self, welcome: &Welcome, local: &mut Local, now: Instant) {
        self.called = Some(welcome.connection.as_str().into());
        if let Some(secret) = welcome.session.as_ref().and_then(|session| session.secret.as_deref()) {
            self.session = Some(secret.into());
        }
        if local.shared.plan.presence {
            self.user = Some(welcome.user.id.as_str().into());
        }
        // The gateway pings when it has sent nothing for one heartbeat.
        self.silence_max = Duration::from_millis(welcome.heartbeat_ms.saturating_mul(5) / 2);
        self.welcome(local, now);
    }

    fn frame_of(&mut self, frame: ServerFrame, local: &mut Local, now: Instant) {
        let breaches = &mut local.tallies.breaches;
        match frame {
            ServerFrame::Joined(joined) => match self.asked.answered(joined.id) {
                Some(Request::Join { subscription, at }) => self.joined(&joined, subscription, at, local, now),
                Some(_) | None => breaches.add("joined without a join"),
            },
            ServerFrame::Left(left) => match self.asked.answered(left.id) {
                Some(Request::Leave { subscription }) => {
                    self.memberships[subscription].subscription.interrupt();
                    if !self.has_left {
                        let back = now + AWAY_MAX.mul_f64(self.random.random());
                        self.set(Action::Rejoin { subscription: subscription as u32 }, back, local);
                    }
                }
                Some(_) | None => breaches.add("left without a leave"),
            },
            ServerFrame::Members(members) => match self.asked.answered(members.id) {
                Some(Request::Members { subscription }) => self.members(members, subscription, local),
                Some(_) | None => breaches.add("members without a request"),
            },
            ServerFrame::Presence(presence) => self.presence(&presence, local),
            ServerFrame::Reset(reset) => self.reset(&reset, local),
            ServerFrame::Removed(removed) => {
                local.tallies.notices.add("removed");
                match local.shared.room(&removed.room).and_then(|room| self.membership_of(room)) {
                    Some(index) => {
                        self.memberships[index].subscription.end();
                        self.look_around(local, now);
                    }
                    None => local.tallies.breaches.add("removed from a room that was never joined"),
                }
            }
            ServerFrame::Ping(_) => self.say(&ClientFrame::Pong(ClientPong::default())),
            ServerFrame::Draining(draining) => {
                local.tallies.notices.add("draining");
                let within = Duration::from_millis(draining.reconnect_within_ms);
                let at = now + within.mul_f64(self.random.random());
                self.set(Action::Move, at, local);
            }
            ServerFrame::Degraded(_) => local.tallies.notices.add("degraded"),
            ServerFrame::Restored(_) => local.tallies.notices.add("restored"),
            // Not asked for, and harmless.
            ServerFrame::Signal(_) | ServerFrame::Receipt(_) => {}
            other @ (ServerFrame::Welcome(_)
            | ServerFrame::Refreshed(_)
            | ServerFrame::Done(_)
            | ServerFrame::Unread(_)
            | ServerFrame::History(_)
            | ServerFrame::Pong(_)) => breaches.add(&format!("{} without a request", other.kind())),
            // These are told apart before.
            ServerFrame::Message(_)
            | ServerFrame::Edit(_)
            | ServerFrame::Delete(_)
            | ServerFrame::Reaction(_)
            | ServerFrame::Sent(_)
            | ServerFrame::Error(_) => {}
        }
    }

    fn joined(&mut self, joined: &Joined, subscription: usize, at: Instant, local: &mut Local, now: Instant) {
        local.latencies.joined.record(now - at);
        let each = &mut self.memberships[subscription];
        each.subscription.joined(joined);
        if joined.reason == Some(UnrecoveredReason::Reset) {
            local.fork(each.room);
        }
        if self.has_left {
            self.leave_for_good(local);
        } else if self.watch.is_some() {
            self.ask_for_members(subscription, None, local);
        }
        self.look_around(local, now);
    }

    fn sent(&mut self, sent: &Sent, local: &mut Local, now: Instant) {
        let Some(Request::Send { subscription, message, due, turn }) = self.asked.answered(sent.id) else {
            return local.tallies.breaches.add("sent without a send");
        };
        if let Some(due) = due {
            local.latencies.acknowledged.record(now.saturating_duration_since(due));
        }
        if sent.duplicate {
            local.tallies.duplicates += 1;
        }
        let each = &mut self.memberships[subscription];
        let room = each.room;
        if let Some(turn) = turn
            && !local.shared.plan.echo
            && !sent.duplicate
            && each.subscription.sent_in_place(turn, sent.seq, &sent.pos).is_some()
        {
            local.tallies.deliveries += 1;
            local.delivered_at = Some(now);
        }
        local.ledger(room).acknowledged(sent.seq, &sent.pos, message);
        local.shared.rooms[room as usize].acknowledged(sent.seq);
    }

    fn reset(&mut self, reset: &Reset, local: &mut Local) {
        let Some(index) = local.shared.room(&reset.room).and_then(|room| self.membership_of(room)) else {
            return local.tallies.breaches.add("a reset of a room that was never joined");
        };
        let each = &mut self.memberships[index];
        each.subscription.reset(reset.seq, &reset.pos, reset.reason);
        if reset.reason == ResetReason::Reset {
            local.fork(each.room);
        }
    }

    fn error(&mut self, error: &ErrorFrame, local: &mut Local, now: Instant) {
        local.tallies.errors.add(error.code.as_str());
        self.not_before = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
        if self.stage != Stage::Here {
            return;
        }
        match self.asked.answered(error.id) {
            Some(Request::Send { .. }) => local.tallies.refused += 1,
            Some(Request::Join { subscription, .. }) => {
                let each = &mut self.memberships[subscription].subscription;
                if error.code.retry() == Retry::Later {
                    each.join_refused();
                    let at = now + self.not_before.max(REJOIN_AFTER);
                    self.set(Action::Rejoin { subscription: subscription as u32 }, at, local);
                } else {
                    each.end();
                    self.look_around(local, now);
                }
            }
            // Still in the room, then.
            Some(Request::Leave { subscription }) => {
                self.memberships[subscription].subscription.end();
                local.tallies.breaches.add("leave was refused");
            }
            Some(Request::Members { .. }) => local.tallies.breaches.add("members were refused"),
            None if error.id.is_some() => local.tallies.breaches.add("an error without a request"),
            None => {}
        }
    }
}
