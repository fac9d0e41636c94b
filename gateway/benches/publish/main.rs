//! What a publish with history costs, through the broker's trait and a real Redis, beside a script of one message under
//! `redis-benchmark`. `make bench-redis` runs it; it fails where a bar is missed.
//!
//! Rates on a busy machine mean little, so all that is compared runs in turns, several times over, and the bars are
//! ratios of the medians.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and one that cannot run has failed")]

mod gateway;
mod script;

use std::process::ExitCode;

use hubbub_testbed::RedisServer;

use gateway::Hearing;
use script::Lean;

/// How often everything is measured.
const ROUNDS: usize = 5;

/// Into how many rooms, and whether with a key.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    name: &'static str,
    rooms: usize,
    keyed: bool,
    /// The least that the gateway's rate may be, as a part of that of the lean script.
    bar: f64,
}

const SCENARIOS: [Scenario; 4] = [
    Scenario { name: "one hot room", rooms: 1, keyed: false, bar: 0.9 },
    Scenario { name: "one hot room, with keys", rooms: 1, keyed: true, bar: 0.9 },
    Scenario { name: "1,000 rooms", rooms: 1_000, keyed: false, bar: 0.6 },
    Scenario { name: "1,000 rooms, with keys", rooms: 1_000, keyed: true, bar: 0.6 },
];

/// A way of publishing.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Through the trait; nobody has the room open.
    Gateway,
    /// The script that does the least, one message a call.
    Lean,
    /// Through the trait, and counted when the bus has brought it back.
    Heard,
    /// The gateway's own script, one message a call.
    OwnScript,
    /// The least and the sender's read marker, one message a call.
    WithMarker,
}

const WAYS: [Way; 5] = [Way::Gateway, Way::Lean, Way::Heard, Way::OwnScript, Way::WithMarker];

impl Way {
    fn what(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Lean => "redis-benchmark: a lean script",
            Self::Heard => "gateway, and heard again by the bus",
            Self::OwnScript => "redis-benchmark: the gateway's script",
            Self::WithMarker => "redis-benchmark: a lean script that moves a marker",
        }
    }
}

/// What one way of publishing did.
#[derive(Debug, Clone, Copy)]
struct Measured {
    per_s: f64,
    /// Processor time of Redis for each publish.
    redis_us: f64,
    /// The same of the client's process.
    client_us: f64,
    /// Calls to Redis for each publish.
    calls: f64,
}

fn main() -> ExitCode {
    let server = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "medians of {ROUNDS} rounds; µs are processor time for each publish, ratios are of the lean script's rate\n"
    );
    println!("| scenario | what | publishes a second | ratio | Redis, µs | client, µs | calls |");
    println!("|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for scenario in SCENARIOS {
        let captured = runtime.block_on(gateway::captured(&server, scenario));
        let mut all = WAYS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (way, rounds) in WAYS.iter().zip(&mut all) {
                rounds.push(match way {
                    Way::Gateway => runtime.block_on(gateway::measure(&server, scenario, Hearing::Nobody)),
                    Way::Heard => runtime.block_on(gateway::measure(&server, scenario, Hearing::Itself)),
                    Way::OwnScript => captured.measure(&server, scenario),
                    Way::Lean => Lean::of(&captured, scenario, false).measure(&server),
                    Way::WithMarker => Lean::of(&captured, scenario, true).measure(&server),
                });
            }
        }
        let medians = all.map(|mut rounds| Measured::median(&mut rounds));
        let lean_per_s = medians[1].per_s;
        for (way, measured) in WAYS.iter().zip(&medians) {
            let (name, Measured { per_s, redis_us, client_us, calls }) = (scenario.name, measured);
            let (what, ratio) = (way.what(), per_s / lean_per_s);
            println!("| {name} | {what} | {per_s:.0} | {ratio:.2} | {redis_us:.1} | {client_us:.1} | {calls:.3} |");
        }
        let ratio = medians[0].per_s / lean_per_s;
        if ratio < scenario.bar {
            missed.push(format!("{}: {ratio:.2} of the lean script's rate, {} are due", scenario.name, scenario.bar));
        }
    }
    println!();
    for missed in &missed {
        println!("missed: {missed}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Measured {
    /// The median of each figure.
    fn median(rounds: &mut [Self]) -> Self {
        let mut median_of = |figure: fn(&Self) -> f64| {
            rounds.sort_by(|a, b| figure(a).total_cmp(&figure(b)));
            figure(&rounds[rounds.len() / 2])
        };
        Self {
            per_s: median_of(|measured| measured.per_s),
            redis_us: median_of(|measured| measured.redis_us),
            client_us: median_of(|measured| measured.client_us),
            calls: median_of(|measured| measured.calls),
        }
    }
}
