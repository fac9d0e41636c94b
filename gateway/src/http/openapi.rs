//! The description of the HTTP API, made from the code that serves it.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::documented;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hubbub",
        description = "Chat, presence and notifications: what can be done without a socket. The socket itself is at \
                       `/v1/ws`. Times are Unix milliseconds, durations are milliseconds and end in `_ms`.",
    ),
    tags(
        (name = "rooms", description = "What is said and who is where"),
        (name = "sessions", description = "Logins of a user"),
        (name = "users", description = "Users of the whole service"),
        (name = "operation", description = "For those who run it"),
    ),
    modifiers(&Credentials),
)]
pub(super) struct Description;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = |description: &str, format: Option<&str>| {
            let mut scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description));
            if let Some(format) = format {
                scheme = scheme.bearer_format(format);
            }
            SecurityScheme::Http(scheme.build())
        };
        let components = openapi.components.get_or_insert_default();
        for (name, scheme) in [
            ("api_key", bearer("An API key of the application's back end; also as `X-API-Key`", None)),
            ("session", bearer("The secret of a session; also as `X-Session`", None)),
            ("token", bearer("A JSON Web Token", Some("JWT"))),
            (
                "session_cookie",
                SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                    "hubbub_session",
                    "The session cookie; what changes something needs an `Origin` that may use it",
                ))),
            ),
        ] {
            components.add_security_scheme(name, scheme);
        }
    }
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let document = documented().into_openapi();
    Bytes::from(document.to_json().unwrap_or_default())
});

/// This description.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "operation",
    responses((status = 200, body = serde_json::Value)),
)]
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], DOCUMENT.clone())
}
