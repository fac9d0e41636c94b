//! What outboxes count: plain atomics, because it happens for every recipient of every entry.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// What all outboxes of a replica count together.
#[derive(Debug, Clone)]
pub struct OutboxMetrics {
    deliveries: Counter,
    frames: Counter,
    bytes: Counter,
    dropped_signals: Counter,
    dropped_presence: Counter,
    dropped_entries: Counter,
    dropped: Family<KindLabel, Counter>,
}

/// What has happened in an outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries that were queued.
    pub delivered: u64,
    /// Signals and receipts that were lost for want of room.
    pub dropped_signals: u64,
    /// Presence updates that were lost for want of room, which is told.
    pub dropped_presence: u64,
    /// Entries that were given up for want of room and are read again.
    pub dropped_entries: u64,
}

impl Default for OutboxMetrics {
    fn default() -> Self {
        let dropped = Family::<KindLabel, Counter>::default();
        let of = |kind| dropped.get_or_create_owned(&KindLabel { kind });
        Self {
            deliveries: Counter::default(),
            frames: Counter::default(),
            bytes: Counter::default(),
            dropped_signals: of("signal"),
            dropped_presence: of("presence"),
            dropped_entries: of("entry"),
            dropped,
        }
    }
}

impl OutboxMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("deliveries", "Entries that were queued for a client", self.deliveries.clone());
        registry.register("frames_written", "Frames that were handed to sockets", self.frames.clone());
        registry.register("written_bytes", "Bytes of those frames", self.bytes.clone());
        registry.register(
            "dropped",
            "Frames that a full outbox gave up; entries among them are read again once the client has drained",
            self.dropped.clone(),
        );
    }

    /// Something has happened in an outbox.
    pub fn add(&self, tally: Tally) {
        let Tally { delivered, dropped_signals, dropped_presence, dropped_entries } = tally;
        for (counter, by) in [
            (&self.deliveries, delivered),
            (&self.dropped_signals, dropped_signals),
            (&self.dropped_presence, dropped_presence),
            (&self.dropped_entries, dropped_entries),
        ] {
            if by > 0 {
                counter.inc_by(by);
            }
        }
    }

    /// Frames were handed to a socket.
    pub fn wrote(&self, frames: u64, bytes: u64) {
        self.frames.inc_by(frames);
        self.bytes.inc_by(bytes);
    }
}
