//! The configuration: one section per part of the gateway, and every fault reported at once, before a port is bound.

pub mod server;

pub mod connection;

pub mod auth;
pub mod secret;

pub mod rooms;

pub mod limits;

pub mod hub;

pub mod broker;
pub mod redis;

pub mod log;

mod check;
mod fault;
mod known;
mod load;
mod setting;
mod source;
mod text;
mod warnings;

#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;

pub use auth::{ApiKeyConfig, ApiKeyHash, AuthConfig, DEVELOPMENT_SECRET, Guests};
pub use broker::BrokerConfig;
pub use connection::ConnectionConfig;
pub use fault::{Fault, Faults};
pub use hub::HubConfig;
pub use known::MANUAL;
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat};
pub use redis::RedisConfig;
pub use rooms::RoomKindConfig;
pub use secret::Secret;
pub use server::ServerConfig;
pub use source::{Source, Sources};
pub(crate) use text::room_pattern;

use serde::Deserialize;

use crate::kinds::Kinds;

/// Everything that can be configured. `config/default.toml` is its manual and holds the same defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the gateway listens and whom it trusts in front of it.
    pub server: ServerConfig,
    /// What one connection may take.
    pub connection: ConnectionConfig,
    /// Who may log in, and with what.
    pub auth: AuthConfig,
    /// The kinds of rooms; the first whose pattern matches a room's name holds. `Config::kinds` knows what holds where
    /// none does.
    pub rooms: Vec<RoomKindConfig>,
    /// How often somebody may do something.
    pub limits: LimitsConfig,
    /// The rooms of this replica.
    pub hub: HubConfig,
    /// The log of the rooms and the bus between the replicas.
    pub broker: BrokerConfig,
    /// The backend that many replicas share.
    pub redis: RedisConfig,
    /// What is logged, and how.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            connection: ConnectionConfig::default(),
            auth: AuthConfig::default(),
            rooms: vec![RoomKindConfig::default()],
            limits: LimitsConfig::default(),
            hub: HubConfig::default(),
            broker: BrokerConfig::default(),
            redis: RedisConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Config {
    /// Whether guests may log in: always, never, or because the gateway listens on a loopback address.
    pub fn guests_allowed(&self) -> bool {
        match self.auth.guests {
            Guests::Always => true,
            Guests::Never => false,
            Guests::Loopback => self.server.listen.ip().is_loopback(),
        }
    }

    /// The rules of every kind of rooms.
    pub fn kinds(&self) -> Kinds {
        rooms::kinds(&self.rooms)
    }
}
