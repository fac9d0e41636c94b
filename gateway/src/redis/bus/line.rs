//! The subscription at one master: one connection, whose one task reads, writes and notices when it has died.
//!
//! Every question is followed by a numbered PING, so that an error reply, which names no channel, can never be taken
//! for the answer to another question.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use rand::RngExt;
use redis_protocol::{codec::Resp3, resp3::types::BorrowedFrame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, WriteHalf, split},
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tokio_util::codec::Encoder;
use tracing::{debug, info, warn};

use super::{
    Shared,
    parse::{self, Sign},
    register::Question,
};
use crate::redis::{
    RedisError,
    url::HostPort,
    wire::{Socket, Wire, WireError},
};

const CONNECT_WITHIN: Duration = Duration::from_secs(1);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A connection that lived so long was a good one.
const GOOD_AFTER: Duration = Duration::from_secs(1);
/// How often it is looked for what has become due.
const TICK: Duration = Duration::from_millis(100);
/// How often the server is asked for a sign of life.
const PING_EVERY: Duration = Duration::from_millis(500);
/// How long the server may give no sign of life.
const SILENCE: Duration = Duration::from_secs(2);
/// How many questions may be under way.
const QUESTIONS: usize = 32;
/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    pub(super) master: HostPort,
    pub(super) woken: Arc<Notify>,
}

/// A question under way.
struct Asked {
    /// The number of the PING that follows it.
    barrier: u64,
    about: About,
}

enum About {
    /// Channels; how many answers are still to come.
    Subscribe { number: u64, names: Vec<Arc<str>>, left: usize },
    /// Its answer means nothing: what is left is not heard, or belongs elsewhere.
    Unsubscribe,
    /// A sign of life.
    Nothing,
}

impl Line {
    /// Connects, and connects again, until it is dropped.
    pub(super) async fn run(self) {
        let (mut backoff, mut told) = (BACKOFF_MIN, None);
        loop {
            let fault = match self.connect().await {
                Ok(wire) => {
                    let began = Instant::now();
                    let (fault, since) = self.talk(wire, told.is_some()).await;
                    told = None;
                    self.shared.register.lock().disconnected(&self.master, since);
                    if began.elapsed() > GOOD_AFTER {
                        backoff = BACKOFF_MIN;
                    }
                    fault
                }
                Err(fault) => fault,
            };
            // The master may be another by now.
            self.shared.finder.refresh();
            if told.as_ref() != Some(&fault) {
                warn!(master = %self.master, "no subscription at Redis, trying again: {fault}");
                told = Some(fault);
            }
            let wait = backoff.mul_f64(rand::rng().random_range(0.5..1.0));
            sleep(wait).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn connect(&self) -> Result<Wire, WireError> {
        let wire = Wire::connect(&self.master, &self.shared.login, Instant::now() + CONNECT_WITHIN).await?;
        match wire.greeting().role.as_str() {
            "master" => Ok(wire),
            _ => Err(WireError::Reply(format!("{} is a replica at present", self.master))),
        }
    }

    /// Hears until the connection has died, and says of what, and when it last gave a sign of life.
    async fn talk(&self, wire: Wire, is_again: bool) -> (WireError, Instant) {
        let (socket, inbox) = wire.into_parts();
        let (mut reader, mut writer) = split(socket);
        let mut talk = Talk::new(self, inbox);
        let channels = self.shared.register.lock().connected(&self.master);
        if is_again {
            info!(master = %self.master, channels, "connected to Redis again, subscribing");
        }
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_unsent = false;
        loop {
            if let Err(fault) = talk.ask() {
                return (fault, talk.read_at);
            }
            talk.reserve();
            is_unsent |= talk.outbox.has_remaining();
            let step = tokio::select! {
                read = reader.read_buf(&mut talk.inbox) => match read {
                    Ok(0) => Err(WireError::Unreachable("the server closed the connection".to_owned())),
                    Ok(_) => talk.take(),
                    Err(error) => Err(lost(error)),
                },
                written = write_out(&mut writer, &mut talk.outbox), if is_unsent => {
                    is_unsent = false;
                    written.map_err(lost)
                }
                () = self.woken.notified() => {
                    talk.look = true;
                    Ok(())
                }
                _ = tick.tick() => talk.tick(),
            };
            if let Err(fault) = step {
                return (fault, talk.read_at);
            }
        }
    }
}

/// Can be given up and begun again: what was written is no longer in the buffer.
async fn write_out(writer: &mut WriteHalf<Box<dyn Socket>>, outbox: &mut BytesMut) -> io::Result<()> {
    while outbox.has_remaining() {
        writer.write_buf(outbox).await?;
    }
    writer.flush().await
}

fn lost(error: impl ToString) -> WireError {
    WireError::Unreachable(error.to_string())
}

/// One connection's conversation.
struct Talk<'a> {
    line: &'a Line,
    inbox: BytesMut,
    outbox: BytesMut,
    asked: VecDeque<Asked>,
    last_barrier: u64,
    /// When the server last gave a sign of life, when it was last asked for one, and when that was last looked at.
    read_at: Instant,
    pinged_at: Instant,
    ticked_at: Instant,
    /// Whether there may be something to send or to say.
    look: bool,
}

impl<'a> Talk<'a> {
    fn new(line: &'a Line, inbox: BytesMut) -> Self {
        let now = Instant::now();
        Self {
            line,
            inbox,
            outbox: BytesMut::new(),
            asked: VecDeque::new(),
            last_barrier: 0,
            read_at: now,
            pinged_at: now,
            ticked_at: now,
            look: true,
        }
    }

    fn reserve(&mut self) {
        if self.inbox.capacity() - self.inbox.len() < READ_BYTES / 4 {
            self.inbox.reserve(READ_BYTES);
        }
    }

    /// Writes down what is to be sent, and says what may have been missed.
    fn ask(&mut self) -> Result<(), WireError> {
        if !std::mem::take(&mut self.look) {
            return Ok(());
        }
        let Shared { register, ear, .. } = &*self.line.shared;
        let master = &self.line.master;
        if register.lock().is_deaf(master) {
            return Err(WireError::Unreachable("what is published is not heard".to_owned()));
        }
        while self.asked.len() < QUESTIONS {
            let question = register.lock().next(master);
            match question {
                None => break,
                Some(Question::Subscribe { number, names }) => {
                    self.send(b"SSUBSCRIBE", names.iter().map(|name| name.as_bytes()))?;
                    let left = names.len();
                    self.barrier(About::Subscribe { number, names, left })?;
                }
                Some(Question::Unsubscribe { names }) => {
                    self.send(b"SUNSUBSCRIBE", names.iter().map(|name| name.as_bytes()))?;
                    self.barrier(About::Unsubscribe)?;
                }
            }
        }
        let missed = register.lock().take_gap(master);
        if missed {
            ear.missed();
        }
        Ok(())
    }

    fn send<'b>(&mut self, name: &'b [u8], words: impl Iterator<Item = &'b [u8]>) -> Result<(), WireError> {
        let blob = |data| BorrowedFrame::BlobString { data, attributes: None };
        let words: Vec<_> = std::iter::once(name).chain(words).map(blob).collect();
        let command = BorrowedFrame::Array { data: &words, attributes: None };
        Resp3::default().encode(command, &mut self.outbox).map_err(lost)
    }

    fn barrier(&mut self, about: About) -> Result<(), WireError> {
        self.last_barrier += 1;
        let barrier = self.last_barrier;
        self.asked.push_back(Asked { barrier, about });
        self.pinged_at = Instant::now();
        self.send(b"PING", std::iter::once(barrier.to_string().as_bytes()))
    }

    /// Takes what was read, frame by frame.
    fn take(&mut self) -> Result<(), WireError> {
        self.read_at = Instant::now();
        let inbox = std::mem::take(&mut self.inbox);
        let mut taken = 0;
        let outcome = loop {
            match parse::first(&inbox[taken..]) {
                Ok(Some((sign, bytes))) => {
                    taken += bytes;
                    if let Err(fault) = self.hear(sign) {
                        break Err(fault);
                    }
                }
                Ok(None) => break Ok(()),
                Err(parse::Garbled) => break Err(WireError::Broken("what came is no RESP3".to_owned())),
            }
        };
        self.inbox = inbox;
        self.inbox.advance(taken);
        outcome
    }

    fn hear(&mut self, sign: Sign<'_>) -> Result<(), WireError> {
        let Shared { register, ear, probes, finder, .. } = &*self.line.shared;
        match sign {
            Sign::Message { channel, payload } if probes.is_probe(channel) => probes.heard(payload),
            // Copied, because a message that is kept would keep all that was read with it.
            Sign::Message { channel, payload } => ear.heard(channel, Bytes::copy_from_slice(payload)),
            Sign::Subscribed(name) => match self.asked.front_mut() {
                Some(Asked { about: About::Subscribe { number, left, .. }, .. }) if *left > 0 => {
                    *left -= 1;
                    register.lock().confirmed(&self.line.master, *number, &name);
                }
                _ => return Err(out_of_step()),
            },
            Sign::Unsubscribed(name) => {
                if register.lock().unsubscribed(&self.line.master, &name) {
                    debug!(master = %self.line.master, name, "a channel lives elsewhere now");
                    finder.refresh();
                }
            }
            Sign::Error(text) => self.refused(&text)?,
            Sign::Pong(barrier) => match self.asked.pop_front() {
                Some(Asked { about: About::Subscribe { left: 1.., .. }, .. }) => return Err(out_of_step()),
                Some(asked) if asked.barrier == barrier => self.look = true,
                _ => return Err(out_of_step()),
            },
            Sign::Other => {}
        }
        Ok(())
    }

    /// An error reply belongs to the oldest question that has no answer.
    fn refused(&mut self, text: &str) -> Result<(), WireError> {
        let error = WireError::of_reply(text);
        match self.asked.front_mut() {
            Some(Asked { about: About::Subscribe { number, names, left }, .. }) if *left > 0 => {
                *left = 0;
                if let [name] = names.as_slice() {
                    debug!(master = %self.line.master, %name, "not subscribed: {error}");
                }
                let (names, error) = (std::mem::take(names), RedisError::from(error));
                if self.line.shared.register.lock().failed(&self.line.master, *number, names, error) {
                    self.line.shared.finder.refresh();
                }
                Ok(())
            }
            Some(Asked { about: about @ About::Unsubscribe, .. }) => {
                *about = About::Nothing;
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn tick(&mut self) -> Result<(), WireError> {
        let now = Instant::now();
        // Who slept himself has no reason to complain.
        if now - self.ticked_at > SILENCE / 2 {
            self.read_at = now;
        }
        self.ticked_at = now;
        if !self.asked.is_empty() && now - self.read_at > SILENCE {
            return Err(WireError::Unreachable(format!("no sign of life for {} s", SILENCE.as_secs())));
        }
        if self.asked.is_empty() && now - self.pinged_at > PING_EVERY {
            self.barrier(About::Nothing)?;
        }
        self.line.shared.register.lock().tick(&self.line.master);
        self.look = true;
        Ok(())
    }
}

fn out_of_step() -> WireError {
    WireError::Broken("an answer to no question".to_owned())
}
