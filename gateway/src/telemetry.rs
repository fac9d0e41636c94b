//! What operators see: logs and metrics.

pub mod metrics;
