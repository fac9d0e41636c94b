//! One connection of a player, from its welcome to its end.

use std::time::Duration;

use hubbub_shared::ClientFrame;
use hubbub_shared::client_frame::{ClientPong, Join, Leave, Send};
use hubbub_shared::error_code::Retry;
use hubbub_shared::server_frame::{ErrorFrame, Reset, ResetReason, Sent, ServerFrame, UnrecoveredReason, Welcome};
use rand::RngExt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::asked::{Asked, Request};
use super::{Membership, Player, Unanswered, is_settled, sleep_through};
use crate::arrival::{Arrival, Entry};
use crate::payload::Payload;
use crate::run::Phase;
use crate::socket::{Event, Socket};
use crate::subscription::{Fit, State};

/// The longest that a churning player stays away.
const AWAY_MAX: Duration = Duration::from_secs(1);
/// How long a player that is about to disconnect waits for a message to send, so that its answer is still owed then.
const PART_WITHIN: Duration = Duration::from_millis(500);
/// How long to wait before a room is asked for again, where the gateway does not say.
const REJOIN_AFTER: Duration = Duration::from_secs(1);

/// Why a player no longer has this connection.
#[derive(Debug)]
pub(super) enum Departure {
    /// The run is over.
    Over,
    /// By its own choice, for a while.
    Away { time: Duration, politely: bool },
    /// By the gateway or the network.
    ComeBack { not_before: Duration },
    /// For good.
    StayAway,
}

/// One connection.
pub(super) struct Stay<'a> {
    player: &'a mut Player,
    asked: Asked,
    since: Instant,
    /// Rooms that will be joined again, and when.
    rejoins: Vec<(Instant, usize)>,
    churn_at: Option<Instant>,
    /// It disconnects with the next message, or then at the latest.
    part_by: Option<Instant>,
    /// The replica is about to stop; when to go.
    go_at: Option<Instant>,
    /// A gateway that says nothing for longer is gone.
    silence_max: Duration,
    heard: Instant,
    /// When to look for silence again.
    listen_at: Instant,
    /// What the last error said of when to come back.
    not_before: Duration,
}

impl<'a> Stay<'a> {
    pub(super) fn new(player: &'a mut Player, welcome: &Welcome) -> Self {
        let now = Instant::now();
        // The gateway pings when it has sent nothing for one heartbeat.
        let silence_max = Duration::from_millis(welcome.heartbeat_ms.saturating_mul(5) / 2);
        Self {
            player,
            asked: Asked::default(),
            since: now,
            rejoins: Vec::new(),
            churn_at: None,
            part_by: None,
            go_at: None,
            silence_max,
            heard: now,
            listen_at: now + silence_max,
            not_before: Duration::ZERO,
        }
    }

    /// Stays as long as it goes well.
    pub(super) async fn run(mut self, mut socket: Socket) -> Departure {
        self.arrive(&mut socket);
        let departure = self.stay(&mut socket).await;
        self.player.unanswered.extend(std::mem::take(&mut self.asked).into_messages());
        match departure {
            Departure::Over | Departure::Away { politely: true, .. } => socket.close().await,
            Departure::Away { politely: false, .. } => socket.flush().await,
            Departure::ComeBack { .. } | Departure::StayAway => {}
        }
        departure
    }

    /// Takes up where the last connection ended.
    fn arrive(&mut self, socket: &mut Socket) {
        for subscription in 0..self.player.memberships.len() {
            if self.player.memberships[subscription].subscription.state() == State::Absent {
                self.join(socket, subscription);
            }
        }
        for Unanswered { message, subscription } in std::mem::take(&mut self.player.unanswered) {
            self.player.shared.tallies.sent_again.add(1);
            self.send(socket, message, subscription, None);
        }
    }

    async fn stay(&mut self, socket: &mut Socket) -> Departure {
        let mut phase = *self.player.phase.borrow_and_update();
        let mut timer = Box::pin(sleep_until(self.listen_at));
        loop {
            if phase == Phase::Stop {
                return Departure::Over;
            }
            if phase == Phase::Send && self.is_to_be_slow() {
                self.player.was_slow = true;
                let slow_for = self.player.shared.plan.slow_for;
                sleep_through(&mut self.player.phase, slow_for).await;
                self.heard = Instant::now();
            }
            self.tell_what_is_done(phase);
            self.set(&mut timer, phase, socket.is_full());
            tokio::select! {
                biased;
                () = timer.as_mut() => {
                    if let Some(departure) = self.act(socket, phase) {
                        return departure;
                    }
                }
                changed = self.player.phase.changed() => {
                    phase = if changed.is_ok() { *self.player.phase.borrow_and_update() } else { Phase::Stop };
                }
                event = socket.next() => {
                    let text = match event {
                        Event::Frame(text) => text,
                        Event::Binary => {
                            self.breach("a binary frame");
                            continue;
                        }
                        Event::Writable => continue,
                        Event::Ended(ending) => return self.player.ended(&ending, self.not_before),
                    };
                    self.heard = Instant::now();
                    self.handle(socket, &text);
                }
            }
        }
    }

    fn is_to_be_slow(&self) -> bool {
        !self.player.was_slow && self.player.shared.plan.reads_slowly(self.player.number)
    }

    /// Tells the run which phases this player is done with.
    fn tell_what_is_done(&mut self, phase: Phase) {
        if self.player.done >= Some(phase) || phase == Phase::Send {
            return;
        }
        let settled = self.player.memberships.iter().all(|each| is_settled(&each.subscription));
        let done = settled
            && match phase {
                Phase::Connect => true,
                Phase::Send | Phase::Hold | Phase::Stop => false,
                Phase::Answer => self.asked.is_empty() && self.send_at().is_none(),
                Phase::CatchUp => self.player.memberships.iter().all(|Membership { room, subscription }| {
                    let newest = self.player.shared.rooms[*room].ledger.lock().newest_acknowledged();
                    !subscription.is_owed_the_rest() || subscription.seq() >= newest
                }),
            };
        if done {
            self.player.report(phase);
        }
    }

    /// When the next message is due, if any is before the sending ends.
    fn send_at(&self) -> Option<Instant> {
        let (_, due) = self.player.share.peek()?;
        let at = *self.player.shared.started.get()? + due;
        self.player.shared.ended.get().is_none_or(|ended| at < *ended).then_some(at)
    }

    /// Sets the timer to the next thing to do. A full queue is not waited for here: the socket tells when it has room.
    fn set(&mut self, timer: &mut std::pin::Pin<Box<Sleep>>, phase: Phase, full: bool) {
        let churns = phase == Phase::Send && self.player.shared.plan.churns(self.player.number);
        if !churns {
            self.churn_at = None;
        } else if self.churn_at.is_none() && self.part_by.is_none() {
            self.churn_at = Some(Instant::now() + self.until_churn());
        }
        let send_at = if sends(phase) && !full { self.send_at() } else { None };
        let rejoin_at = self.rejoins.iter().map(|(at, _)| *at).min();
        let at = [send_at, rejoin_at, self.churn_at, self.part_by, self.go_at]
            .into_iter()
            .flatten()
            .fold(self.listen_at, Instant::min);
        if timer.deadline() != at || timer.is_elapsed() {
            timer.as_mut().reset(at);
        }
    }

    /// Exponentially distributed, so that nobody can guess it.
    fn until_churn(&mut self) -> Duration {
        let chance: f64 = self.player.random.random();
        self.player.shared.plan.churn_every.mul_f64(-(1.0 - chance).ln())
    }

    /// Does all that is due.
    fn act(&mut self, socket: &mut Socket, phase: Phase) -> Option<Departure> {
        let now = Instant::now();
        if self.listen_at <= now {
            self.listen_at = self.heard + self.silence_max;
            if self.listen_at <= now {
                self.player.shared.tallies.closes.add("left, because the gateway fell silent");
                return Some(Departure::ComeBack { not_before: Duration::ZERO });
            }
        }
        if self.go_at.is_some_and(|at| at <= now) {
            return Some(Departure::Away { time: Duration::ZERO, politely: true });
        }
        let due: Vec<usize> = self.rejoins.extract_if(.., |(at, _)| *at <= now).map(|(_, each)| each).collect();
        for subscription in due {
            self.join(socket, subscription);
        }
        let has_sent = sends(phase) && self.send_what_is_due(socket, now);
        if self.part_by.is_some_and(|at| at <= now || has_sent) {
            let time = AWAY_MAX.mul_f64(self.player.random.random());
            return Some(Departure::Away { time, politely: self.player.random.random() });
        }
        if self.churn_at.is_some_and(|at| at <= now) {
            self.churn_at = None;
            self.churn(socket, now);
        }
        None
    }

    /// Answers whether anything was.
    fn send_what_is_due(&mut self, socket: &mut Socket, now: Instant) -> bool {
        let mut has_sent = false;
        while let (Some(at), Some((message, due))) = (self.send_at(), self.player.share.peek()) {
            if at > now || socket.is_full() {
                break;
            }
            has_sent = true;
            let turn = self.player.share.turn() as usize;
            self.player.share.advance();
            self.player.shared.tallies.sent.add(1);
            // Who was away when the message was due sends it late through no fault of the gateway.
            let due = (at >= self.since).then_some(due);
            if due.is_some() {
                self.player.shared.latencies.held_back.record(self.player.number, now - at);
            }
            self.send(socket, message, turn % self.player.memberships.len(), due);
        }
        has_sent
    }

    /// Leaves a room to come back to it, or makes up its mind to go away altogether.
    fn churn(&mut self, socket: &mut Socket, now: Instant) {
        self.player.shared.tallies.churned.add(1);
        if self.player.random.random() {
            self.part_by = Some(now + PART_WITHIN);
            return;
        }
        let subscription = self.player.random.random_range(0..self.player.memberships.len());
        if self.player.memberships[subscription].subscription.state() == State::Joined {
            self.player.memberships[subscription].subscription.leave();
            let id = self.asked.ask(Request::Leave { subscription });
            socket.queue(&ClientFrame::Leave(Leave { id: Some(id), room: self.room(subscription) }));
        }
    }

    fn room(&self, subscription: usize) -> String {
        self.player.shared.rooms[self.player.memberships[subscription].room].name.clone()
    }

    fn join(&mut self, socket: &mut Socket, subscription: usize) {
        let since = self.player.memberships[subscription].subscription.join();
        let id = self.asked.ask(Request::Join { subscription, at: Instant::now() });
        let room = self.room(subscription);
        socket.queue(&ClientFrame::Join(Join { id: Some(id), room, since, ..Join::default() }));
    }

    fn send(&mut self, socket: &mut Socket, message: u64, subscription: usize, due: Option<Duration>) {
        let plan = &self.player.shared.plan;
        let Ok(data) = Payload::new(&plan.run, message, due).data(plan.payload_bytes) else {
            return;
        };
        let (key, echo) = (Some(format!("{}-{message}", plan.run)), plan.echo);
        let turn = self.player.memberships[subscription].subscription.turn();
        let id = self.asked.ask(Request::Send { subscription, message, due, turn });
        socket.queue(&ClientFrame::Send(Send { id: Some(id), room: self.room(subscription), key, data, echo }));
    }

    fn breach(&self, name: &str) {
        self.player.shared.tallies.breaches.add(name);
    }

    fn handle(&mut self, socket: &mut Socket, text: &str) {
        match Arrival::read(text) {
            Ok(Arrival::Entry(entry)) => self.entry(&entry),
            Ok(Arrival::Frame(frame)) => self.frame(socket, *frame),
            Err(_) => self.breach("no frame of this language"),
        }
    }

    /// The own subscription of a room of the run.
    fn subscription_of(&self, room: &str) -> Option<usize> {
        self.player.memberships.iter().position(|each| self.player.shared.rooms[each.room].name == room)
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let Some(index) = self.subscription_of(&entry.room) else {
            return self.breach("an entry of a room that was never joined");
        };
        let shared = &self.player.shared;
        let Membership { room, subscription } = &mut self.player.memberships[index];
        let replayed = subscription.is_replaying();
        let fit = subscription.entry(entry.seq, &entry.pos);
        let ours = entry.data.as_deref().and_then(Payload::read).filter(|payload| payload.run == shared.plan.run);
        shared.rooms[*room].ledger.lock().arrived(entry.seq, &entry.pos, ours.map(|payload| payload.message));
        shared.tallies.deliveries.add(1);
        if replayed || fit == Fit::Doubled || shared.plan.reads_slowly(self.player.number) {
            return;
        }
        if let (Some(start), Some(due_us)) = (shared.started.get(), ours.and_then(|payload| payload.due_us)) {
            let latency = self.heard.saturating_duration_since(*start + Duration::from_micros(due_us));
            shared.latencies.delivered.record(self.player.number, latency);
        }
    }

    fn frame(&mut self, socket: &mut Socket, frame: ServerFrame) {
        match frame {
            ServerFrame::Joined(joined) => match self.asked.answered(joined.id) {
                Some(Request::Join { subscription, at }) => {
                    self.player.shared.latencies.joined.record(self.player.number, at.elapsed());
                    let Membership { room, subscription } = &mut self.player.memberships[subscription];
                    subscription.joined(&joined);
                    if joined.reason == Some(UnrecoveredReason::Reset) {
                        self.player.shared.rooms[*room].ledger.lock().fork();
                    }
                }
                Some(Request::Leave { .. } | Request::Send { .. }) | None => self.breach("joined without a join"),
            },
            ServerFrame::Left(left) => match self.asked.answered(left.id) {
                Some(Request::Leave { subscription }) => {
                    self.player.memberships[subscription].subscription.interrupt();
                    let back = Instant::now() + AWAY_MAX.mul_f64(self.player.random.random());
                    self.rejoins.push((back, subscription));
                }
                Some(Request::Join { .. } | Request::Send { .. }) | None => self.breach("left without a leave"),
            },
            ServerFrame::Sent(sent) => self.sent(&sent),
            ServerFrame::Reset(reset) => self.reset(&reset),
            ServerFrame::Removed(removed) => {
                self.player.shared.tallies.notices.add("removed");
                match self.subscription_of(&removed.room) {
                    Some(index) => self.player.memberships[index].subscription.end(),
                    None => self.breach("removed from a room that was never joined"),
                }
            }
            ServerFrame::Error(error) => self.error(&error),
            ServerFrame::Ping(_) => socket.queue(&ClientFrame::Pong(ClientPong::default())),
            ServerFrame::Draining(draining) => {
                self.player.shared.tallies.notices.add("draining");
                let within = Duration::from_millis(draining.reconnect_within_ms);
                self.go_at = Some(Instant::now() + within.mul_f64(self.player.random.random()));
            }
            ServerFrame::Degraded(_) => self.player.shared.tallies.notices.add("degraded"),
            ServerFrame::Restored(_) => self.player.shared.tallies.notices.add("restored"),
            // Not asked for, and harmless.
            ServerFrame::Presence(_) | ServerFrame::Signal(_) | ServerFrame::Receipt(_) => {}
            other @ (ServerFrame::Welcome(_)
            | ServerFrame::Refreshed(_)
            | ServerFrame::Members(_)
            | ServerFrame::Done(_)
            | ServerFrame::Unread(_)
            | ServerFrame::History(_)
            | ServerFrame::Pong(_)) => self.breach(&format!("{} without a request", other.kind())),
            // Entries are told apart before.
            ServerFrame::Message(_) | ServerFrame::Edit(_) | ServerFrame::Delete(_) | ServerFrame::Reaction(_) => {}
        }
    }

    fn sent(&mut self, sent: &Sent) {
        let Some(Request::Send { subscription, message, due, turn }) = self.asked.answered(sent.id) else {
            return self.breach("sent without a send");
        };
        let shared = &self.player.shared;
        if let (Some(start), Some(due)) = (shared.started.get(), due) {
            let latency = self.heard.saturating_duration_since(*start + due);
            shared.latencies.acknowledged.record(self.player.number, latency);
        }
        if sent.duplicate {
            shared.tallies.duplicates.add(1);
        }
        let Membership { room, subscription } = &mut self.player.memberships[subscription];
        shared.rooms[*room].ledger.lock().acknowledged(sent.seq, &sent.pos, message);
        if let Some(turn) = turn
            && !shared.plan.echo
            && !sent.duplicate
            && subscription.sent_in_place(turn, sent.seq, &sent.pos).is_some()
        {
            shared.tallies.deliveries.add(1);
        }
    }

    fn reset(&mut self, reset: &Reset) {
        let Some(index) = self.subscription_of(&reset.room) else {
            return self.breach("a reset of a room that was never joined");
        };
        let Membership { room, subscription } = &mut self.player.memberships[index];
        subscription.reset(reset.seq, &reset.pos, reset.reason);
        if reset.reason == ResetReason::Reset {
            self.player.shared.rooms[*room].ledger.lock().fork();
        }
    }

    fn error(&mut self, error: &ErrorFrame) {
        self.not_before = self.player.error(error);
        match self.asked.answered(error.id) {
            Some(Request::Send { .. }) => self.player.shared.tallies.refused.add(1),
            Some(Request::Join { subscription, .. }) => {
                let each = &mut self.player.memberships[subscription].subscription;
                if error.code.retry() == Retry::Later {
                    each.join_refused();
                    self.rejoins.push((Instant::now() + self.not_before.max(REJOIN_AFTER), subscription));
                } else {
                    each.end();
                }
            }
            // Still in the room, then.
            Some(Request::Leave { subscription }) => {
                self.player.memberships[subscription].subscription.end();
                self.breach("leave was refused");
            }
            None if error.id.is_some() => self.breach("an error without a request"),
            None => {}
        }
    }
}

/// Whether messages are sent in a phase: while answers are awaited, only those that are late.
fn sends(phase: Phase) -> bool {
    matches!(phase, Phase::Send | Phase::Answer)
}
