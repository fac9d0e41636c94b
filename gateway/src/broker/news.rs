//! What the bus brings to a replica: bounded queues, one per worker of the hub, in order or with a word that something
//! was missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hubbub_shared::RoomName;
use tokio::sync::mpsc;

use super::Envelope;

/// One piece of news.
#[derive(Debug, Clone)]
pub enum News {
    /// Something happened in a room.
    Envelope(Envelope),
    /// Envelopes of any room of this queue may have been lost: compare positions with the log.
    Missed,
}

/// The bus's end of a replica's queues. Never waits: what does not fit is dropped, and the queue's reader hears of it
/// as [`News::Missed`].
#[derive(Debug, Clone)]
pub struct NewsSender {
    queues: Arc<[Queue]>,
}

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<Envelope>,
    missed: Arc<AtomicBool>,
}

/// A worker's end of one queue.
#[derive(Debug)]
pub struct NewsReceiver {
    receiver: mpsc::Receiver<Envelope>,
    missed: Arc<AtomicBool>,
}

/// Makes `workers` queues of `capacity` envelopes each.
pub fn channel(workers: usize, capacity: usize) -> (NewsSender, Vec<NewsReceiver>) {
    let (queues, receivers) = (0..workers.max(1))
        .map(|_| {
            let (sender, receiver) = mpsc::channel(capacity);
            let missed = Arc::new(AtomicBool::new(false));
            (Queue { sender, missed: missed.clone() }, NewsReceiver { receiver, missed })
        })
        .collect::<(Vec<_>, Vec<_>)>();
    (NewsSender { queues: queues.into() }, receivers)
}

impl NewsSender {
    /// Hands an envelope to the worker of its room.
    pub fn send(&self, envelope: Envelope) {
        let queue = &self.queues[self.worker_of(&envelope.room)];
        if queue.sender.try_send(envelope).is_err() {
            // The queue is full, so its reader is awake and will see the mark.
            queue.missed.store(true, Ordering::Release);
        }
    }

    /// Says that envelopes of any room may have been lost, as after a reconnect of the bus.
    pub fn missed(&self) {
        for queue in self.queues.iter() {
            queue.missed.store(true, Ordering::Release);
        }
    }

    /// Which worker owns a room.
    pub fn worker_of(&self, room: &RoomName) -> usize {
        // Any even spread will do, and it must not change while the replica lives.
        let hash = room
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        (hash % self.queues.len() as u64) as usize
    }
}

impl NewsReceiver {
    /// The next piece of news; `None` once the bus is gone and the queue is empty.
    pub async fn next(&mut self) -> Option<News> {
        if self.missed.swap(false, Ordering::AcqRel) {
            return Some(News::Missed);
        }
        self.receiver.recv().await.map(News::Envelope)
    }
}
