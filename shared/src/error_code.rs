//! Answers to requests that failed, and whether a retry makes sense.
#![deny(clippy::wildcard_enum_match_arm)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// The `code` of an `error` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// A frame with missing, wrong or out-of-range fields, or an unknown type.
    BadRequest,
    /// The credential is not good.
    Unauthenticated,
    /// The credential was good once.
    TokenExpired,
    /// The user may not do this here.
    Forbidden,
    /// The room's name breaks the rules.
    RoomInvalid,
    /// The room is joined on this connection already.
    AlreadyJoined,
    /// The room must be joined for this.
    NotJoined,
    /// Data, key or name over a limit; nothing was stored.
    TooLarge,
    /// Too many requests; nothing was stored.
    RateLimited,
    /// Too many rooms on this connection.
    LimitExceeded,
    /// The target or position is not in the log.
    Gone,
    /// The backend did not answer in time; the outcome is unknown.
    Unavailable,
    /// A fault of the gateway; the outcome is unknown.
    Internal,
}

/// What a client may do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same request will fail again.
    No,
    /// After `retry_after_ms`, with the same key.
    Later,
    /// With another credential.
    WithNewCredential,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::TokenExpired,
        Self::Forbidden,
        Self::RoomInvalid,
        Self::AlreadyJoined,
        Self::NotJoined,
        Self::TooLarge,
        Self::RateLimited,
        Self::LimitExceeded,
        Self::Gone,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::TokenExpired => "token_expired",
            Self::Forbidden => "forbidden",
            Self::RoomInvalid => "room_invalid",
            Self::AlreadyJoined => "already_joined",
            Self::NotJoined => "not_joined",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::LimitExceeded => "limit_exceeded",
            Self::Gone => "gone",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// What a client may do.
    pub fn retry(self) -> Retry {
        match self {
            Self::BadRequest
            | Self::Forbidden
            | Self::RoomInvalid
            | Self::AlreadyJoined
            | Self::NotJoined
            | Self::TooLarge
            | Self::LimitExceeded
            | Self::Gone => Retry::No,
            Self::Unauthenticated | Self::TokenExpired => Retry::WithNewCredential,
            Self::RateLimited | Self::Unavailable | Self::Internal => Retry::Later,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_the_same_in_json_and_in_logs() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{code}\""));
        }
    }
}
