//! What our messages carry: whose run they are of, their number, and when they were due. Sender and receivers are one
//! process with one clock, so a receiver can tell how old a message is.

use std::time::Duration;

use hubbub_shared::Data;
use serde::Deserialize;

/// The smallest data, in bytes: everything but the padding, at its longest.
pub(crate) const BYTES_MIN: usize = 100;

/// What a message says, padding aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Payload<'a> {
    /// The run that it is of; messages of others may be in the room.
    pub(crate) run: &'a str,
    /// Its number in the run.
    pub(crate) message: u64,
    /// When it was due, in microseconds from the start of the sending. Absent where its age would say nothing of the
    /// gateway, because its sender was away when it was due.
    pub(crate) due_us: Option<u64>,
}

impl<'a> Payload<'a> {
    pub(crate) fn new(run: &'a str, message: u64, due: Option<Duration>) -> Self {
        Self { run, message, due_us: due.map(|due| due.as_micros() as u64) }
    }

    /// Reads the data of an entry; `None` if it is not of our making.
    pub(crate) fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The message's data, of exactly `bytes` bytes, which are at least [`BYTES_MIN`].
    pub(crate) fn data(&self, bytes: usize) -> Result<Data, serde_json::Error> {
        let due = self.due_us.map_or_else(|| "null".to_owned(), |due_us| due_us.to_string());
        let mut json = format!(r#"{{"run":"{}","message":{},"due_us":{due},"pad":""#, self.run, self.message);
        let end = "\"}";
        let padding = bytes.saturating_sub(json.len() + end.len());
        json.extend(std::iter::repeat_n('x', padding));
        json.push_str(end);
        Data::from_json(&json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_survives_its_data_and_has_the_size_asked_for() {
        for due in [None, Some(Duration::from_millis(1_500))] {
            let payload = Payload::new("00c0ffee", 7, due);
            for bytes in [BYTES_MIN, 128, 4_096] {
                let data = payload.data(bytes).unwrap();
                assert_eq!(data.len_bytes(), bytes);
                assert_eq!(Payload::read(data.as_json()), Some(payload));
            }
        }
    }

    #[test]
    fn the_longest_numbers_fit_into_the_smallest_payload() {
        let payload = Payload { run: "ffffffff", message: u64::MAX, due_us: Some(u64::MAX) };
        assert_eq!(payload.data(BYTES_MIN).unwrap().len_bytes(), BYTES_MIN);
    }

    #[test]
    fn what_others_say_is_not_ours() {
        for json in ["null", "1", "{}", r#"{"run":1,"message":2}"#, r#""run""#] {
            assert_eq!(Payload::read(json), None);
        }
    }
}
