//! One thread of a run, with an event loop and a share of the clients. It shares nothing with the others that is written
//! for a delivery, so they never wait for each other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use rustix::time::{ClockId, clock_gettime};

use crate::client::{Client, Ready};
use crate::local::Local;
use crate::phase::Phase;
use crate::settings::ConnectRate;
use crate::shared::Shared;

/// How many sockets are served before the thread looks at the time again.
const EVENTS: usize = 1_024;
/// How often it looks for a new phase, and tells how far it is.
const TICK: Duration = Duration::from_millis(10);
/// How often it tells the 99th percentile, which takes longer to find.
const PERCENTILE_EVERY: Duration = Duration::from_millis(500);
/// How often it looks for servers that fell silent.
const SILENCE_EVERY: Duration = Duration::from_secs(1);
/// How long clients may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a thread had done when a part of the run began or ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    pub(crate) cpu: Duration,
    pub(crate) deliveries: u64,
}

/// The marks of a thread.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    /// Everybody is connected.
    pub(crate) connected: Mark,
    /// The sending begins, and ends.
    pub(crate) start: Mark,
    pub(crate) end: Mark,
    /// Everything was answered and delivered.
    pub(crate) settled: Mark,
}

/// What one thread leaves behind.
pub(crate) struct Outcome {
    pub(crate) local: Local,
    pub(crate) marks: Marks,
}

/// A thread's share of the clients.
struct Worker {
    number: usize,
    poll: Poll,
    clients: Vec<Client>,
    local: Local,
    marks: Marks,
    /// What is read, of whichever connection.
    buffer: Vec<u8>,
    /// Clients that may not be done with the phase; those that are done are taken off the end.
    pending: Vec<u32>,
    /// The first client that has not been told to connect.
    next_connect: usize,
    /// The first message of this thread that has not been due.
    next_message: u64,
    told_at: Instant,
    percentile_at: Instant,
    listened_at: Instant,
}

/// Plays a thread's share of the clients until the run is over.
pub(crate) fn play(number: usize, shared: Arc<Shared>) -> io::Result<Outcome> {
    let mut worker = Worker::new(number, shared)?;
    let mut events = Events::with_capacity(EVENTS);
    while !worker.is_over() {
        worker.go_round(&mut events)?;
    }
    Ok(Outcome { local: worker.local, marks: worker.marks })
}

impl Worker {
    fn new(number: usize, shared: Arc<Shared>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let local = Local::new(Arc::clone(&shared), poll.registry().try_clone()?);
        let clients = (number..shared.plan.clients).step_by(shared.plan.threads).enumerate();
        let clients: Vec<Client> = clients.map(|(index, client)| Client::new(client, index, &shared)).collect();
        let now = Instant::now();
        let mut worker = Self {
            number,
            poll,
            pending: (0..clients.len() as u32).collect(),
            clients,
            local,
            marks: Marks::default(),
            buffer: Vec::new(),
            next_connect: 0,
            next_message: 0,
            told_at: now,
            percentile_at: now,
            listened_at: now,
        };
        worker.skip_messages_of_others();
        Ok(worker)
    }

    fn is_over(&self) -> bool {
        self.local.turn.phase == Phase::Stop
            && (self.local.since.elapsed() > FAREWELL || self.clients.iter().all(Client::is_over))
    }

    /// Waits until something is to be done, and does it.
    fn go_round(&mut self, events: &mut Events) -> io::Result<()> {
        let timeout = self.until_something_is_due();
        match self.poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &*events {
            let ready = Ready {
                readable: event.is_readable(),
                writable: event.is_writable(),
                is_over: event.is_read_closed() || event.is_error(),
            };
            if let Some(client) = self.clients.get_mut(event.token().0) {
                client.ready(ready, &mut self.local, &mut self.buffer);
            }
        }
        let now = Instant::now();
        self.send_what_is_due(now);
        self.keep_appointments(now);
        self.follow_the_run(now);
        // Behind all that lines clients up, so that none of them waits for the next round.
        self.connect(now);
        Ok(())
    }

    /// How long nothing is due but what the sockets bring.
    fn until_something_is_due(&self) -> Duration {
        let timer = self.local.timers.peek().map(|timer| timer.0.at);
        let message = if self.local.turn.phase.sends() { self.local.shared.due(self.next_message) } else { None };
        let connect = self.next_connect_at();
        let earliest = [timer, message, connect].into_iter().flatten().min();
        earliest.map_or(TICK, |at| at.saturating_duration_since(Instant::now()).min(TICK))
    }

    /// The client of this thread that sends a message, if one does.
    fn sender_of(&self, message: u64) -> Option<usize> {
        let plan = &self.local.shared.plan;
        let client = plan.clients - plan.senders + (message % plan.senders.max(1) as u64) as usize;
        (client % plan.threads == self.number).then_some(client / plan.threads)
    }

    fn skip_messages_of_others(&mut self) {
        let count = self.local.shared.schedule.count();
        while self.next_message < count && self.sender_of(self.next_message).is_none() {
            self.next_message += 1;
        }
    }

    fn send_what_is_due(&mut self, now: Instant) {
        if !self.local.turn.phase.sends() {
            return;
        }
        while self.local.shared.due(self.next_message).is_some_and(|at| at <= now) {
            if let Some(client) = self.sender_of(self.next_message) {
                self.clients[client].send_what_is_due(&mut self.local, now);
            }
            self.next_message += 1;
            self.skip_messages_of_others();
        }
    }

    fn keep_appointments(&mut self, now: Instant) {
        while let Some(timer) = self.local.timers.peek().map(|timer| timer.0)
            && timer.at <= now
        {
            self.local.timers.pop();
            self.clients[timer.client as usize].act(timer, &mut self.local, &mut self.buffer, now);
        }
    }

    /// When the next client begins to connect, if it has not.
    fn next_connect_at(&self) -> Option<Instant> {
        let plan = &self.local.shared.plan;
        let client = self.number + self.next_connect * plan.threads;
        (self.next_connect < self.clients.len() && self.has_room_for_another())
            .then(|| self.local.shared.opened + plan.connect_due(client))
    }

    /// Whether another connection may be on its way. Where they come at a rate, however slow the server is, any may.
    fn has_room_for_another(&self) -> bool {
        let plan = &self.local.shared.plan;
        let share = plan.connects_in_flight.div_ceil(plan.threads);
        plan.connect_rate != ConnectRate::Max || self.local.on_the_way < share
    }

    fn connect(&mut self, now: Instant) {
        if self.local.turn.phase == Phase::Stop {
            return;
        }
        while let Some(at) = self.next_connect_at()
            && at <= now
        {
            self.clients[self.next_connect].connect(&mut self.local, Instant::now());
            self.next_connect += 1;
        }
        // A storm is one only if nobody waits for anybody.
        let all_at_once = self.local.turn.phase == Phase::Return;
        while (all_at_once || self.has_room_for_another())
            && let Some(client) = self.local.lined_up.pop_front()
        {
            self.clients[client as usize].connect(&mut self.local, Instant::now());
        }
    }

    /// Looks what the run is at, and tells how far this thread is.
    fn follow_the_run(&mut self, now: Instant) {
        let turn = self.local.shared.current.get();
        if turn != self.local.turn {
            (self.local.turn, self.local.since) = (turn, now);
            self.mark(turn.phase);
            for client in &mut self.clients {
                client.begin(&mut self.local, now);
            }
            self.pending = (0..self.clients.len() as u32).collect();
        } else if now - self.told_at < TICK {
            return;
        }
        self.told_at = now;
        while let Some(last) = self.pending.last()
            && self.clients[*last as usize].is_done(&self.local)
        {
            self.pending.pop();
        }
        let progress = &self.local.shared.progress[self.number];
        progress.in_rooms.store(self.local.in_rooms, Ordering::Relaxed);
        progress.sent.store(self.local.tallies.sent, Ordering::Relaxed);
        progress.deliveries.store(self.local.tallies.deliveries, Ordering::Relaxed);
        if now - self.percentile_at >= PERCENTILE_EVERY {
            self.percentile_at = now;
            progress.p99_us.store(self.local.latencies.delivered.p99_us(), Ordering::Relaxed);
        }
        progress.set_pending(self.local.turn, self.pending.len());
        if now - self.listened_at >= SILENCE_EVERY {
            self.listened_at = now;
            for client in &mut self.clients {
                client.look_for_silence(&mut self.local, now);
            }
        }
    }

    fn mark(&mut self, phase: Phase) {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        let mark = Mark {
            cpu: Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32),
            deliveries: self.local.tallies.deliveries,
        };
        match phase {
            Phase::Send => {
                self.marks.start = mark;
            }
            Phase::Answer => self.marks.end = mark,
            Phase::Settle => self.marks.settled = mark,
            Phase::Connect | Phase::Cut | Phase::Return | Phase::CatchUp | Phase::Hold | Phase::Stop => {}
        }
        if self.marks.connected.cpu.is_zero() {
            self.marks.connected = mark;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::command::RunArguments;
    use crate::plan::Plan;

    #[test]
    fn who_was_cut_comes_back_as_soon_as_all_may_and_none_waits_for_another() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let line = "-n 50 --senders 1 --missed 1 --connects-in-flight 3 --threads 1 --connect-rate";
        for rate in ["max", "10"] {
            let plan = Plan::new(RunArguments::parse_words(&format!("{line} {rate} --url {url}"))).unwrap();
            let shared = Arc::new(Shared::new(plan).unwrap());
            let mut worker = Worker::new(0, Arc::clone(&shared)).unwrap();
            let mut events = Events::with_capacity(EVENTS);
            shared.current.go_on(Phase::Cut);
            worker.go_round(&mut events).unwrap();
            shared.current.go_on(Phase::Return);
            worker.go_round(&mut events).unwrap();
            assert!(worker.local.on_the_way >= 49, "{rate}: {}", worker.local.on_the_way);
        }
    }
}
