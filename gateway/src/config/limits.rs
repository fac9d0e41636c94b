//! `[limits]`: how often somebody may do something. A quota that is absent limits nothing; `"off"` in the file.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::limits::Quota;

/// How often somebody may do something, on all replicas together.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Entries of one user.
    #[serde(deserialize_with = "quota")]
    pub user_send: Option<Quota>,
    /// Signals of one user.
    #[serde(deserialize_with = "quota")]
    pub user_signal: Option<Quota>,
    /// Everything else that one user asks for.
    #[serde(deserialize_with = "quota")]
    pub user_request: Option<Quota>,
    /// All that comes from one address.
    #[serde(deserialize_with = "quota")]
    pub address_request: Option<Quota>,
    /// Hellos from one address.
    #[serde(deserialize_with = "quota")]
    pub address_hello: Option<Quota>,
    /// Entries in one room.
    #[serde(deserialize_with = "quota")]
    pub room_send: Option<Quota>,
    /// Entries of one user in one room.
    #[serde(deserialize_with = "quota")]
    pub user_room_send: Option<Quota>,
    /// Calls with one API key.
    #[serde(deserialize_with = "quota")]
    pub api: Option<Quota>,
    /// A connection that was refused this often within the window is closed with 4009.
    pub penalty_strikes: u32,
    /// The window in which refusals are counted.
    pub penalty_window_ms: u64,
    /// The `retry_after_ms` of that close.
    pub penalty_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let quota = |per_s, burst| Some(Quota { per_s, burst });
        Self {
            user_send: quota(10.0, 40),
            user_signal: quota(10.0, 40),
            user_request: quota(50.0, 500),
            address_request: quota(2_000.0, 10_000),
            address_hello: quota(200.0, 2_000),
            room_send: quota(500.0, 2_000),
            user_room_send: quota(5.0, 30),
            api: quota(2_000.0, 5_000),
            penalty_strikes: 200,
            penalty_window_ms: 10_000,
            penalty_ms: 5_000,
        }
    }
}

/// A quota, or `"off"`: no limit.
fn quota<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quota>, D::Error> {
    deserializer.deserialize_any(QuotaVisitor)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    per_s: f64,
    burst: u32,
}

struct QuotaVisitor;

impl<'de> Visitor<'de> for QuotaVisitor {
    type Value = Option<Quota>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"off\" or a table such as { per_s = 10.0, burst = 40 }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<Quota>, E> {
        if text == "off" { Ok(None) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<Quota>, A::Error> {
        let Rate { per_s, burst } = Rate::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Some(Quota { per_s, burst }))
    }
}
