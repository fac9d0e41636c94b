//! The configuration, as each layer wants it.

use std::time::Duration;

use crate::auth::api_keys::{ApiKeyName, ApiKeys};
use crate::config::{AuthConfig, Config, HubConfig, LimitsConfig};
use crate::connection::ConnectionSettings;
use crate::hub::HubSettings;
use crate::rooms::Quotas;

/// How many workers the hub has: as configured, or one per core.
pub(super) fn workers(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

pub(super) fn api_keys(config: &AuthConfig) -> ApiKeys {
    ApiKeys::new(config.api_keys.iter().map(|key| (ApiKeyName::new(&key.name), *key.hash.as_bytes())))
}

pub(super) fn hub(config: &HubConfig) -> HubSettings {
    HubSettings {
        ring_entries: config.ring_entries,
        ring_bytes: config.ring_bytes,
        ring_total_bytes: config.ring_total_bytes,
        linger: Duration::from_millis(config.linger_ms),
        presence_grace: Duration::from_millis(config.presence_grace_ms),
        presence_interval: Duration::from_millis(config.presence_interval_ms),
        log_reads_max: config.log_reads_max,
        head_check: Duration::from_millis(config.head_check_ms),
    }
}

pub(super) fn connection(config: &Config) -> ConnectionSettings {
    ConnectionSettings {
        hello_timeout: Duration::from_millis(config.connection.hello_timeout_ms),
        heartbeat: Duration::from_millis(config.connection.heartbeat_ms),
        slow_grace: Duration::from_millis(config.connection.slow_grace_ms),
        outbox_bytes: config.connection.outbox_bytes,
        wire: config.connection.limits(),
        guests: config.guests_allowed(),
        penalty_strikes: config.limits.penalty_strikes,
        penalty_window: Duration::from_millis(config.limits.penalty_window_ms),
        penalty: Duration::from_millis(config.limits.penalty_ms),
    }
}

pub(super) fn quotas(config: &LimitsConfig) -> Quotas {
    Quotas {
        user_send: config.user_send,
        user_signal: config.user_signal,
        user_request: config.user_request,
        address_request: config.address_request,
        address_hello: config.address_hello,
        room_send: config.room_send,
        user_room_send: config.user_room_send,
        api: config.api,
    }
}
