//! Hubbub: a self-hosted real-time gateway for chat, presence and notifications.
//!
//! Modules in reading order, from the outside in. A module calls only those below it; a test keeps it so, and
//! `ARCHITECTURE.md` has the map.

pub mod app;
pub mod cli;

pub mod transport;

pub mod http;
pub mod lifecycle;

pub mod dialect;

pub mod connection;

pub mod rooms;

pub mod control;
pub mod hub;

pub mod telemetry;

pub mod config;

pub mod fault;
pub mod kinds;

pub mod auth;

pub mod presence;

pub mod broker;
pub mod limits;
pub mod locks;
pub mod replicas;
pub mod sessions;

pub mod redis;

pub mod grants;

pub mod ids;

pub mod clock;
pub mod random;
