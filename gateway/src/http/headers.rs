//! Headers of every answer, and what pages of other origins may do.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::Http;
use super::caller::{API_KEY, SESSION};

/// How long a browser remembers what pages of other origins may do.
const PREFLIGHT: Duration = Duration::from_mins(10);

/// No answer is guessed to be of another type, shown in a frame, told where it came from or kept, unless it says so.
pub(super) fn secure(router: Router) -> Router {
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    defaults.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}

/// Pages of configured origins may call with the session cookie; others may not read any answer.
pub(super) fn share(router: Router, http: &Arc<Http>) -> Router {
    let origins: Vec<HeaderValue> =
        http.origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return router;
    }
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let headers: [HeaderName; 4] = [header::AUTHORIZATION, header::CONTENT_TYPE, API_KEY, SESSION];
    let cors = CorsLayer::new()
        .allow_origin(origins)
        .allow_credentials(true)
        .allow_methods(methods)
        .allow_headers(headers)
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT);
    router.layer(cors)
}
