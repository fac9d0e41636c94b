//! Names of things that are no rooms and no users.

use std::fmt;

use crate::random;

/// One connection, unique across replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// A fresh id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self)
    }

    /// The id as a number, for the bus.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The id of a number that came over the bus.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which request of which connection made an entry or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The connection that asked.
    pub connection: ConnectionId,
    /// The request's number on that connection; not the client's `id`.
    pub request: u64,
}

/// The id of a replica, and of one run of it.
pub fn replica() -> String {
    random::word(8)
}
