//! Hubbub: a self-hosted real-time gateway for chat, presence and notifications.
//!
//! Modules in reading order, from the outside in; `ARCHITECTURE.md` has the map.

pub mod cli;
pub mod config;

pub mod app;
pub mod lifecycle;

pub mod http;
pub mod transport;

pub mod dialect;

pub mod connection;

pub mod rooms;

pub mod auth;
pub mod control;
pub mod fault;
pub mod hub;

pub mod broker;
pub mod limits;
pub mod locks;
pub mod presence;
pub mod sessions;

pub mod kinds;
pub mod telemetry;

pub mod clock;
pub mod grants;
pub mod ids;
pub mod random;
