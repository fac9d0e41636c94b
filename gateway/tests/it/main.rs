//! The wire from outside: a whole gateway in this process, and clients that know of it what the protocol says.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot reach its gateway has failed")]

mod backend;
mod calls;
mod client;
mod frames;
mod harness;
mod plain_http;
mod raw;

mod crowd;
mod embedded;
mod endings;
mod entries;
mod joining;
mod keys;
mod malformed;
mod moderation;
mod opening;
mod presence;
mod quiet;
mod reading;
mod revocation;
mod slow;
mod transport;

mod broadcast;
mod browsers;
mod errors;
mod logins;
mod operation;
mod rooms;
mod users;
