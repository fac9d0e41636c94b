//! All promises of one gateway again, with Redis behind it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot reach its gateway has failed")]

mod backend;

#[path = "../it/broadcast.rs"]
mod broadcast;
#[path = "../it/browsers.rs"]
mod browsers;
#[path = "../it/calls.rs"]
mod calls;
#[path = "../it/client.rs"]
mod client;
#[path = "../it/crowd.rs"]
mod crowd;
#[path = "../it/endings.rs"]
mod endings;
#[path = "../it/entries.rs"]
mod entries;
#[path = "../it/errors.rs"]
mod errors;
#[path = "../it/frames.rs"]
mod frames;
#[path = "../it/harness.rs"]
mod harness;
#[path = "../it/joining.rs"]
mod joining;
#[path = "../it/keys.rs"]
mod keys;
#[path = "../it/logins.rs"]
mod logins;
#[path = "../it/malformed.rs"]
mod malformed;
#[path = "../it/moderation.rs"]
mod moderation;
#[path = "../it/opening.rs"]
mod opening;
#[path = "../it/operation.rs"]
mod operation;
#[path = "../it/plain_http.rs"]
mod plain_http;
#[path = "../it/presence.rs"]
mod presence;
#[path = "../it/quiet.rs"]
mod quiet;
#[path = "../it/raw.rs"]
mod raw;
#[path = "../it/reading.rs"]
mod reading;
#[path = "../it/revocation.rs"]
mod revocation;
#[path = "../it/rooms.rs"]
mod rooms;
#[path = "../it/slow.rs"]
mod slow;
#[path = "../it/transport.rs"]
mod transport;
#[path = "../it/users.rs"]
mod users;
