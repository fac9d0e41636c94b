//! Whatever people do, and whatever the bus and the stores do to them, the promises hold.
//!
//! Plans are drawn at random. One that fails is made smaller and printed with its seed; `HUBBUB_SEED` tries that seed
//! again. The order in which tasks run is not the seed's to say, so a seed is tried several times.

use std::env;

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

mod check;
mod plan;
mod run;
mod story;

/// How many plans are tried.
const PLANS: u64 = 400;
/// How often a seed that was asked for is tried.
const TRIES: usize = 50;

#[test]
fn every_promise_holds_whatever_the_plan() {
    let seeds: Vec<u64> = match env::var("HUBBUB_SEED") {
        Ok(seed) => vec![seed.parse().unwrap(); TRIES],
        Err(_) => {
            let first: u64 = rand::random();
            (0..PLANS).map(|number| first.wrapping_add(number)).collect()
        }
    };
    for seed in seeds {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let outcome = runner.run(&plan::plans(), |plan| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(run::carry_out(plan));
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, plan)) => panic!("HUBBUB_SEED={seed}\n{plan}\n{why}"),
            Err(TestError::Abort(why)) => panic!("HUBBUB_SEED={seed} was given up: {why}"),
        }
    }
}
