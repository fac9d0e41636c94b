//! What a client says, and when.

use std::time::{Duration, Instant};

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::{ClientInfo, Guest, Hello, Join, Leave, Send};
use rand::RngExt;

use super::{After, Client, Request, Stage};
use crate::local::{Action, Local};
use crate::payload::{Payload, Place};
use crate::subscription::State;
use crate::websocket::frame::Opcode;

/// The longest that a churning client stays away.
pub(super) const AWAY_MAX: Duration = Duration::from_secs(1);
/// How long a client that is about to disconnect waits for a message to send, so that its answer is still owed then.
const PART_WITHIN: Duration = Duration::from_millis(500);

impl Client {
    pub(super) fn say(&mut self, frame: &ClientFrame) {
        self.say_text(&frame.encode());
    }

    pub(super) fn say_text(&mut self, text: &str) {
        if let Some(connection) = self.connection.as_mut() {
            connection.queue(Opcode::Text, text.as_bytes());
        }
    }

    /// Says the first word, where that is the client's to say.
    pub(super) fn greet(&mut self, local: &Local) {
        let plan = &local.shared.plan;
        if plan.language.plain().is_some() {
            return;
        }
        let token = (!plan.tokens.is_empty()).then(|| plan.tokens[self.number % plan.tokens.len()].clone());
        let guest = || Guest { name: Some(format!("load {}", self.number)) };
        let hello = Hello {
            id: Some(0),
            guest: (token.is_none() && self.session.is_none()).then(guest),
            session: self.session.as_deref().filter(|_| token.is_none()).map(str::to_owned),
            token,
            client: Some(ClientInfo {
                name: Some(env!("CARGO_PKG_NAME").to_owned()),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            replaces: self.called.as_deref().map(str::to_owned),
        };
        self.say(&ClientFrame::Hello(hello));
    }

    pub(super) fn join(&mut self, subscription: usize, local: &Local, now: Instant) {
        let plan = &local.shared.plan;
        let each = &mut self.memberships[subscription];
        let since = each.subscription.join().map(|pos| pos.to_string());
        let room = plan.room(each.room as usize);
        let id = self.asked.ask(Request::Join { subscription, at: now });
        match plan.language.plain() {
            Some(language) => {
                let join = language.join(plan, &room, self.called.as_deref().unwrap_or_default());
                self.say_text(&join);
            }
            None => {
                let presence = self.watch.is_some();
                self.say(&ClientFrame::Join(Join { id: Some(id), room, since, presence, ..Join::default() }));
            }
        }
    }

    /// When the next message is due, if any is before the sending ends.
    pub(super) fn due(&self, local: &Local) -> Option<Instant> {
        local.shared.due(self.next)
    }

    /// Sends what is due by now, as far as the connection takes it.
    pub(crate) fn send_what_is_due(&mut self, local: &mut Local, now: Instant) {
        let mut has_sent = false;
        while self.stage == Stage::Here
            && local.turn.phase.sends()
            && self.connection.as_ref().is_some_and(|connection| !connection.is_full())
            && let Some(at) = self.due(local)
            && at <= now
        {
            has_sent = true;
            let (message, senders) = (self.next, local.shared.plan.senders as u64);
            self.next += senders;
            local.tallies.sent += 1;
            if at >= self.since {
                // Of who was away, the absence held it back, and not this program.
                local.latencies.held_back.record(now - at);
            }
            let due = Some(at).filter(|at| self.is_timed(*at));
            self.send(message, (message / senders) as usize % self.memberships.len(), due, local);
        }
        if has_sent {
            self.flush();
            if self.is_parting {
                self.part(local, now);
            }
        }
    }

    /// Whether what was due then is timed: who was away as the scenario wanted sends it late through no fault of the gateway.
    pub(super) fn is_timed(&self, due: Instant) -> bool {
        due >= self.excused_until
    }

    pub(super) fn send(&mut self, message: u64, subscription: usize, due: Option<Instant>, local: &Local) {
        let shared = &local.shared;
        let plan = &shared.plan;
        let each = &mut self.memberships[subscription];
        let room = plan.room(each.room as usize);
        let due_us = due.map(|due| shared.clock.unix_us(due));
        let payload = Payload { run: &plan.run, message, due_us, place: None };
        if let Some(language) = plan.language.plain() {
            let nth = shared.rooms[each.room as usize].number();
            let place = Some(Place { nth, after: each.last_own });
            (each.own, each.last_own) = (each.own + 1, Some(nth));
            let text = language.send(&room, &Payload { place, ..payload }.json(plan.payload_bytes));
            return self.say_text(&text);
        }
        // It is of our own making, so it is JSON.
        let Ok(data) = payload.data(plan.payload_bytes) else {
            return;
        };
        let turn = each.subscription.turn();
        let id = self.asked.ask(Request::Send { subscription, message, due, turn });
        let key = Some(format!("{}-{message}", plan.run));
        self.say(&ClientFrame::Send(Send { id: Some(id), room, key, data, echo: plan.echo }));
    }

    /// Leaves a room to come back to it, or makes up its mind to go away altogether.
    pub(super) fn churn(&mut self, local: &mut Local, now: Instant) {
        if self.stage != Stage::Here {
            return;
        }
        local.tallies.churned += 1;
        if self.random.random() {
            self.is_parting = true;
            return self.set(Action::Part, now + PART_WITHIN, local);
        }
        let subscription = self.random.random_range(0..self.memberships.len());
        self.leave(subscription, local);
        self.look_around(local, now);
        self.set_churn(local, now);
    }

    fn leave(&mut self, subscription: usize, local: &Local) {
        let each = &mut self.memberships[subscription];
        if each.subscription.state() == State::Joined {
            each.subscription.leave();
            each.is_excused = true;
            let room = local.shared.plan.room(each.room as usize);
            let id = self.asked.ask(Request::Leave { subscription });
            self.say(&ClientFrame::Leave(Leave { id: Some(id), room }));
            self.flush();
        }
    }

    pub(super) fn leave_for_good(&mut self, local: &Local) {
        for subscription in 0..self.memberships.len() {
            self.leave(subscription, local);
        }
    }

    /// Goes away for a while, half of the times without a word.
    pub(super) fn part(&mut self, local: &mut Local, now: Instant) {
        let time = AWAY_MAX.mul_f64(self.random.random());
        self.is_excused = true;
        if self.random.random() {
            self.say_goodbye(After::Return(time), local, now);
        } else {
            self.flush();
            self.drop_connection(local);
            self.set(Action::Connect, now + time, local);
        }
    }
}
