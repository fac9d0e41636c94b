//! How a WebSocket begins: an HTTP request that asks for it, and the answer.

use thiserror::Error;

/// The key of the example in RFC 6455 and the answer to it. One key serves all connections: it proves that the server
/// has read it, and protects from nothing else.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The longest answer that is read.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 * 1024;
/// More headers than any server sends.
const HEADERS_MAX: usize = 64;

/// Why a connection is no WebSocket.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum UpgradeError {
    #[error("the upgrade was answered with HTTP {0}{hint}", hint = hint(*.0))]
    Http(u16),
    #[error("the upgrade was answered with something else than HTTP")]
    NoHttp,
    #[error("the upgrade was answered with a wrong Sec-WebSocket-Accept")]
    Accept,
}

/// What an answer commonly means that comes where no WebSocket is.
fn hint(status: u16) -> &'static str {
    match status {
        200..=299 | 404 | 405 => "; is the path of --url right? A gateway's is /v1/ws",
        _ => "",
    }
}

/// The request for a WebSocket.
pub(crate) fn request(host: &str, path: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let subprotocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{subprotocol}\r\n"
    )
    .into_bytes()
}

/// Reads the answer: how many bytes it has, or `None` if it is not complete.
pub(crate) fn answer(bytes: &[u8]) -> Result<Option<usize>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < ANSWER_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => return Err(UpgradeError::NoHttp),
    };
    match response.code {
        Some(101) => {}
        code => return Err(UpgradeError::Http(code.unwrap_or_default())),
    }
    let accept = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sec-websocket-accept"));
    if accept.is_some_and(|header| header.value == ACCEPT.as_bytes()) {
        Ok(Some(length))
    } else {
        Err(UpgradeError::Accept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_up_to_its_end_and_no_further() {
        let whole = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-ACCEPT: {ACCEPT}\r\n\r\n");
        for end in 0..whole.len() {
            assert_eq!(answer(&whole.as_bytes()[..end]), Ok(None));
        }
        assert_eq!(answer(format!("{whole}\x02a frame").as_bytes()), Ok(Some(whole.len())));
    }

    #[test]
    fn any_other_answer_says_what_it_was() {
        assert_eq!(answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"), Err(UpgradeError::Http(503)));
        for (status, is_path) in [(200, true), (404, true), (503, false)] {
            let error = UpgradeError::Http(status).to_string();
            assert_eq!(error.contains("is /v1/ws"), is_path, "{error}");
        }
        assert_eq!(answer(b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: no\r\n\r\n"), Err(UpgradeError::Accept));
        assert_eq!(answer(b"SSH-2.0-OpenSSH\r\n"), Err(UpgradeError::NoHttp));
    }

    #[test]
    fn the_request_names_the_language_if_there_is_one() {
        let text = String::from_utf8(request("localhost:1", "/v1/ws", Some("hubbub.v1"))).unwrap();
        assert!(text.starts_with("GET /v1/ws HTTP/1.1\r\nHost: localhost:1\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Protocol: hubbub.v1\r\n\r\n"), "{text}");
        assert!(!String::from_utf8(request("a", "/", None)).unwrap().contains("Protocol:"));
    }
}
