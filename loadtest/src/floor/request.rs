//! What clients ask of the floor, and the answers that need no room.

use std::borrow::Cow;

use hubbub_shared::ErrorCode;
use hubbub_shared::limits::Limits;
use hubbub_shared::server_frame::{ErrorFrame, Left, Me, ServerFrame, Welcome};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The floor sends no signs of life, and nobody should wait for one.
const HEARTBEAT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Any frame of a client, as far as the floor looks into it.
#[derive(Debug, Deserialize)]
pub(super) struct Request<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) id: Option<u32>,
    #[serde(default, borrow)]
    pub(super) room: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) key: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(default = "yes")]
    pub(super) echo: bool,
    /// Only whether it is there: nothing can be gone on from here.
    #[serde(default, borrow)]
    pub(super) since: Option<Cow<'a, str>>,
}

fn yes() -> bool {
    true
}

/// The user of a connection.
pub(super) fn user(number: usize) -> String {
    format!("guest:{number:016}")
}

impl Request<'_> {
    pub(super) fn welcome(&self, number: usize, time: u64) -> String {
        ServerFrame::Welcome(Welcome {
            id: self.id,
            connection: format!("{number:016x}"),
            replica: "floor".to_owned(),
            time,
            expires_at: None,
            user: Me { id: user(number), name: None },
            session: None,
            heartbeat_ms: HEARTBEAT_MS,
            limits: Limits::DEFAULT,
        })
        .encode()
    }

    pub(super) fn left(&self, room: &str) -> String {
        ServerFrame::Left(Left { id: self.id, room: room.to_owned() }).encode()
    }

    pub(super) fn refused(&self) -> String {
        ServerFrame::Error(ErrorFrame {
            id: self.id,
            code: ErrorCode::BadRequest,
            message: "the floor knows only hello, join, leave and send".to_owned(),
            retry_after_ms: None,
        })
        .encode()
    }
}
