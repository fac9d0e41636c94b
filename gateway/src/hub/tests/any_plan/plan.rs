//! Random plans.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::broker::Retention;
use crate::broker::conformance::KEEP_ALL;
use crate::broker::memory::faults::Conduct;

/// Users of the people; two of them are tabs of one.
pub(super) const PEOPLE: [&str; 5] = ["ada", "ada", "bob", "eve", "guest:1"];
/// Rooms.
pub(super) const ROOMS: [&str; 2] = ["general", "other"];

const NOTHING: Step = Step::Pass { ms: 0 };

/// What happens, and to what kind of replicas.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Of the faults and delays.
    pub(super) seed: u64,
    pub(super) replicas: usize,
    /// Workers, and envelopes that wait for each.
    pub(super) queues: (usize, usize),
    pub(super) ring_entries: usize,
    pub(super) outbox_bytes: usize,
    pub(super) retention: Retention,
    /// How long a call to the stores takes at most, one way.
    pub(super) slow_ms: u64,
    /// Whether the bus tells of everything that it loses.
    pub(super) honest: bool,
    pub(super) steps: Vec<Step>,
}

/// One thing that happens. People and replicas are named by number, modulo how many there are.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Pass {
        ms: u64,
    },
    /// A new connection in place of the old one, whose rooms are joined again where it stood.
    Connect {
        person: usize,
        replica: usize,
    },
    BreakOff {
        person: usize,
    },
    /// A moderator takes them out of a room.
    Kick {
        person: usize,
        room: usize,
    },
    Ask {
        person: usize,
        room: usize,
        request: Request,
    },
    Read {
        person: usize,
        how: How,
    },
    /// The server API publishes.
    Fill {
        room: usize,
        count: usize,
        length: usize,
    },
    Signal {
        room: usize,
    },
    Bus {
        replica: usize,
        conduct: Conduct,
    },
    Store {
        replica: usize,
        mood: Mood,
    },
    /// A replica dies with all its connections, unless it is the last one.
    Die {
        replica: usize,
    },
    Lose {
        room: usize,
        back: Option<u64>,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Request {
    Join { since: Since, limit: u64, presence: bool },
    Leave,
    Say { key: Option<u8>, echo: bool, length: usize },
    Edit { target: Index, echo: bool },
    Delete { target: Index, echo: bool },
    React { target: Index, echo: bool, add: bool },
    Members,
}

#[derive(Debug, Clone)]
pub(super) enum Since {
    Nothing,
    /// Where this person stands.
    Own,
    /// Where somebody could stand.
    Known(Index),
    Start,
    Foreign,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    AsItComes,
    Slowly { ms: u64 },
    Not,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Mood {
    There,
    Away,
    /// Does what it is asked and gives no answer.
    Forgetful,
}

/// One line for each step.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", Self { steps: Vec::new(), ..self.clone() })?;
        self.steps.iter().try_for_each(|step| writeln!(f, "    {step:?}"))
    }
}

impl Plan {
    /// Whether the store loses what it has acknowledged.
    pub(super) fn store_loses(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Lose { .. }))
    }

    /// Whether nothing is ever trimmed.
    pub(super) fn keeps_all(&self) -> bool {
        self.retention == KEEP_ALL
    }
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let retention = prop_oneof![
        3 => Just(KEEP_ALL),
        1 => (600..8_000_u64).prop_map(|bytes| Retention { bytes, ..KEEP_ALL }),
    ];
    let world = (any::<u64>(), 2..=3_usize, (1..=2_usize, prop_oneof![3 => Just(1_000), 1 => 2..10_usize]));
    let sizes = (1..=24_usize, 3_000..30_000_usize, retention, prop_oneof![1 => Just(0), 2 => 1..40_u64]);
    let quirks = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3));
    (world, sizes, quirks).prop_flat_map(|(world, sizes, (honest, loses, dies))| {
        let ((seed, replicas, queues), (ring_entries, outbox_bytes, retention, slow_ms)) = (world, sizes);
        proptest::collection::vec(step(honest, loses, dies), 1..150).prop_map(move |steps| Plan {
            seed,
            replicas,
            queues,
            ring_entries,
            outbox_bytes,
            retention,
            slow_ms,
            honest,
            steps,
        })
    })
}

fn step(honest: bool, loses: bool, dies: bool) -> impl Strategy<Value = Step> {
    let person = || 0..PEOPLE.len();
    let room = || prop_oneof![3 => Just(0_usize), 1 => Just(1_usize)];
    let replica = || 0..3_usize;
    let how = prop_oneof![
        2 => Just(How::AsItComes),
        1 => (1..50_u64).prop_map(|ms| How::Slowly { ms }),
        2 => Just(How::Not),
    ];
    let mood = prop_oneof![3 => Just(Mood::There), 1 => Just(Mood::Away), 1 => Just(Mood::Forgetful)];
    let lose = (room(), prop::option::weighted(0.7, 0..6_u64));
    prop_oneof![
        8 => prop_oneof![12 => 0..60_u64, 3 => 60..600_u64, 1 => 600..8_000_u64].prop_map(|ms| Step::Pass { ms }),
        3 => (person(), replica()).prop_map(|(person, replica)| Step::Connect { person, replica }),
        1 => person().prop_map(|person| Step::BreakOff { person }),
        1 => (person(), room()).prop_map(|(person, room)| Step::Kick { person, room }),
        16 => (person(), room(), request()).prop_map(|(person, room, request)| Step::Ask { person, room, request }),
        3 => (person(), how).prop_map(|(person, how)| Step::Read { person, how }),
        4 => (room(), 1..25_usize, 0..400_usize)
            .prop_map(|(room, count, length)| Step::Fill { room, count, length }),
        1 => room().prop_map(|room| Step::Signal { room }),
        3 => (replica(), conduct(honest)).prop_map(|(replica, conduct)| Step::Bus { replica, conduct }),
        1 => (replica(), mood).prop_map(|(replica, mood)| Step::Store { replica, mood }),
        1 => replica().prop_map(move |replica| if dies { Step::Die { replica } } else { NOTHING }),
        1 => lose.prop_map(move |(room, back)| if loses { Step::Lose { room, back } } else { NOTHING }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let since = prop_oneof![
        2 => Just(Since::Nothing),
        4 => Just(Since::Own),
        2 => any::<Index>().prop_map(Since::Known),
        1 => Just(Since::Start),
        1 => Just(Since::Foreign),
    ];
    let limit = prop_oneof![1 => Just(0), 2 => 1..40_u64];
    let key = || prop::option::weighted(0.3, 0..4_u8);
    prop_oneof![
        3 => (since, limit, any::<bool>())
            .prop_map(|(since, limit, presence)| Request::Join { since, limit, presence }),
        1 => Just(Request::Leave),
        9 => (key(), any::<bool>(), 0..400_usize).prop_map(|(key, echo, length)| Request::Say { key, echo, length }),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(target, echo)| Request::Edit { target, echo }),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(target, echo)| Request::Delete { target, echo }),
        1 => (any::<Index>(), any::<bool>(), any::<bool>())
            .prop_map(|(target, echo, add)| Request::React { target, echo, add }),
        1 => Just(Request::Members),
    ]
}

fn conduct(honest: bool) -> impl Strategy<Value = Conduct> {
    let flaky = (0.0..0.4, 0.0..0.4, 0.0..0.4, 0.0..1.0).prop_map(move |(lose, double, delay, tell)| {
        // What comes late is told by nobody.
        if honest {
            Conduct::Flaky { lose, double, delay: 0.0, tell: 1.0 }
        } else {
            Conduct::Flaky { lose, double, delay, tell }
        }
    });
    prop_oneof![3 => Just(Conduct::Faithful), 2 => flaky, 2 => Just(Conduct::Deaf)]
}
