//! What the bus brings to a replica: bounded queues, one per worker of the hub, in order or with a word that something
//! was missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hubbub_shared::RoomName;
use tokio::sync::{Notify, mpsc};

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
    missed: Arc<Missed>,
}

/// A mark beside a queue that takes no place in it and wakes its reader.
#[derive(Debug, Default)]
struct Missed {
    marked: AtomicBool,
    wake: Notify,
}

/// A worker's end of one queue.
#[derive(Debug)]
pub struct NewsReceiver {
    receiver: mpsc::Receiver<Envelope>,
    missed: Arc<Missed>,
}

/// Makes `workers` queues of `capacity` envelopes each.
pub fn channel(workers: usize, capacity: usize) -> (NewsSender, Vec<NewsReceiver>) {
    let (queues, receivers) = (0..workers.max(1))
        .map(|_| {
            let (sender, receiver) = mpsc::channel(capacity);
            let missed = Arc::new(Missed::default());
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
            queue.missed.mark();
        }
    }

    /// Says that envelopes of any room may have been lost, as after a reconnect of the bus.
    pub fn missed(&self) {
        for queue in self.queues.iter() {
            queue.missed.mark();
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

impl Missed {
    fn mark(&self) {
        // Only the first mark wakes; the reader sees to all that came before it looked.
        if !self.marked.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }
}

impl NewsReceiver {
    /// The next piece of news; `None` once the bus is gone and the queue is empty. Nothing is lost when the future is
    /// dropped.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            if self.missed.marked.swap(false, Ordering::AcqRel) {
                return Some(News::Missed);
            }
            tokio::select! {
                biased;
                () = self.missed.wake.notified() => {}
                envelope = self.receiver.recv() => {
                    // The last sender may have marked the queue on its way out.
                    if envelope.is_none() && self.missed.marked.swap(false, Ordering::AcqRel) {
                        return Some(News::Missed);
                    }
                    return envelope.map(News::Envelope);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use hubbub_shared::Data;
    use tokio::time::timeout;

    use super::*;
    use crate::broker::Payload;

    fn signal(number: u64) -> Envelope {
        let data = Data::from_json(&number.to_string()).unwrap();
        Envelope {
            room: RoomName::new("general").unwrap(),
            origin: None,
            payload: Payload::Signal { from: None, data },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_reported_and_the_rest_comes_in_order() {
        let (sender, mut receivers) = channel(1, 2);
        for number in 0..4 {
            sender.send(signal(number));
        }
        assert!(matches!(receivers[0].next().await, Some(News::Missed)));
        for number in 0..2 {
            assert!(matches!(receivers[0].next().await, Some(News::Envelope(envelope)) if envelope == signal(number)));
        }
        assert!(receivers[0].next().now_or_never().is_none(), "a mark is read once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_sleeps_on_an_empty_queue_is_woken_by_a_mark() {
        let (sender, mut receivers) = channel(2, 2);
        for receiver in &mut receivers {
            let (woken, ()) = tokio::join!(timeout(Duration::from_mins(1), receiver.next()), async {
                tokio::task::yield_now().await;
                sender.missed();
            });
            assert!(matches!(woken, Ok(Some(News::Missed))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_without_a_bus_gives_what_it_holds_and_then_ends() {
        let (sender, mut receivers) = channel(1, 1);
        sender.send(signal(0));
        sender.send(signal(1));
        drop(sender);
        assert!(matches!(receivers[0].next().await, Some(News::Missed)));
        assert!(matches!(receivers[0].next().await, Some(News::Envelope(_))));
        assert!(receivers[0].next().await.is_none());
    }
}
