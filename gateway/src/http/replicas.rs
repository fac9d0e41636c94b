//! The replicas that act as one: `/v1/replicas`.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::ApiKey;
use super::refusal::ErrorAnswer;
use super::{Http, Refusal};
use crate::rooms::allowance::Activity;

/// The replicas that act as one.
#[derive(Debug, Serialize, ToSchema)]
pub struct KnownReplicas {
    /// The oldest first.
    replicas: Vec<KnownReplica>,
}

/// A replica, as it announced itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Replica)]
pub struct KnownReplica {
    /// The id, as `welcome` gives it.
    id: String,
    /// Where it listens.
    address: String,
    /// The version of the gateway.
    version: String,
    /// Connections that are welcome there.
    connections: u64,
    /// Rooms that are open there.
    rooms: u64,
    /// When it began, Unix milliseconds.
    began_at: u64,
    /// How long ago it said so. It does so every 3 s, and is no longer listed after 10 s.
    age_ms: u64,
}

/// List the replicas.
#[utoipa::path(
    get, path = "/v1/replicas", tag = "operation",
    responses(
        (status = 200, body = KnownReplicas),
        (status = "default", description = "See `error.code`", body = ErrorAnswer),
    ),
    security(("api_key" = [])),
)]
pub async fn list(State(http): State<Arc<Http>>, api_key: ApiKey) -> Result<axum::Json<KnownReplicas>, Refusal> {
    http.context.rooms.admit(&api_key.caller(None), Activity::Request).await?;
    let replicas = http.replicas.list().await?.into_iter().map(|replica| KnownReplica {
        id: replica.announcement.id,
        address: replica.announcement.address.to_string(),
        version: replica.announcement.version,
        connections: replica.announcement.connections,
        rooms: replica.announcement.rooms,
        began_at: replica.announcement.began_ms,
        age_ms: replica.age_ms,
    });
    Ok(axum::Json(KnownReplicas { replicas: replicas.collect() }))
}
