//! The way out: everything that waits when the writer wakes goes out in one flush.

use futures_util::{Sink, SinkExt};

use super::link::Outgoing;
use crate::hub::outbox::Outbox;

/// How much is handed to the socket before it must have taken it.
const BATCH_BYTES: usize = 64 * 1024;

/// Writes what is queued until the outbox is closed and empty, or the client is gone.
pub async fn write_all<W: Sink<Outgoing> + Unpin>(writer: &mut W, outbox: &Outbox) -> Result<(), W::Error> {
    while outbox.wait_readable().await {
        let (mut frames, mut batch_bytes) = (0, 0);
        while batch_bytes < BATCH_BYTES
            && let Some(frame) = outbox.take()
        {
            frames += 1;
            batch_bytes += frame.len();
            writer.feed(Outgoing::Frame(frame)).await?;
        }
        outbox.metrics().wrote(frames, batch_bytes as u64);
        writer.flush().await?;
    }
    Ok(())
}
