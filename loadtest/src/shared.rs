//! What the threads of a run have in common. None of it is written for a delivery.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ahash::RandomState;
use thiserror::Error;

use crate::clock::Clock;
use crate::membership::Memberships;
use crate::phase::{Current, Turn};
use crate::plan::Plan;
use crate::schedule::Schedule;
use crate::source::Source;
use crate::websocket::upgrade;

/// A server that could not be found.
#[derive(Debug, Error)]
pub(crate) enum TargetError {
    #[error("{0} is no address of a WebSocket")]
    Url(String),
    #[error("{url} could not be found: {error}; is the name right? An address does as well: ws://127.0.0.1:8080/v1/ws")]
    Unknown { url: String, error: std::io::Error },
    #[error("--source {from} cannot connect to {to}; both must be IPv4 addresses, or both IPv6")]
    Kind { from: IpAddr, to: IpAddr },
}

/// Where to connect to, and what to say there first.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
}

impl Target {
    fn new(plan: &Plan, url: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Url(url.to_owned());
        let rest = url.strip_prefix("ws://").ok_or_else(wrong)?;
        let (host, path) = match rest.find(['/', '?']) {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        let named = plan.language.path(plan);
        let path = if path.is_empty() || path == "/" { &named } else { path };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
        let unknown = |error| TargetError::Unknown { url: url.to_owned(), error };
        let address = with_port.to_socket_addrs().map_err(unknown)?.next().ok_or_else(wrong)?;
        Ok(Self { address, request: upgrade::request(host, path, plan.language.subprotocol()) })
    }
}

/// One room of the run.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The seq of the newest acknowledged message; 0 without one.
    newest: AtomicU64,
    /// Messages that were sent, where they have no seq.
    sent: AtomicU64,
}

impl Room {
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    pub(crate) fn acknowledged(&self, seq: u64) {
        self.newest.fetch_max(seq, Ordering::Relaxed);
    }

    /// The log began anew: what was acknowledged in the old one is not waited for.
    pub(crate) fn fork(&self) {
        self.newest.store(0, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The number of the next message that is sent.
    pub(crate) fn number(&self) -> u32 {
        self.sent.fetch_add(1, Ordering::Relaxed) as u32
    }
}

/// How far one thread is, for whoever looks on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The turn of the thread, and how many of its clients are not known to be done with it.
    pending: AtomicU64,
    pub(crate) in_rooms: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) deliveries: AtomicU64,
    pub(crate) p99_us: AtomicU64,
}

impl Progress {
    /// Of a thread of `clients` that has not begun.
    fn new(turn: Turn, clients: usize) -> Self {
        let progress = Self::default();
        progress.set_pending(turn, clients);
        progress
    }

    pub(crate) fn set_pending(&self, turn: Turn, clients: usize) {
        self.pending.store(u64::from(turn.number) << 32 | clients as u64, Ordering::Release);
    }

    /// How many of the thread's clients may not be done with a turn; `None` if the thread does not know of it yet.
    pub(crate) fn pending(&self, turn: Turn) -> Option<usize> {
        let pending = self.pending.load(Ordering::Acquire);
        (pending >> 32 == u64::from(turn.number)).then_some((pending & 0xffff_ffff) as usize)
    }
}

/// What all clients of a run have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) schedule: Schedule,
    pub(crate) memberships: Memberships,
    pub(crate) targets: Vec<Target>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) progress: Vec<Progress>,
    pub(crate) current: Current,
    pub(crate) clock: Clock,
    /// For hashes that are compared between threads.
    pub(crate) hasher: RandomState,
    /// When the first connection is due.
    pub(crate) opened: Instant,
    /// When the first message is due; set before anybody sends.
    pub(crate) started: OnceLock<Instant>,
    /// When the sending ended. What was due before is still sent, however late.
    pub(crate) ended: OnceLock<Instant>,
}

impl Shared {
    pub(crate) fn new(plan: Plan) -> Result<Self, TargetError> {
        let current = Current::new();
        let targets: Vec<Target> = plan.urls.iter().map(|url| Target::new(&plan, url)).collect::<Result<_, _>>()?;
        for to in targets.iter().map(|target| target.address.ip()) {
            if let Some(Source(from)) = plan.sources.iter().find(|source| source.0.is_ipv4() != to.is_ipv4()) {
                return Err(TargetError::Kind { from: *from, to });
            }
        }
        Ok(Self {
            schedule: Schedule::new(&plan),
            memberships: Memberships::new(&plan),
            targets,
            rooms: (0..plan.rooms).map(|_| Room::default()).collect(),
            progress: (0..plan.threads).map(|_| Progress::new(current.get(), plan.clients)).collect(),
            current,
            clock: Clock::new(),
            hasher: RandomState::new(),
            opened: Instant::now(),
            started: OnceLock::new(),
            ended: OnceLock::new(),
            plan,
        })
    }

    /// Where a client connects to, and from where: they take turns with both.
    pub(crate) fn target(&self, client: usize) -> (&Target, Option<Source>) {
        let (targets, sources) = (&self.targets, &self.plan.sources);
        let source = (!sources.is_empty()).then(|| sources[client / targets.len() % sources.len()]);
        (&targets[client % targets.len()], source)
    }

    /// The room of a name, if it is one of the run.
    pub(crate) fn room(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.plan.room_prefix)?;
        let number: u32 = digits.parse().ok()?;
        let is_ours = (number as usize) < self.rooms.len() && (digits == "0" || !digits.starts_with(['0', '+']));
        is_ours.then_some(number)
    }

    /// When a message is due, if there is such a one, and the sending has begun and has not ended before.
    pub(crate) fn due(&self, message: u64) -> Option<Instant> {
        if message >= self.schedule.count() {
            return None;
        }
        let at = *self.started.get()? + self.schedule.due(message);
        self.ended.get().is_none_or(|ended| at < *ended).then_some(at)
    }

    /// How many messages another process sends into a room, one of whose senders is in each room in turn.
    pub(crate) fn expected(&self, room: u32) -> u64 {
        let rooms = self.rooms.len() as u64;
        self.schedule.count() / rooms + u64::from(u64::from(room) < self.schedule.count() % rooms)
    }

    /// How many deliveries there are if every message reaches every member that it is for, whatever becomes of them.
    pub(crate) fn deliveries_due(&self) -> u64 {
        let plan = &self.plan;
        let mut members = vec![0_u64; plan.rooms];
        for room in (0..plan.clients).flat_map(|client| self.memberships.of(client)) {
            members[room as usize] += 1;
        }
        if plan.listen {
            return members.iter().zip(0..).map(|(members, room)| members * self.expected(room)).sum();
        }
        // After as many messages each sender has been in each of its rooms once, and it all begins again.
        let (count, round) = (self.schedule.count(), (plan.senders * plan.rooms_per_client) as u64);
        let of_its_own = u64::from(!plan.language.echoes());
        (0..round.min(count))
            .map(|message| {
                let sender = (message % plan.senders as u64) as usize;
                let rooms = self.memberships.of(plan.clients - plan.senders + sender);
                let room = rooms[(message / plan.senders as u64) as usize];
                (count - message).div_ceil(round) * (members[room as usize] - of_its_own)
            })
            .sum()
    }

    /// How long the sending takes.
    pub(crate) fn sending(&self) -> Duration {
        if self.plan.missed > 0 { self.schedule.length() } else { self.plan.duration }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;

    fn shared(line: &str) -> Result<Shared, TargetError> {
        Shared::new(Plan::new(RunArguments::parse_words(line)).unwrap())
    }

    #[test]
    fn only_the_rooms_of_the_run_are_known_by_their_names() {
        let shared = shared("--rooms 12 --room-prefix r-").unwrap();
        assert_eq!(["r-0", "r-11"].map(|name| shared.room(name)), [Some(0), Some(11)]);
        for name in ["r-12", "r-01", "r-+1", "r-", "r", "x-1", "r-1x"] {
            assert_eq!(shared.room(name), None, "{name}");
        }
    }

    #[test]
    fn every_message_is_due_to_every_member_of_its_room() {
        for (line, due) in [
            ("-n 10 --rate 20 -d 1s", 200),
            ("-n 10 --rate 20 -d 1s --language pusher --payload-bytes 200", 180),
            // Rooms 0 and 1 have two members, and rooms 2 and 3 one: the senders 4 and 5 are in 0 and 1.
            ("-n 6 --rooms 4 --senders 2 --rate 5 -d 1s", 10),
            ("-n 6 --rooms 4 --rooms-per-client 2 --rate 12 -d 1s", 36),
            ("-n 6 --rooms 4 --listen --run a --rate 6 -d 1s", 10),
            ("-n 6 --idle", 0),
        ] {
            assert_eq!(shared(line).unwrap().deliveries_due(), due, "{line}");
        }
    }

    #[test]
    fn clients_take_turns_with_every_pair_of_addresses() {
        let shared = shared("--url ws://127.0.0.1:1,ws://127.0.0.1:2 --source 127.0.0.8-127.0.0.10").unwrap();
        let mut pairs: Vec<_> = (0..6)
            .map(|client| {
                let (target, source) = shared.target(client);
                (target.address.port(), source.unwrap().0.to_string())
            })
            .collect();
        pairs.sort();
        pairs.dedup();
        assert_eq!(pairs.len(), 6);
    }

    #[test]
    fn a_url_may_leave_out_its_port_and_the_path_of_its_language() {
        let first = |line: &str| {
            let target = &shared(line).unwrap().targets[0];
            (target.address.port(), String::from_utf8(target.request.clone()).unwrap())
        };
        assert_eq!(first("--url ws://127.0.0.1").0, 80);
        assert!(first("--url ws://[::1]:9/v1/ws").1.starts_with("GET /v1/ws HTTP/1.1\r\nHost: [::1]:9\r\n"));
        let (_, request) = first("--url ws://127.0.0.1:9 --language pusher --pusher-key k --payload-bytes 200");
        assert!(request.starts_with("GET /app/k?protocol=7"), "{request}");
        assert!(first("--url ws://127.0.0.1:9").1.starts_with("GET /v1/ws HTTP/1.1"));
        let error = shared("--url ws://nowhere.invalid:1").unwrap_err().to_string();
        assert!(error.contains("is the name right?"), "{error}");
    }

    #[test]
    fn nobody_connects_from_one_kind_of_address_to_the_other() {
        let error = shared("--url ws://127.0.0.1:1 --source 127.0.0.1,::1").unwrap_err().to_string();
        assert!(error.contains("--source ::1 cannot connect to 127.0.0.1"), "{error}");
        assert!(shared("--url ws://[::1]:1 --source ::1").is_ok());
    }
}
