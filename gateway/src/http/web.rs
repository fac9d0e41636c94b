//! The web client, which is part of the binary.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../web-client/dist"]
#[allow_missing = true]
struct Files;

/// Nothing comes from elsewhere, nothing runs that stands in the page itself, and no page may frame this one. `'self'`
/// covers the socket of the same host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
/// Files in this folder have a hash of what they hold in their names.
const HASHED: &str = "assets/";
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

/// What is shown where the client was not there when the binary was built.
const MISSING: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Hubbub</title>\n\
    <h1>Hubbub is running</h1>\n\
    <p>The API and the WebSocket at <code>/v1/ws</code> are here, but this page is not: the web client was not built \
    when the gateway was.</p>\n\
    <p>To build it, run these commands in the source tree (they need Node.js) and start the gateway again:</p>\n\
    <pre>npm --prefix web-client ci\nnpm --prefix web-client run build\ncargo build --release</pre>\n</html>\n";

/// The file of a path, if there is one.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = path.trim_start_matches('/');
    let name = if name.is_empty() { "index.html" } else { name };
    match Files::get(name) {
        Some(file) => Some(answer(name, file, headers)),
        None if name == "index.html" => Some(page(MISSING)),
        None => None,
    }
}

fn page(html: &'static str) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    ([kind, policy(), (header::CACHE_CONTROL, HeaderValue::from_static(ASK_AGAIN))], html).into_response()
}

fn policy() -> (HeaderName, HeaderValue) {
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
}

fn answer(name: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let cache = HeaderValue::from_static(if name.starts_with(HASHED) { FOREVER } else { ASK_AGAIN });
    let tag = etag(&file);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let unchanged =
        known.is_some_and(|known| tag.to_str().is_ok_and(|tag| known.split(',').any(|one| names(one, tag))));
    let caching = [(header::CACHE_CONTROL, cache), (header::ETAG, tag)];
    if unchanged {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    (caching, [(header::CONTENT_TYPE, kind), policy()], Body::from(file.data)).into_response()
}

fn names(known: &str, tag: &str) -> bool {
    let known = known.trim();
    known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
}

fn etag(file: &EmbeddedFile) -> HeaderValue {
    let digits = file.metadata.sha256_hash().map(|byte| format!("{byte:02x}")).concat();
    // Digits in quotes can stand in a header.
    HeaderValue::from_str(&format!("\"{digits}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}
