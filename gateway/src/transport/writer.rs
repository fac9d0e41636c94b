//! The way out of one connection: what its outbox holds, written to the socket in as few calls as it takes, by whoever
//! has the turn and without ever waiting.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::flusher::Flusher;
use crate::connection::link::{Gone, Outlet};
use crate::hub::outbox::{Batch, Outbox};

/// How much is taken out of the outbox before the socket must have taken it.
const BATCH_BYTES: usize = 64 * 1024;
/// What may wait of the answers to a client's pings.
const CONTROL_BYTES: usize = 1_024;

/// The first byte of a close frame.
const CLOSE: u8 = 0x88;
/// A control frame carries at most 125 bytes, two of which are the code.
const CLOSE_REASON_BYTES: usize = 123;

/// What a turn needs only while it lasts, so that connections at rest need not hold it.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    frames: Vec<Bytes>,
    bytes: Vec<u8>,
}

impl Scratch {
    /// The frames in one piece.
    fn batch(&mut self) -> &[u8] {
        if let [only] = &self.frames[..] {
            return only;
        }
        self.bytes.clear();
        self.frames.iter().for_each(|frame| self.bytes.extend_from_slice(frame));
        &self.bytes
    }
}

/// The way out of one connection.
#[derive(Debug)]
pub(super) struct Writer {
    socket: TcpStream,
    flusher: Arc<Flusher>,
    /// Whether it stands in line for a turn.
    in_line: AtomicBool,
    line: Mutex<Line>,
    written_bytes: AtomicU64,
    moved: Notify,
}

/// What is on its way into the socket, in this order.
#[derive(Debug, Default)]
struct Line {
    /// What the socket did not take when it was offered.
    rest: Bytes,
    /// Control frames, and the last frames of a connection.
    control: Vec<u8>,
    /// Where the frames come from.
    source: Source,
}

#[derive(Debug, Default)]
enum Source {
    /// From nowhere yet.
    #[default]
    None,
    /// From the outbox.
    Outbox(Arc<Outbox>),
    /// From nowhere any more: the outbox is closed and empty.
    Finished,
    /// From nowhere any more, as a close frame is in line, after which nobody may say anything.
    Closed,
    /// The client is gone.
    Broken,
}

/// What a turn came to.
enum Turn {
    /// All is written.
    Idle,
    /// There is more; the others come first.
    More,
    /// The socket takes no more for now.
    Blocked,
}

impl Writer {
    pub(super) fn new(socket: TcpStream, flusher: Arc<Flusher>) -> Arc<Self> {
        Arc::new(Self {
            socket,
            flusher,
            in_line: AtomicBool::new(false),
            line: Mutex::default(),
            written_bytes: AtomicU64::new(0),
            moved: Notify::new(),
        })
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Puts what the WebSocket itself has to say in line, between two frames. A close frame is the last one. Where pongs
    /// find no room those in line are let go, as a client that pings faster than it is answered is owed only the newest.
    pub(super) fn control(self: &Arc<Self>, mut frames: &[u8]) -> io::Result<()> {
        {
            let mut line = self.line.lock();
            match line.source {
                Source::Closed => return Ok(()),
                Source::Broken => return Err(io::ErrorKind::BrokenPipe.into()),
                Source::None | Source::Outbox(_) | Source::Finished => {}
            }
            if has_close(frames) {
                line.source = Source::Closed;
            } else if line.control.len() + frames.len() > CONTROL_BYTES {
                line.control.clear();
                frames = newest(frames);
            }
            line.control.extend_from_slice(frames);
        }
        self.queue();
        Ok(())
    }

    /// The socket is not used any more, whatever is left in line.
    pub(super) fn abandon(&self) {
        let left = std::mem::replace(&mut *self.line.lock(), Line { source: Source::Broken, ..Line::default() });
        self.moved.notify_one();
        // The outbox may hold the last reference to this writer, so it must not go under the lock.
        drop(left);
    }

    fn queue(self: &Arc<Self>) {
        if !self.in_line.swap(true, Ordering::AcqRel) {
            self.flusher.queue(self.clone());
        }
    }

    /// Writes what there is, as much as the socket takes at once.
    pub(super) fn turn(self: &Arc<Self>, scratch: &mut Scratch) {
        // First, so that whatever comes from here on gets a turn of its own.
        self.in_line.store(false, Ordering::Release);
        let (turn, finished) = {
            let mut line = self.line.lock();
            let turn = self.write(&mut line, scratch);
            let finished = match turn {
                Ok(Turn::Idle) => matches!(line.source, Source::Finished | Source::Closed),
                Ok(Turn::More | Turn::Blocked) | Err(_) => false,
            };
            (turn, finished)
        };
        if finished {
            self.moved.notify_one();
        }
        match turn {
            Ok(Turn::Idle) => {}
            Ok(Turn::More) => self.queue(),
            Ok(Turn::Blocked) => self.wait_writable(),
            Err(error) => {
                tracing::trace!(%error, "a socket takes nothing any more");
                self.abandon();
            }
        }
    }

    /// Gets in line again once the socket takes more.
    fn wait_writable(self: &Arc<Self>) {
        let waker = Waker::from(Arc::new(Writable(Arc::downgrade(self))));
        match self.socket.poll_write_ready(&mut Context::from_waker(&waker)) {
            Poll::Pending => {}
            // An error shows itself when it is written again.
            Poll::Ready(_) => self.queue(),
        }
    }

    fn write(&self, line: &mut Line, scratch: &mut Scratch) -> io::Result<Turn> {
        let Line { rest, control, source, .. } = line;
        if rest.is_empty() && !control.is_empty() {
            *rest = Bytes::from(std::mem::take(control));
        }
        while !rest.is_empty() {
            let taken = self.offer(rest)?;
            rest.advance(taken);
            if !rest.is_empty() {
                return Ok(Turn::Blocked);
            }
            *rest = Bytes::from(std::mem::take(control));
        }
        let Source::Outbox(outbox) = source else { return Ok(Turn::Idle) };
        let left = outbox.take_batch(BATCH_BYTES, &mut scratch.frames);
        if !scratch.frames.is_empty() {
            let frames = scratch.frames.len() as u64;
            let batch = scratch.batch();
            outbox.metrics().wrote(frames, batch.len() as u64);
            let taken = self.offer(batch);
            if let Ok(taken) = taken
                && taken < batch.len()
            {
                *rest = Bytes::copy_from_slice(&batch[taken..]);
            }
            scratch.frames.clear();
            taken?;
        }
        if left == Batch::Last {
            *source = Source::Finished;
        }
        Ok(match left {
            _ if !rest.is_empty() => Turn::Blocked,
            Batch::Part => Turn::More,
            Batch::All | Batch::Last => Turn::Idle,
        })
    }

    /// Offers bytes to the socket once. Answers how many it took.
    fn offer(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.try_write(bytes) {
            Ok(taken) => {
                self.written_bytes.fetch_add(taken as u64, Ordering::Relaxed);
                Ok(taken)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// The outbox has something to write.
impl Wake for Writer {
    fn wake(self: Arc<Self>) {
        if !self.in_line.swap(true, Ordering::AcqRel) {
            self.flusher.clone().queue(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.queue();
    }
}

/// The socket can be written to again. It does not keep the writer alive, which owns the socket that holds this.
struct Writable(Weak<Writer>);

impl Wake for Writable {
    fn wake(self: Arc<Self>) {
        if let Some(writer) = self.0.upgrade() {
            writer.queue();
        }
    }
}

impl Outlet for Arc<Writer> {
    fn follow(&self, outbox: Arc<Outbox>) {
        outbox.wakes(Waker::from(self.clone()));
        {
            let mut line = self.line.lock();
            if matches!(line.source, Source::None) {
                line.source = Source::Outbox(outbox);
            }
        }
        self.queue();
    }

    fn end(&self, last: Option<&Bytes>, close: Option<(u16, &'static str)>) {
        let followed = {
            let mut line = self.line.lock();
            if matches!(line.source, Source::Closed | Source::Broken) {
                return;
            }
            line.control.extend_from_slice(last.map_or(&[], |frame| frame));
            if let Some((code, reason)) = close {
                append_close(&mut line.control, code, reason);
            }
            std::mem::replace(&mut line.source, Source::Closed)
        };
        drop(followed);
        self.queue();
    }

    fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    async fn written(&self) -> Result<(), Gone> {
        loop {
            {
                let line = self.line.lock();
                match line.source {
                    Source::Broken => return Err(Gone),
                    Source::Finished | Source::Closed if line.rest.is_empty() && line.control.is_empty() => {
                        return Ok(());
                    }
                    Source::Finished | Source::Closed | Source::None | Source::Outbox(_) => {}
                }
            }
            self.moved.notified().await;
        }
    }
}

/// As many of the last of these control frames as there may be in line.
fn newest(mut frames: &[u8]) -> &[u8] {
    while frames.len() > CONTROL_BYTES
        && let [_, length, rest @ ..] = frames
    {
        frames = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    frames
}

/// Whether there is a close frame among whole control frames of the server.
fn has_close(mut frames: &[u8]) -> bool {
    while let [first, length, rest @ ..] = frames {
        if first & 0x0f == CLOSE & 0x0f {
            return true;
        }
        frames = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    false
}

/// Appends a close frame, whose reason is cut where it is too long for one.
fn append_close(buffer: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES)];
    buffer.extend_from_slice(&[CLOSE, (reason.len() + 2) as u8]);
    buffer.extend_from_slice(&code.to_be_bytes());
    buffer.extend_from_slice(reason.as_bytes());
}

#[cfg(test)]
mod tests;
