//! Paths and queries, and the names in them.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use hubbub_shared::{Position, RoomName, UserId};
use serde::de::DeserializeOwned;

use super::{Http, Refusal};
use crate::fault::Fault;

/// What a path names.
#[derive(Debug)]
pub struct InPath<T>(pub T);

/// What stands behind the question mark.
#[derive(Debug)]
pub struct InQuery<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Http>> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refusal> {
        let read = Path::from_request_parts(parts, http).await;
        read.map(|Path(inner)| Self(inner))
            .map_err(|error: PathRejection| Fault::BadRequest(format!("the path cannot be read: {error}")).into())
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<Http>> for InQuery<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, Refusal> {
        let read = Query::from_request_parts(parts, http).await;
        read.map(|Query(inner)| Self(inner))
            .map_err(|error: QueryRejection| Fault::BadRequest(format!("the query cannot be read: {error}")).into())
    }
}

pub(super) fn room_name(text: &str) -> Result<RoomName, Fault> {
    Ok(RoomName::new(text)?)
}

pub(super) fn user_id(text: &str, field: &str) -> Result<UserId, Fault> {
    UserId::new(text).map_err(|error| Fault::BadRequest(format!("`{field}` is no user id: {error}")))
}

pub(super) fn position(text: &str, field: &str) -> Result<Position, Fault> {
    text.parse().map_err(|error| Fault::BadRequest(format!("`{field}`: {error}")))
}
