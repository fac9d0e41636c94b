//! Why a request failed, and what the peer is told: the one place where the gateway's errors become codes.
#![deny(clippy::wildcard_enum_match_arm)]

use hubbub_shared::names::NameError;
use hubbub_shared::{CloseCode, ErrorCode};
use thiserror::Error;

use crate::auth::AuthError;
use crate::broker::BrokerError;
use crate::limits::LimitsError;
use crate::presence::PresenceError;
use crate::random;
use crate::replicas::ReplicasError;
use crate::sessions::SessionsError;

/// When a request that got no answer from the backend may be tried again.
pub const RETRY_AFTER_MS: u64 = 1_000;

/// What somebody is told who is banned from the service.
pub const BANNED: &str = "you are banned from this service until the ban ends";

/// Why a request failed. The text is for people and tells what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// A field is missing, wrong or out of range.
    #[error("{0}")]
    BadRequest(String),
    /// Text that is none; WebSocket has a close code of its own for it.
    #[error("text frames must be UTF-8")]
    NotUtf8,
    /// The credential is not good.
    #[error("{0}")]
    Unauthenticated(String),
    /// The token is not good, or not now.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// The user may not do this here.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The room's name breaks the rules.
    #[error("this is no room name: {0}")]
    RoomInvalid(#[from] NameError),
    /// The room is joined already.
    #[error("this connection is in the room already; leave it first to join anew")]
    AlreadyJoined,
    /// The room must be joined for this.
    #[error("join the room first")]
    NotJoined,
    /// Something is over a limit; nothing was stored.
    #[error("{what} has {bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max_bytes: usize,
    },
    /// Too many requests; nothing was stored.
    #[error("too many requests of this kind; try again in {retry_after_ms} ms")]
    RateLimited {
        /// When the same request would be allowed.
        retry_after_ms: u64,
    },
    /// Too many rooms.
    #[error("one connection may be in {max} rooms at once; leave some first")]
    TooManyRooms {
        /// How many are allowed.
        max: u32,
    },
    /// The target or position is not in the log.
    #[error("{0}")]
    Gone(&'static str),
    /// The connection is about to be closed.
    #[error("{}", code.reason())]
    Closing {
        /// With which code.
        code: CloseCode,
        /// When it makes sense to come back.
        retry_after_ms: Option<u64>,
    },
    /// The backend gave no answer; the outcome is unknown.
    #[error("the backend did not answer in time; try again with the same key")]
    Unavailable,
    /// A fault of the gateway; the outcome is unknown.
    #[error("a fault of the gateway; try again with the same key, and name incident {incident} to its operator")]
    Internal {
        /// Where to look in the logs.
        incident: String,
    },
}

/// Whose fault it is: decides how loud the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The peer's; nobody is woken for it.
    Peer,
    /// That of something the gateway depends on.
    Dependency,
    /// The gateway's own.
    Gateway,
}

impl Fault {
    /// A fault of the gateway, written to the log under an incident id.
    pub fn internal(what: &str) -> Self {
        let incident = random::word(10);
        tracing::error!(incident, "{what}");
        Self::Internal { incident }
    }

    /// The code on the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) | Self::NotUtf8 => ErrorCode::BadRequest,
            Self::Unauthenticated(_) => ErrorCode::Unauthenticated,
            Self::Token(error) => match error {
                AuthError::Malformed(_)
                | AuthError::BadSignature
                | AuthError::WrongClaims(_)
                | AuthError::NotYetValid { .. } => ErrorCode::Unauthenticated,
                AuthError::Expired => ErrorCode::TokenExpired,
                AuthError::KeysUnavailable { .. } => ErrorCode::Unavailable,
            },
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::RoomInvalid(_) => ErrorCode::RoomInvalid,
            Self::AlreadyJoined => ErrorCode::AlreadyJoined,
            Self::NotJoined => ErrorCode::NotJoined,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::RateLimited { .. } => ErrorCode::RateLimited,
            Self::TooManyRooms { .. } => ErrorCode::LimitExceeded,
            Self::Gone(_) => ErrorCode::Gone,
            Self::Closing { code, .. } => code.error_code(),
            Self::Unavailable => ErrorCode::Unavailable,
            Self::Internal { .. } => ErrorCode::Internal,
        }
    }

    /// When a retry makes sense.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_ms } => Some(*retry_after_ms),
            Self::Unavailable => Some(RETRY_AFTER_MS),
            Self::Closing { retry_after_ms, .. } => *retry_after_ms,
            Self::Token(AuthError::NotYetValid { retry_after_ms } | AuthError::KeysUnavailable { retry_after_ms }) => {
                Some(*retry_after_ms)
            }
            Self::BadRequest(_)
            | Self::NotUtf8
            | Self::Unauthenticated(_)
            | Self::Token(
                AuthError::Malformed(_) | AuthError::BadSignature | AuthError::WrongClaims(_) | AuthError::Expired,
            )
            | Self::Forbidden(_)
            | Self::RoomInvalid(_)
            | Self::AlreadyJoined
            | Self::NotJoined
            | Self::TooLarge { .. }
            | Self::TooManyRooms { .. }
            | Self::Gone(_)
            | Self::Internal { .. } => None,
        }
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unavailable | Self::Token(AuthError::KeysUnavailable { .. }) => Blame::Dependency,
            Self::Internal { .. } => Blame::Gateway,
            Self::BadRequest(_)
            | Self::NotUtf8
            | Self::Unauthenticated(_)
            | Self::Token(_)
            | Self::Forbidden(_)
            | Self::RoomInvalid(_)
            | Self::AlreadyJoined
            | Self::NotJoined
            | Self::TooLarge { .. }
            | Self::RateLimited { .. }
            | Self::TooManyRooms { .. }
            | Self::Gone(_)
            | Self::Closing { .. } => Blame::Peer,
        }
    }
}

impl From<BrokerError> for Fault {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Unavailable | BrokerError::Full => Self::Unavailable,
        }
    }
}

impl From<PresenceError> for Fault {
    fn from(error: PresenceError) -> Self {
        match error {
            PresenceError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<LimitsError> for Fault {
    fn from(error: LimitsError) -> Self {
        match error {
            LimitsError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<ReplicasError> for Fault {
    fn from(error: ReplicasError) -> Self {
        match error {
            ReplicasError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<SessionsError> for Fault {
    fn from(error: SessionsError) -> Self {
        match error {
            SessionsError::Unavailable => Self::Unavailable,
        }
    }
}
