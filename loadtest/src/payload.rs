//! What our messages carry: whose run they are of, their number, and when they were due. Senders and receivers are on
//! one machine with one clock, so a receiver can tell how old a message is.

use hubbub_shared::Data;
use serde::Deserialize;

/// The smallest data, in bytes: everything but the padding, at its longest.
pub(crate) const BYTES_MIN: usize = 100;
/// The same where messages carry their place in the room.
pub(crate) const NUMBERED_BYTES_MIN: usize = 150;

/// Where the languages have no seq, a message says itself which of the room's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Place {
    /// Its number among the messages of the room, from 0.
    pub(crate) nth: u32,
    /// The number of its sender's message before it in the room.
    #[serde(default)]
    pub(crate) after: Option<u32>,
}

/// What a message says, padding aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Payload<'a> {
    /// The run that it is of; messages of others may be in the room.
    pub(crate) run: &'a str,
    /// Its number in the run.
    pub(crate) message: u64,
    /// When it was due, in microseconds of Unix time. Absent where its age would say nothing of the server, because its
    /// sender was away when it was due.
    pub(crate) due_us: Option<u64>,
    #[serde(default)]
    pub(crate) place: Option<Place>,
}

impl<'a> Payload<'a> {
    /// Reads the data of a message; `None` if it is not of our making.
    pub(crate) fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The message's data, of exactly `bytes` bytes, which are at least [`BYTES_MIN`].
    pub(crate) fn json(&self, bytes: usize) -> String {
        let due = self.due_us.map_or_else(|| "null".to_owned(), |due_us| due_us.to_string());
        let place = self.place.map(|Place { nth, after }| {
            let after = after.map_or_else(|| "null".to_owned(), |after| after.to_string());
            format!(r#""place":{{"nth":{nth},"after":{after}}},"#)
        });
        let place = place.unwrap_or_default();
        let mut json = format!(r#"{{"run":"{}","message":{},"due_us":{due},{place}"pad":""#, self.run, self.message);
        let end = "\"}";
        let padding = bytes.saturating_sub(json.len() + end.len());
        json.extend(std::iter::repeat_n('x', padding));
        json.push_str(end);
        json
    }

    /// The same for the native language.
    pub(crate) fn data(&self, bytes: usize) -> Result<Data, serde_json::Error> {
        Data::from_json(&self.json(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: Payload<'static> = Payload { run: "00c0ffee", message: 7, due_us: None, place: None };

    #[test]
    fn a_payload_survives_its_data_and_has_the_size_asked_for() {
        for (due_us, place) in [
            (None, None),
            (Some(1_795_247_328_003_000), None),
            (Some(1), Some(Place { nth: 3, after: Some(1) })),
            (Some(1), Some(Place { nth: 0, after: None })),
        ] {
            let payload = Payload { due_us, place, ..PAYLOAD };
            for bytes in [NUMBERED_BYTES_MIN, 200, 4_096] {
                let data = payload.data(bytes).unwrap();
                assert_eq!(data.len_bytes(), bytes);
                assert_eq!(Payload::read(data.as_json()), Some(payload));
            }
        }
    }

    #[test]
    fn the_longest_numbers_fit_into_the_smallest_payload() {
        let place = Place { nth: u32::MAX, after: Some(u32::MAX) };
        for (place, bytes) in [(None, BYTES_MIN), (Some(place), NUMBERED_BYTES_MIN)] {
            let payload = Payload { run: "ffffffff", message: u64::MAX, due_us: Some(u64::MAX), place };
            assert_eq!(payload.data(bytes).unwrap().len_bytes(), bytes);
        }
    }

    #[test]
    fn what_others_say_is_not_ours() {
        for json in ["null", "1", "{}", r#"{"run":1,"message":2}"#, r#""run""#] {
            assert_eq!(Payload::read(json), None);
        }
    }
}
