//! Pins the wire: a change of what is sent, read or refused fails here first.
#![expect(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod client_snapshots;
mod server_snapshots;

mod answers;

mod arbitrary;
mod damage;
mod round_trip;

use hubbub_shared::Data;

fn text(text: &str) -> String {
    text.to_owned()
}

fn data(json: &str) -> Data {
    Data::from_json(json).unwrap()
}
