//! From what the socket has to what it means.

use std::time::Instant;

use super::{Client, Stage};
use crate::connection::{self, Ending, READ_BYTES};
use crate::local::{Known, Local, Ours, Where};
use crate::subscription::Fit;
use crate::websocket::frame::{self, Frame, Opcode, PAYLOAD_BYTES_MAX};
use crate::websocket::upgrade;

/// What the socket is ready for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Nothing comes behind what there is to read.
    pub(crate) is_over: bool,
}

impl Client {
    /// The socket is ready for something.
    pub(crate) fn ready(&mut self, ready: Ready, local: &mut Local, buffer: &mut Vec<u8>) {
        if ready.writable && self.stage == Stage::Connecting {
            self.look_whether_connected(local);
        } else if ready.writable
            && let Some(connection) = self.connection.as_mut()
        {
            let was_full = connection.is_full();
            connection.flush();
            if was_full {
                self.send_what_is_due(local, Instant::now());
            }
        }
        if (ready.readable || ready.is_over) && !self.is_paused && self.stage != Stage::Connecting {
            self.read(ready.is_over, local, buffer);
        }
    }

    fn look_whether_connected(&mut self, local: &mut Local) {
        let now = Instant::now();
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        match connection.is_connected() {
            Ok(true) => {
                local.latencies.tcp_connected.record(now - self.heard);
                connection.queue_bytes(&local.shared.target(self.number).0.request);
                connection.flush();
                (self.stage, self.heard) = (Stage::Upgrading, now);
            }
            Ok(false) => {}
            Err(error) => self.fail(&connection::failure(&error), local, now),
        }
    }

    /// Reads once, and again while the buffer was filled, or to the end if that is near.
    pub(super) fn read(&mut self, to_the_end: bool, local: &mut Local, buffer: &mut Vec<u8>) {
        while let Some(connection) = self.connection.as_mut() {
            let filled = connection.read(buffer);
            let now = Instant::now();
            let connections = self.connections;
            if filled.new > 0 {
                let used = self.take(&buffer[..filled.bytes], local, now);
                match self.connection.as_mut() {
                    Some(connection) if self.connections == connections => {
                        connection.keep(&buffer[used..filled.bytes]);
                        connection.flush();
                    }
                    // What it said last has ended it.
                    Some(_) | None => return,
                }
            }
            if filled.is_over {
                return self.ended(&Ending::Lost, local, now);
            }
            if filled.new == 0 || filled.new < READ_BYTES && !to_the_end {
                return;
            }
        }
    }

    /// Takes what came as far as it is complete. Answers how many bytes that was.
    fn take(&mut self, bytes: &[u8], local: &mut Local, now: Instant) -> usize {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            match upgrade::answer(bytes) {
                Ok(None) => return 0,
                Ok(Some(length)) => used = length,
                Err(error) => {
                    self.fail(&error.to_string(), local, now);
                    return bytes.len();
                }
            }
            local.latencies.upgraded.record(now - self.heard);
            (self.stage, self.heard) = (Stage::Greeting, now);
            self.greet(local);
        }
        let connections = self.connections;
        while self.connections == connections {
            let rest = &bytes[used..];
            match frame::read(rest) {
                Ok(Some(frame)) => {
                    used += frame.payload.end;
                    self.frame(&frame, rest, local, now);
                }
                Ok(None) => break,
                Err(error) => {
                    local.tallies.breaches.add(&error.to_string());
                    self.ended(&Ending::Closed(1002), local, now);
                }
            }
        }
        if self.stage == Stage::Here {
            self.heard = now;
        }
        used
    }

    fn frame(&mut self, frame: &Frame, bytes: &[u8], local: &mut Local, now: Instant) {
        let payload = &bytes[frame.payload.clone()];
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        match frame.opcode {
            Opcode::Text if frame.is_last && connection.message.is_empty() => self.text(payload, local, now),
            Opcode::Text | Opcode::Continuation => {
                connection.message.extend_from_slice(payload);
                if connection.message.len() > PAYLOAD_BYTES_MAX {
                    local.tallies.breaches.add("a message that is too long");
                    self.ended(&Ending::Closed(1009), local, now);
                } else if frame.is_last {
                    let message = std::mem::take(&mut connection.message);
                    self.text(&message, local, now);
                }
            }
            Opcode::Binary => local.tallies.breaches.add("a binary frame"),
            Opcode::Ping => connection.queue(Opcode::Pong, payload),
            Opcode::Pong => {}
            Opcode::Close => {
                let code = match payload {
                    [high, low, ..] => u16::from_be_bytes([*high, *low]),
                    _ => 1005,
                };
                connection.queue(Opcode::Close, payload);
                connection.flush();
                self.ended(&Ending::Closed(code), local, now);
            }
        }
    }

    fn text(&mut self, bytes: &[u8], local: &mut Local, now: Instant) {
        match self.stage {
            Stage::Greeting | Stage::Here => {}
            _ => return,
        }
        if let Some(known) = local.recent.find(bytes)
            && let Some(delivery) = self.deliver(known)
        {
            return self.delivered(delivery, local, now);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return local.tallies.breaches.add("a text frame that is no UTF-8");
        };
        match local.shared.plan.language.plain() {
            None => self.native(text, local, now),
            Some(language) => self.plain(language, text, local, now),
        }
    }

    /// A frame came that nobody of this thread has been given lately.
    pub(super) fn deliver_new(&mut self, bytes: &[u8], known: Known, local: &mut Local, now: Instant) {
        let Some(delivery) = self.deliver(&known) else {
            return local.tallies.breaches.add("an entry of a room that was never joined");
        };
        local.recent.remember(bytes, known);
        self.delivered(delivery, local, now);
    }

    /// Notes an entry in its subscription.
    fn deliver(&mut self, known: &Known) -> Option<Delivery> {
        let index = self.membership_of(known.room)?;
        let each = &mut self.memberships[index];
        let (is_due, fits) = match (&known.place, each.numbers.as_mut()) {
            (Where::Log { seq, pos }, _) => {
                let is_due = !(each.is_excused && each.subscription.is_replaying());
                let fit = each.subscription.entry(*seq, pos);
                let is_heard = known.ours.is_some() && !matches!(fit, Fit::Doubled | Fit::Outside);
                each.heard += u32::from(is_heard);
                (is_due, fit != Fit::Doubled)
            }
            (Where::Numbered(place), Some(numbers)) => (true, numbers.arrived(*place)),
            (Where::Numbered(_), None) => return None,
        };
        Some(Delivery { ours: known.ours, is_timed: is_due && fits && !self.reads_slowly })
    }

    fn delivered(&mut self, delivery: Delivery, local: &mut Local, now: Instant) {
        local.tallies.deliveries += 1;
        local.delivered_at = Some(now);
        if delivery.is_timed {
            local.delivered(delivery.ours, now);
        }
        if self.is_returning {
            self.look_whether_back(local, now);
        }
    }

    /// The own membership of a room of the run.
    pub(super) fn membership_of(&self, room: u32) -> Option<usize> {
        match &*self.memberships {
            [only] => (only.room == room).then_some(0),
            many => many.binary_search_by_key(&room, |each| each.room).ok(),
        }
    }
}

/// What is to be counted of an entry.
#[derive(Debug, Clone, Copy)]
struct Delivery {
    ours: Option<Ours>,
    is_timed: bool,
}

#[cfg(test)]
mod tests;
