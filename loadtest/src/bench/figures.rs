//! The figures of a report.

use std::collections::BTreeMap;

use super::part::Figure;
use crate::report::Report;
use crate::servers::{Usage, sum};

/// Everything that can be told of a run; what was not measured is missing. The first `gateways` of the watched processes are
/// the gateways, and a Redis may follow.
pub(super) fn of(report: &Report, gateways: usize) -> BTreeMap<Figure, f64> {
    let connections = &report.connections;
    let sent = report.messages.sent > 0;
    let delivered = &report.latencies.delivered;
    let split = |usages: &'_ [Usage]| {
        let (gateways, others) = usages.split_at(gateways.min(usages.len()));
        (gateways.to_vec(), others.to_vec())
    };
    let ((sending, redis), (connecting, _)) = (split(&report.servers.sending), split(&report.servers.connecting));
    let returns = report.returns.as_ref();
    let figures = [
        (Figure::DeliveriesPerSecond, sent.then_some(report.deliveries.per_second)),
        (Figure::MessagesPerSecond, sent.then_some(report.plan.messages_per_second)),
        (Figure::CpuUsPerDelivery, sum(&sending, |each| each.cpu_us_per_delivery)),
        (Figure::RedisCpuUsPerDelivery, sum(&redis, |each| each.cpu_us_per_delivery)),
        (Figure::SystemCallsPerDelivery, sum(&sending, |each| each.system_calls_per_delivery)),
        (Figure::DeliveredP50Ms, (delivered.count > 0).then_some(delivered.p50_ms)),
        (Figure::DeliveredP99Ms, (delivered.count > 0).then_some(delivered.p99_ms)),
        (Figure::GeneratorShare, Some(share(report))),
        (
            Figure::KibPerConnection,
            at_rest(&connecting, &sending).map(|bytes| bytes / 1024.0 / connections.came.max(1) as f64),
        ),
        (Figure::HandshakesPerSecond, Some(connections.handshakes_per_second)),
        (Figure::FailedHandshakes, Some(report.failures.values().sum::<u64>() as f64)),
        (Figure::CpuUsPerConnection, sum(&connecting, |each| each.cpu_us_per_connection)),
        (Figure::PlainReturnMs, returns.map(|returns| returns.plain_ms)),
        (Figure::RecoveryMs, returns.map(|returns| returns.recovered_ms)),
        (Figure::RecoveryRatio, returns.and_then(|returns| returns.ratio)),
        (
            Figure::Unrecovered,
            returns.map(|returns| returns.clients.saturating_sub(report.latencies.recovered.count) as f64),
        ),
    ];
    figures.into_iter().filter_map(|(figure, value)| Some((figure, value?))).collect()
}

/// While messages were sent, or, where none were, while clients connected.
fn share(report: &Report) -> f64 {
    let generator = &report.generator;
    if report.messages.sent > 0 {
        return generator.busiest_thread_share;
    }
    let threads_ms = (report.connections.connect_ms * generator.threads.max(1)).max(1);
    generator.connect_cpu_ms as f64 / threads_ms as f64
}

/// What the gateways take more at the end, when nobody says anything, than they took empty.
fn at_rest(connecting: &[Usage], sending: &[Usage]) -> Option<f64> {
    let grown = std::iter::zip(connecting, sending).map(|(connecting, sending)| {
        let (connecting, sending) = (connecting.figures.as_ref()?, sending.figures.as_ref()?);
        let empty = connecting.resident_bytes as f64 - connecting.resident_grown_bytes as f64;
        Some(sending.resident_bytes as f64 - empty)
    });
    let grown: Option<Vec<f64>> = grown.collect();
    grown.filter(|each| !each.is_empty()).map(|each| each.iter().sum())
}
