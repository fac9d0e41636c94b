//! Any text gives a frame or a refusal, and what was read survives the wire.
//!
//! In `gateway/`, with `cargo install cargo-fuzz` and a nightly compiler:
//! `cargo +nightly fuzz run client_frame fuzz/corpus/client_frame fuzz/seeds/client_frame`.
//! What it finds goes into `fuzz/corpus`, which is not committed; the seeds are.
#![no_main]

use hubbub_shared::ClientFrame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ClientFrame::decode(text) {
        Ok(frame) => assert_eq!(ClientFrame::decode(&frame.encode()), Ok(frame)),
        Err(error) => assert!(error.to_string().chars().count() < 500, "a refusal is one short sentence"),
    }
});
