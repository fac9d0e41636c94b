//! Several whole gateways on one Redis that breaks, and clients that write down what they were told.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot reach its gateway has failed")]

#[path = "../it/backend.rs"]
mod backend;
#[expect(dead_code, reason = "shared with the tests of one gateway, which need more of it")]
#[path = "../it/calls.rs"]
mod calls;
#[expect(dead_code, reason = "shared with the tests of one gateway, which need more of it")]
#[path = "../it/client.rs"]
mod client;
#[expect(dead_code, reason = "shared with the tests of one gateway, which need more of it")]
#[path = "../it/harness.rs"]
mod harness;
#[expect(dead_code, reason = "shared with the tests of one gateway, which need more of it")]
#[path = "../it/plain_http.rs"]
mod plain_http;

mod ledger;
mod participant;
mod replicas;
mod traffic;

mod as_one;
mod cluster;
mod failover;
mod outages;
mod processes;
mod refusals;
mod storm;
