//! Bodies: JSON in and out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use hubbub_shared::data;
use hubbub_shared::limits::DEPTH_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::{Http, Refusal};
use crate::fault::Fault;

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);
/// What a body may hold besides the largest frame of the socket.
const BESIDES_BYTES: usize = 4_096;

/// What is read, and thrown away, of a body that is too long: who is still sending does not see the answer.
const TOO_LONG_BYTES: usize = 1 << 20;

/// What a body is read as.
pub trait Input: DeserializeOwned {
    /// How long the body may be.
    fn max_bytes(http: &Http) -> usize {
        http.context.settings.wire.frame_bytes as usize + BESIDES_BYTES
    }
}

/// A body, which must be there.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A body, which may be left out.
#[derive(Debug)]
pub struct MaybeJson<T>(pub Option<T>);

/// Nothing to tell.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Done {}

impl<T: Input> FromRequest<Arc<Http>> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Refusal> {
        match MaybeJson::from_request(request, http).await?.0 {
            Some(body) => Ok(Self(body)),
            None => Err(Fault::BadRequest("this call needs a body: one JSON object".to_owned()).into()),
        }
    }
}

impl<T: Input> FromRequest<Arc<Http>> for MaybeJson<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let reading = collect(body, T::max_bytes(http));
        let bytes = tokio::time::timeout(BODY, reading).await.map_err(|_| Refusal::TooSlow)??;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        if !may_be_json(&parts.headers) {
            return Err(Refusal::WrongContent);
        }
        parse(&bytes).map(|body| Self(Some(body))).map_err(|reason| Fault::BadRequest(reason).into())
    }
}

async fn collect(body: Body, max_bytes: usize) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut collected = BytesMut::new();
    let mut total_bytes = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk =
            chunk.map_err(|error| Fault::BadRequest(format!("the body did not come whole: {error}; send it again")))?;
        total_bytes = total_bytes.saturating_add(chunk.len());
        if total_bytes <= max_bytes {
            collected.extend_from_slice(&chunk);
        } else if total_bytes > max_bytes + TOO_LONG_BYTES {
            break;
        }
    }
    if total_bytes > max_bytes { Err(Refusal::BodyTooLarge { max_bytes }) } else { Ok(collected.freeze()) }
}

/// A body without a type is taken at its word. The types that a page of another site can send without being asked
/// are none of JSON's.
fn may_be_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("the body is no UTF-8: {error}"))?;
    if !text.trim_start().starts_with('{') {
        return Err("the body must be one JSON object".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let body = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        if path == "." { error.inner().to_string() } else { format!("`{path}`: {}", error.inner()) }
    })?;
    deserializer.end().map_err(|error| error.to_string())?;
    if data::depth(text) > DEPTH_MAX {
        return Err(format!("JSON may be nested {DEPTH_MAX} deep at most"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use hubbub_shared::Data;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Posting {
        data: Data,
        #[serde(default)]
        key: Option<String>,
    }

    #[test]
    fn data_passes_through_as_text() {
        let posting: Posting = parse(br#" {"data": {"n": 1e999, "s": "a b"}, "other": 1} "#).unwrap();
        assert_eq!(posting.data.as_json(), r#"{"n":1e999,"s":"a b"}"#);
        assert_eq!(posting.key, None);
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        let reason = |body: &str| parse::<Posting>(body.as_bytes()).unwrap_err();
        assert!(reason("").contains("one JSON object"));
        assert!(reason("[1]").contains("one JSON object"));
        assert!(reason("{").contains("EOF"));
        assert!(reason("{}").contains("missing field `data`"));
        assert!(reason(r#"{"data":1,"data":2}"#).contains("duplicate field `data`"));
        assert!(reason(r#"{"data":1,"key":7}"#).starts_with("`key`: invalid type"));
        assert!(reason(r#"{"data":1} x"#).contains("trailing"));
        let deep = format!(r#"{{"data":{}{}}}"#, "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(reason(&deep).contains("nested 64 deep"));
    }

    #[test]
    fn the_types_that_a_foreign_form_can_send_are_not_taken_for_json() {
        let is_json = |kind: &'static str| {
            may_be_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, axum::http::HeaderValue::from_static(kind))]))
        };
        for kind in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(kind), "{kind}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            assert!(!is_json(kind), "{kind}");
        }
        assert!(may_be_json(&HeaderMap::new()));
    }
}
