//! Rate limits that hold for a user whichever replica they talk to.
//!
//! The algorithm is GCRA: a quota of `per_s` with a burst lets `burst` through at once and then one every `1/per_s`
//! seconds, and can say exactly when the next one may come. A limits store promises:
//!
//! 1. What it allows within any span of time never exceeds `burst + per_s × span`, whichever replicas ask.
//! 2. A refusal says when the same charge would be allowed if nothing else came; it is not itself charged.
//! 3. Charges asked together are answered together, by the longest wait.

use std::net::{IpAddr, Ipv6Addr};

use async_trait::async_trait;
use thiserror::Error;

#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;
mod pace;
pub mod redis;

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// Sustained, per second; greater than 0.
    pub per_s: f64,
    /// At once; at least 1.
    pub burst: u32,
}

/// What is counted, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// What is counted; one quota each.
    pub scope: Scope,
    /// For whom: a user, an address as it is [counted](counted_as), a room, `room user`, an API key's name.
    pub name: String,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Sends, edits, deletes and reactions of a user.
    UserSend,
    /// Signals of a user.
    UserSignal,
    /// Everything else a user asks.
    UserRequest,
    /// Everything that comes from an address.
    AddressRequest,
    /// Hellos from an address.
    AddressHello,
    /// Sends into a room, by everybody.
    RoomSend,
    /// Sends of a user into one room.
    UserRoomSend,
    /// Calls with one API key.
    Api,
}

impl Scope {
    /// The scope's name in keys, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserSend => "user_send",
            Self::UserSignal => "user_signal",
            Self::UserRequest => "user_request",
            Self::AddressRequest => "address_request",
            Self::AddressHello => "address_hello",
            Self::RoomSend => "room_send",
            Self::UserRoomSend => "user_room_send",
            Self::Api => "api",
        }
    }
}

/// One thing to be counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// What, and for whom.
    pub subject: Subject,
    /// How much is allowed.
    pub quota: Quota,
    /// How many at once; at least 1 and at most the quota's burst: more is never allowed.
    pub cost: u32,
}

/// The answer to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Counted.
    Allowed,
    /// Not counted.
    Limited {
        /// Which scope said so; the one with the longest wait.
        scope: Scope,
        /// When it would be allowed.
        retry_after_ms: u64,
    },
}

/// What an address is counted as: an IPv4 address as itself, an IPv6 address as its /64 network. Whoever is given one
/// IPv6 address is given such a network, and could come from another address every time.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

/// Why the limits store gave no answer. The dependency's fault; retry.
#[derive(Debug, Clone, Error)]
pub enum LimitsError {
    /// The store did not answer in time.
    #[error("the limits store did not answer in time")]
    Unavailable,
}

/// Rate limits; see the module for what is promised.
#[async_trait]
pub trait Limits: Send + Sync + 'static {
    /// Counts, or says when to come back.
    async fn charge(&self, charges: &[Charge]) -> Result<Verdict, LimitsError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_many_addresses_of_one_network_is_counted_once() {
        for (address, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(counted_as(address.parse().unwrap()).to_string(), counted, "{address}");
        }
    }
}
