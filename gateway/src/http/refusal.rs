//! Why a call was refused, as an answer: a status, and JSON that says what an `error` on the socket says.
#![deny(clippy::wildcard_enum_match_arm)]

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hubbub_shared::ErrorCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fault::Fault;

/// Why a call was refused.
#[derive(Debug)]
pub enum Refusal {
    /// For a reason that a socket could be given too.
    Fault(Fault),
    /// There is nothing of this name.
    NotFound(&'static str),
    /// The path is there, but not for this method.
    WrongMethod,
    /// The body is of a type that is not understood.
    WrongContent,
    /// The body is too long.
    BodyTooLarge {
        /// How long it may be.
        max_bytes: usize,
    },
    /// The body did not come in time.
    TooSlow,
}

/// The body of every answer that is no success.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorAnswer {
    /// What went wrong.
    error: Problem,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// For programs: an error code of the socket, `not_found`, `method_not_allowed`, `unsupported_media_type` or
    /// `timeout`.
    #[schema(example = "rate_limited")]
    code: &'static str,
    /// For people; may change.
    message: String,
    /// When a retry makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl From<&Fault> for Problem {
    fn from(fault: &Fault) -> Self {
        Self { code: fault.code().as_str(), message: fault.to_string(), retry_after_ms: fault.retry_after_ms() }
    }
}

impl<E> From<E> for Refusal
where
    Fault: From<E>,
{
    fn from(error: E) -> Self {
        Self::Fault(Fault::from(error))
    }
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest | ErrorCode::RoomInvalid => StatusCode::BAD_REQUEST,
        ErrorCode::Unauthenticated | ErrorCode::TokenExpired => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::Gone => StatusCode::NOT_FOUND,
        ErrorCode::AlreadyJoined | ErrorCode::NotJoined | ErrorCode::LimitExceeded => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Refusal {
    fn parts(&self) -> (StatusCode, Problem) {
        let problem = |code, message: &str| Problem { code, message: message.to_owned(), retry_after_ms: None };
        match self {
            Self::Fault(fault) => (status(fault.code()), fault.into()),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, problem("not_found", message)),
            Self::WrongMethod => (
                StatusCode::METHOD_NOT_ALLOWED,
                problem("method_not_allowed", "this path has other methods; `Allow` names them"),
            ),
            Self::WrongContent => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                problem("unsupported_media_type", "send the body as JSON, with `Content-Type: application/json`"),
            ),
            Self::BodyTooLarge { max_bytes } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                problem("too_large", &format!("the body may have {max_bytes} bytes at most")),
            ),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                problem("timeout", "the body did not come in time; send the request again, all of it"),
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, problem) = self.parts();
        // Seconds, and at least as long as `retry_after_ms` says.
        let retry_after =
            problem.retry_after_ms.map(|retry_after_ms| HeaderValue::from(retry_after_ms.div_ceil(1_000)));
        let mut response = (status, Json(ErrorAnswer { error: problem })).into_response();
        let headers = response.headers_mut();
        if let Some(retry_after) = retry_after {
            headers.insert(header::RETRY_AFTER, retry_after);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
