//! What all generators of a run found together, and how it is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::super::memory::Memory;
use crate::plot::{number, short};
use crate::report::Report;

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Many {
    pub(super) asked: u64,
    pub(super) connected: u64,
    pub(super) replicas: u64,
    /// Why there were not more.
    pub(super) limit: String,
    pub(super) connect_s: f64,
    /// Connections a second, of each replica in its turn.
    pub(super) crowds_per_second: Vec<f64>,
    pub(super) replicas_bytes: u64,
    pub(super) generators_bytes: u64,
    pub(super) redis_bytes: u64,
    /// What the machine had in use more than before.
    pub(super) machine: Memory,
    pub(super) messages: Vec<Message>,
    /// Deliveries that were lost, and what else broke a promise.
    pub(super) lost: u64,
    pub(super) breaches: u64,
    /// Clients that were not in the room at the end.
    pub(super) gone: u64,
}

/// One message to all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Message {
    pub(super) deliveries: u64,
    /// From when it was due to its first and to its last delivery.
    pub(super) first_ms: f64,
    pub(super) last_ms: f64,
}

/// The moments of each message, of all generators that were added, in microseconds of Unix time.
#[derive(Debug, Default)]
pub(super) struct Broadcasts {
    messages: BTreeMap<u64, Moments>,
    lost: u64,
    breaches: u64,
    gone: u64,
}

#[derive(Debug, Default)]
struct Moments {
    due_us: u64,
    first_us: Option<u64>,
    last_us: u64,
    deliveries: u64,
}

impl Broadcasts {
    /// Takes in what one generator found.
    pub(super) fn add(&mut self, report: &Report) {
        self.lost += report.ledger.lost;
        self.breaches += report.ledger.breaches();
        self.gone += report.connections.came.saturating_sub(report.connections.stayed);
        for broadcast in &report.broadcasts {
            let moments = self.messages.entry(broadcast.message).or_default();
            if broadcast.due_unix_us > 0 {
                moments.due_us = broadcast.due_unix_us;
            }
            let first_us = moments.first_us.map_or(broadcast.first_unix_us, |first| first.min(broadcast.first_unix_us));
            moments.first_us = Some(first_us);
            moments.last_us = moments.last_us.max(broadcast.last_unix_us);
            moments.deliveries += broadcast.deliveries;
        }
    }

    pub(super) fn finish(self, many: &mut Many) {
        (many.lost, many.breaches, many.gone) = (self.lost, self.breaches, self.gone);
        let ms = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1_000.0;
        let messages = self.messages.into_values().map(|moments| Message {
            deliveries: moments.deliveries,
            first_ms: ms(moments.due_us, moments.first_us.unwrap_or_default()),
            last_ms: ms(moments.due_us, moments.last_us),
        });
        many.messages = messages.collect();
    }
}

impl fmt::Display for Many {
    /// As a table for a page.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: u64| number(count as f64);
        let connections = self.connected.max(1) as f64;
        let each = |bytes: u64| {
            format!(
                "{} GiB, {} KiB each",
                short(bytes as f64 / f64::from(1 << 30)),
                short(bytes as f64 / 1024.0 / connections)
            )
        };
        let rate = |rate: f64| number(rate.round());
        let of_all = self.connected as f64 / self.connect_s.max(0.001);
        let slowest = self.crowds_per_second.iter().copied().min_by(f64::total_cmp).unwrap_or_default();
        writeln!(f, "| what | found |\n|---|---|")?;
        writeln!(
            f,
            "| connections | {} of {} that were asked for, with {} replicas |",
            count(self.connected),
            count(self.asked),
            self.replicas
        )?;
        writeln!(f, "| what ended it | {} |", self.limit)?;
        writeln!(
            f,
            "| time to connect, one replica after the other | {} s, which is {} a second; {} with the slowest replica |",
            short(self.connect_s),
            rate(of_all),
            rate(slowest)
        )?;
        for (name, bytes) in [
            ("resident memory of the replicas", self.replicas_bytes),
            ("of the generators", self.generators_bytes),
            ("of Redis", self.redis_bytes),
            ("the kernel's objects (slab), for both ends", self.machine.slab_bytes),
            ("the kernel's page tables", self.machine.page_tables_bytes),
            ("what waits in the buffers of TCP", self.machine.tcp_buffers_bytes),
            ("all that the machine has more in use", self.machine.used_bytes),
        ] {
            writeln!(f, "| {name} | {} |", each(bytes))?;
        }
        writeln!(f, "| TCP sockets | {} |", count(self.machine.tcp_sockets))?;
        for (place, message) in self.messages.iter().enumerate() {
            writeln!(
                f,
                "| message {} to all | {} deliveries; the first {} ms after it was due, the last {} ms |",
                place + 1,
                count(message.deliveries),
                short(message.first_ms),
                short(message.last_ms)
            )?;
        }
        writeln!(
            f,
            "| ledger | {} lost, {} promises broken otherwise, {} clients gone |",
            self.lost, self.breaches, self.gone
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_what_each_connection_took() {
        let message = Message { deliveries: 100, first_ms: 1.0, last_ms: 25.5 };
        let many = Many {
            asked: 2_048,
            connected: 1_024,
            replicas: 2,
            limit: "memory".to_owned(),
            connect_s: 4.0,
            crowds_per_second: vec![1_000.0, 300.0, 3_000.0],
            replicas_bytes: 7 << 20,
            messages: vec![message],
            ..Many::default()
        };
        let text = many.to_string();
        assert!(text.contains("1,024 of 2,048") && text.contains("7 KiB each"), "{text}");
        assert!(text.contains("| 4 s, which is 256 a second; 300 with the slowest replica |"), "{text}");
        assert!(
            text.contains("| message 1 to all | 100 deliveries; the first 1 ms after it was due, the last 25.5 ms |")
        );
    }
}
