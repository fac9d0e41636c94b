//! Endings of a connection. The range decides whether a client comes back.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::error_code::ErrorCode;

/// Why the gateway ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The replica is stopping, or a newer connection took this one's place.
    Draining,
    /// Nothing could be written for too long.
    SlowConsumer,
    /// The token or session ran out, or is unknown here.
    CredentialExpired,
    /// No sign of life.
    HeartbeatMissed,
    /// A fault of the gateway.
    Internal,
    /// This replica has no room for another connection.
    Full,
    /// The backend could not be reached at hello.
    Unavailable,
    /// Too many connections of this user or address.
    TooManyConnections,
    /// The client went on sending through its rate limits.
    RateLimited,
    /// No frame of this language.
    BadFrame,
    /// The first frame was no hello, or a later one was.
    HelloExpected,
    /// A credential that can never work.
    CredentialInvalid,
    /// The session or the user was revoked.
    Revoked,
    /// The user is banned from the service.
    Banned,
    /// The hello did not come in time.
    HelloTimeout,
}

impl CloseCode {
    /// Every close code.
    pub const ALL: [Self; 15] = [
        Self::Draining,
        Self::SlowConsumer,
        Self::CredentialExpired,
        Self::HeartbeatMissed,
        Self::Internal,
        Self::Full,
        Self::Unavailable,
        Self::TooManyConnections,
        Self::RateLimited,
        Self::BadFrame,
        Self::HelloExpected,
        Self::CredentialInvalid,
        Self::Revoked,
        Self::Banned,
        Self::HelloTimeout,
    ];

    /// The number on the wire: 4000–4499 come back, 4500–4999 stay away.
    pub fn number(self) -> u16 {
        match self {
            Self::Draining => 4001,
            Self::SlowConsumer => 4002,
            Self::CredentialExpired => 4003,
            Self::HeartbeatMissed => 4004,
            Self::Internal => 4005,
            Self::Full => 4006,
            Self::Unavailable => 4007,
            Self::TooManyConnections => 4008,
            Self::RateLimited => 4009,
            Self::BadFrame => 4501,
            Self::HelloExpected => 4502,
            Self::CredentialInvalid => 4503,
            Self::Revoked => 4504,
            Self::Banned => 4505,
            Self::HelloTimeout => 4508,
        }
    }

    /// The sentence that the close frame carries, at most 123 bytes.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Draining => "this connection is being moved: come back",
            Self::SlowConsumer => "nothing could be written for too long: read faster, come back and resume",
            Self::CredentialExpired => "the token or session ran out: come back with a fresh one",
            Self::HeartbeatMissed => "no sign of life: answer ping with pong",
            Self::Internal => "a fault of the gateway: come back",
            Self::Full => "this replica is full: try another",
            Self::Unavailable => "the backend could not be reached: come back later",
            Self::TooManyConnections => "too many connections of this user or address: close some",
            Self::RateLimited => "sent on through the rate limits: cool down, then come back",
            Self::BadFrame => "a frame is one JSON object with a type, as text, within the size limit",
            Self::HelloExpected => "the first frame, and only the first, is hello",
            Self::CredentialInvalid => "this credential can never work: log in",
            Self::Revoked => "the session or user was revoked: log in again",
            Self::Banned => "banned from the service",
            Self::HelloTimeout => "no hello came in time",
        }
    }

    /// The code of the `error` that comes before the close, unless a more exact one is at hand.
    pub fn error_code(self) -> ErrorCode {
        match self {
            Self::Draining | Self::Full | Self::Unavailable => ErrorCode::Unavailable,
            Self::SlowConsumer | Self::TooManyConnections => ErrorCode::LimitExceeded,
            Self::CredentialExpired => ErrorCode::TokenExpired,
            Self::HeartbeatMissed | Self::BadFrame | Self::HelloExpected | Self::HelloTimeout => ErrorCode::BadRequest,
            Self::Internal => ErrorCode::Internal,
            Self::RateLimited => ErrorCode::RateLimited,
            Self::CredentialInvalid | Self::Revoked => ErrorCode::Unauthenticated,
            Self::Banned => ErrorCode::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        for code in CloseCode::ALL {
            assert!(code.reason().len() <= 123, "{code:?}");
        }
    }
}
