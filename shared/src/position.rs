//! Where an entry stands in a room's log.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// A position in a room's log, opaque to clients: `{epoch}-{seq}-{tag}`, or `0-0-0` for the start of a log that has
/// no entry yet.
///
/// The epoch tells one log from the next (a store that lost its data begins a new one). Epoch and seq together still
/// cannot tell an entry from another one that was given the same number after a failover to a replica that lagged;
/// the tag, drawn at random for every entry, can.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The log's own random name; empty at the start of a log that has no entry yet.
    pub epoch: Arc<str>,
    /// The entry's number, from 1; 0 at the start.
    pub seq: u64,
    /// The entry's random tag; empty at the start.
    pub tag: Arc<str>,
}

/// The text is not a position that a gateway ever gave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no position; use the `pos` of an entry, of `joined` or of `reset`, unchanged")]
pub struct PositionError;

/// The longest position that is read, in bytes.
const POSITION_BYTES_MAX: usize = 96;

impl Position {
    /// The position before the first entry of a log that does not exist yet.
    pub fn start() -> Self {
        Self { epoch: Arc::from(""), seq: 0, tag: Arc::from("") }
    }

    /// Whether this is the start of a log that had no entry.
    pub fn is_start(&self) -> bool {
        self.seq == 0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_start() {
            return f.write_str("0-0-0");
        }
        write!(f, "{}-{}-{}", self.epoch, self.seq, self.tag)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        if text == "0-0-0" {
            return Ok(Self::start());
        }
        if text.len() > POSITION_BYTES_MAX {
            return Err(PositionError);
        }
        let mut parts = text.split('-');
        let (Some(epoch), Some(seq), Some(tag), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(PositionError);
        };
        let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let number = !seq.starts_with('0') && seq.bytes().all(|b| b.is_ascii_digit());
        if !(word(epoch) && number && word(tag)) {
            return Err(PositionError);
        }
        let seq = seq.parse().map_err(|_| PositionError)?;
        Ok(Self { epoch: Arc::from(epoch), seq, tag: Arc::from(tag) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        for text in ["0-0-0", "k3-1-9f1c", "A-18446744073709551615-z"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_no_gateway_gave_out_is_refused() {
        for text in ["", "k3", "k3-1", "k3-0-t", "k3-01-t", "k3-+1-t", "-1-t", "k3-1-", "k3-1-t-x", "k3-1-t x"] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text:?}");
        }
        assert_eq!("k3-18446744073709551616-t".parse::<Position>(), Err(PositionError));
        assert_eq!(format!("k3-1-{}", "t".repeat(100)).parse::<Position>(), Err(PositionError));
    }
}
