//! `[server]`: where the gateway listens and whom it trusts in front of it.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::Deserialize;

use crate::config::text;

/// Where the gateway listens and whom it trusts in front of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address of the WebSocket, the HTTP API and the web client.
    #[serde(deserialize_with = "text::address")]
    pub listen: SocketAddr,
    /// The name of this replica in `welcome`; without one it gives itself a random one.
    #[serde(deserialize_with = "text::unless_empty")]
    pub replica: Option<String>,
    /// Networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    #[serde(deserialize_with = "text::networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Origins besides the gateway's own whose pages may use the session cookie, such as `https://chat.example.org`.
    pub origins: Vec<String>,
    /// Connections that this replica holds at once; beyond, it closes with 4006.
    pub connections_max: usize,
    /// An address of its own for `/metrics`, which is on `listen` when it is absent. The health endpoints are on both.
    #[serde(deserialize_with = "text::address_unless_empty")]
    pub metrics_listen: Option<SocketAddr>,
    /// How long clients have to move to another replica when this one is asked to stop.
    pub drain_ms: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            replica: None,
            trusted_proxies: Vec::new(),
            origins: Vec::new(),
            connections_max: 20_000,
            metrics_listen: None,
            drain_ms: 8_000,
        }
    }
}
