//! Whose page a request comes from: what keeps other sites from using a session cookie that the browser sends along.

use axum::http::{HeaderMap, header};

/// Whose page a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The browser does not say, or it is no browser.
    Unknown,
    /// The gateway's own, or one that is configured: it may use the session cookie.
    Trusted,
    /// Somebody else's.
    Foreign,
}

/// Whose page a request comes from. The gateway's own page is one whose `Origin` names the host that the request
/// itself was sent to; `configured` are those besides.
pub fn of(headers: &HeaderMap, configured: &[String]) -> Origin {
    let Some(origin) = headers.get(header::ORIGIN) else { return Origin::Unknown };
    let Ok(origin) = origin.to_str() else { return Origin::Foreign };
    let is_configured = || configured.iter().any(|known| known.eq_ignore_ascii_case(origin));
    if is_own(origin, headers) || is_configured() { Origin::Trusted } else { Origin::Foreign }
}

fn is_own(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (Some(host), Some((scheme, authority))) = (host, origin.split_once("://")) else { return false };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    // A browser leaves out the port of the scheme, a proxy may add it.
    let host = host.strip_suffix(default_port).unwrap_or(host);
    !host.is_empty() && authority.eq_ignore_ascii_case(host)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn origin(host: &'static str, origin: &'static str) -> Origin {
        let headers = HeaderMap::from_iter([
            (header::HOST, HeaderValue::from_static(host)),
            (header::ORIGIN, HeaderValue::from_static(origin)),
        ]);
        of(&headers, &["https://chat.example.org".to_owned()])
    }

    #[test]
    fn the_page_of_the_same_host_is_trusted() {
        for (host, page) in [
            ("rt.example.org", "https://rt.example.org"),
            ("rt.example.org", "https://RT.example.org"),
            ("rt.example.org:443", "https://rt.example.org"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(host, page), Origin::Trusted, "{page} on {host}");
        }
    }

    #[test]
    fn a_configured_page_is_trusted_on_any_host() {
        assert_eq!(origin("rt.example.org", "https://chat.example.org"), Origin::Trusted);
    }

    #[test]
    fn every_other_page_is_foreign() {
        for (host, page) in [
            ("rt.example.org", "https://example.org"),
            ("rt.example.org", "https://rt.example.org.evil.example"),
            ("rt.example.org", "https://evil.example/rt.example.org"),
            ("rt.example.org", "http://chat.example.org"),
            ("rt.example.org:8080", "https://rt.example.org"),
            ("rt.example.org:443", "http://rt.example.org"),
            ("rt.example.org", "rt.example.org"),
            ("rt.example.org", "file://rt.example.org"),
            ("rt.example.org", "null"),
            ("null", "null"),
            ("", "https://"),
        ] {
            assert_eq!(origin(host, page), Origin::Foreign, "{page} on {host}");
        }
    }

    #[test]
    fn whoever_names_no_origin_is_unknown() {
        assert_eq!(of(&HeaderMap::new(), &[]), Origin::Unknown);
    }
}
