//! `[redis]`: the backend that many replicas share.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::text;
use crate::redis::RedisUrl;

/// The backend that many replicas share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where it is; absent: everything is kept in this process, which is then the only replica.
    #[serde(deserialize_with = "text::parsed_unless_empty")]
    pub url: Option<RedisUrl>,
    /// What the names of all keys and channels begin with.
    pub prefix: String,
    /// A PEM file of the certificate authorities that its servers are checked with; absent: the system's.
    #[serde(deserialize_with = "text::path_unless_empty")]
    pub ca_file: Option<PathBuf>,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self { url: None, prefix: "hb".to_owned(), ca_file: None }
    }
}
