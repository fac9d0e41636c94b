//! What a server says in a language without seqs.

use std::time::{Duration, Instant};

use hubbub_shared::server_frame::Joined;

use super::{Client, Stage};
use crate::local::{Known, Local, Ours, Where};
use crate::subscription::State;
use crate::wire::{Incoming, Plain};

impl Client {
    pub(super) fn plain(&mut self, language: Plain, text: &str, local: &mut Local, now: Instant) {
        let Some(incoming) = language.read(text) else {
            return local.tallies.breaches.add("no frame of this language");
        };
        match incoming {
            Incoming::Welcome { connection } if self.stage == Stage::Greeting => {
                self.called = Some(connection.into());
                // Whether somebody silent is still there is for the server to ask.
                self.silence_max = Duration::MAX;
                self.welcome(local, now);
            }
            Incoming::Welcome { .. } => local.tallies.breaches.add("a second welcome"),
            Incoming::Joined { room } => self.is_in(&room, local, now),
            Incoming::Message { room, data } => self.message(text, &room, &data, local, now),
            Incoming::Answer(answer) => self.say_text(answer),
            Incoming::Refused(reason) => local.tallies.errors.add(&reason),
            Incoming::Nothing => {}
        }
    }

    fn is_in(&mut self, room: &str, local: &mut Local, now: Instant) {
        let Some(index) = local.shared.room(room).and_then(|room| self.membership_of(room)) else {
            return local.tallies.breaches.add("joined to another room");
        };
        let subscription = &mut self.memberships[index].subscription;
        if subscription.state() != State::Joining {
            return local.tallies.breaches.add("joined without a join");
        }
        if let Some(at) = self.asked.joined(index) {
            local.latencies.joined.record(now - at);
        }
        subscription.joined(&Joined {
            id: None,
            room: String::new(),
            seq: 0,
            pos: String::new(),
            recovered: None,
            reason: None,
            replayed: 0,
            members: None,
            read: 0,
            unread: 0,
        });
        self.look_around(local, now);
    }

    fn message(&mut self, text: &str, room: &str, data: &str, local: &mut Local, now: Instant) {
        let Some(room) = local.shared.room(room) else {
            return local.tallies.breaches.add("an entry of a room that was never joined");
        };
        let Some(payload) = local.read(Some(data)) else {
            return local.tallies.breaches.add("a message that nobody of this run sent");
        };
        let Some(place) = payload.place else {
            return local.tallies.breaches.add("a message without its number");
        };
        let ours = Some(Ours { message: payload.message, due_us: payload.due_us });
        self.deliver_new(text.as_bytes(), Known { room, ours, place: Where::Numbered(place) }, local, now);
    }
}
