//! What the writer of a connection takes out.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::MutexGuard;

use super::Outbox;
use super::state::State;

/// How much was taken out of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// A part of what is queued.
    Part,
    /// All that is queued, if anything.
    All,
    /// All that will ever be queued: the outbox is closed.
    Last,
}

impl Outbox {
    /// Whether there is something to write; false once the outbox is closed and empty. The waker stays: it is woken
    /// whenever an empty outbox gets something to write, until another takes its place.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.state.lock();
        if !state.is_empty() {
            return Poll::Ready(true);
        }
        if state.closed {
            return Poll::Ready(false);
        }
        state.awaited_by(cx.waker());
        Poll::Pending
    }

    /// Waits until there is something to write; false once the outbox is closed and empty.
    pub async fn wait_readable(&self) -> bool {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Takes the next frame to write.
    pub fn take(&self) -> Option<Bytes> {
        let mut state = self.state.lock();
        let frame = state.pop()?;
        self.tell_of_room(state);
        Some(frame)
    }

    /// From here on this one is woken whenever the outbox was empty and gets something to write, and when it is closed.
    pub fn wakes(&self, reader: Waker) {
        self.state.lock().reader = Some(reader);
    }

    /// Takes the next frames to write until they are so many bytes together, and adds them to `frames`.
    pub fn take_batch(&self, bytes: usize, frames: &mut Vec<Bytes>) -> Batch {
        let mut state = self.state.lock();
        let mut taken_bytes = 0;
        while taken_bytes < bytes
            && let Some(frame) = state.pop()
        {
            taken_bytes += frame.len();
            frames.push(frame);
        }
        let batch = match (state.is_empty(), state.closed) {
            (true, true) => Batch::Last,
            (true, false) => Batch::All,
            (false, _) => Batch::Part,
        };
        if taken_bytes > 0 {
            self.tell_of_room(state);
        }
        batch
    }

    /// Wakes those who found no room, once there is.
    pub(super) fn tell_of_room(&self, mut state: MutexGuard<'_, State>) {
        let used_bytes = state.used_bytes();
        let enough = state.wanted_below.take_if(|wanted_below| used_bytes <= *wanted_below).is_some();
        drop(state);
        if enough {
            self.drained.notify_waiters();
        }
    }

    /// Bytes that are queued.
    pub fn queued_bytes(&self) -> usize {
        self.state.lock().queued_bytes()
    }

    /// Nothing more is taken in; what is queued may still be written.
    pub fn close(&self) {
        let reader = {
            let mut state = self.state.lock();
            state.closed = true;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        self.drained.notify_waiters();
    }
}
