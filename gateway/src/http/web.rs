//! The web client, which is part of the binary.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../web-client/dist"]
#[allow_missing = true]
pub(super) struct Client;

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
pub(super) fn file<Files: RustEmbed>(path: &str, headers: &HeaderMap) -> Option<Response> {
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
        // A browser takes the policy of this answer over, in place of the one it kept with the page.
        return (StatusCode::NOT_MODIFIED, caching, [policy()]).into_response();
    }
    let kind = file.metadata.mimetype();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    let kind = HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(RustEmbed)]
    #[folder = "tests/it/page"]
    struct Page;

    #[derive(RustEmbed)]
    #[folder = "tests/it/no-page"]
    #[allow_missing = true]
    struct NoPage;

    fn get(path: &str) -> Option<Response> {
        file::<Page>(path, &HeaderMap::new())
    }

    fn header(response: &Response, name: HeaderName) -> String {
        response.headers()[name].to_str().unwrap().to_owned()
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_page_is_asked_for_again_and_its_hashed_parts_are_kept_for_ever() {
        let index = get("/").unwrap();
        assert_eq!(header(&index, header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&index, header::CACHE_CONTROL), "no-cache");
        assert!(header(&index, header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self';"));
        assert!(text(index).await.contains("A page"));

        let script = get("/assets/app-1a2B3c.js").unwrap();
        assert_eq!(header(&script, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(header(&script, header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        let manifest = get("/manifest.webmanifest").unwrap();
        assert_eq!(header(&manifest, header::CONTENT_TYPE), "application/manifest+json");
        assert_eq!(header(&manifest, header::CACHE_CONTROL), "no-cache");
    }

    #[tokio::test]
    async fn a_page_that_has_not_changed_is_not_sent_again() {
        let tag = header(&get("/").unwrap(), header::ETAG);
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(&known).unwrap())]);
            let answer = file::<Page>("/", &headers).unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(header(&answer, header::ETAG), tag);
            assert_eq!(header(&answer, header::CONTENT_SECURITY_POLICY), POLICY);
            assert_eq!(text(answer).await, "");
        }
        let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""))]);
        assert_eq!(file::<Page>("/", &headers).unwrap().status(), StatusCode::OK);
    }

    #[test]
    fn nothing_but_the_page_and_its_parts_is_given_out() {
        for path in ["/nothing", "/assets", "/assets/", "/../main.rs", "/assets/../../main.rs", "//etc/passwd"] {
            assert!(get(path).is_none(), "{path}");
        }
    }

    #[tokio::test]
    async fn where_the_page_was_not_built_it_says_how_to_build_it() {
        let page = file::<NoPage>("/", &HeaderMap::new()).unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        assert!(header(&page, header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
        assert!(text(page).await.contains("npm --prefix web-client run build"));
        assert!(file::<NoPage>("/assets/app.js", &HeaderMap::new()).is_none());
    }
}
