//! A socket as tungstenite sees it. What it reads comes in one call for all that is there; what it says by itself, such
//! as the answer to a ping, goes in line with what the connection writes.

use std::cell::RefCell;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::writer::Writer;

/// What is read in one call.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    /// One buffer for all sockets of a thread: what tungstenite keeps for each is as small as can be, and would need
    /// several calls for what this takes in one.
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// The end of a connection that tungstenite works on. When it goes, nothing more is written.
#[derive(Debug)]
pub(super) struct Socket {
    writer: Arc<Writer>,
    /// What was read and not asked for yet.
    ahead: Bytes,
}

impl Socket {
    /// `ahead` was read with the upgrade request and belongs to the frames.
    pub(super) fn new(writer: Arc<Writer>, ahead: Bytes) -> Self {
        // An empty part would keep the buffer that it is a part of.
        let ahead = if ahead.is_empty() { Bytes::new() } else { ahead };
        Self { writer, ahead }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.writer.abandon();
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            self.ahead = Bytes::new();
            loop {
                ready!(self.writer.socket().poll_read_ready(cx))?;
                let read = READ.with_borrow_mut(|scratch| {
                    let read_bytes = read_once(self.writer.socket(), scratch)?;
                    let (asked_for, ahead) = scratch[..read_bytes].split_at(read_bytes.min(buffer.remaining()));
                    buffer.put_slice(asked_for);
                    io::Result::Ok(Bytes::copy_from_slice(ahead))
                });
                match read {
                    Ok(ahead) => {
                        self.ahead = ahead;
                        return Poll::Ready(Ok(()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        let bytes = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..bytes]);
        self.ahead.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, frames: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.writer.control(frames).map(|()| frames.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(self.writer.socket()).shutdown(std::net::Shutdown::Write))
    }
}

/// Reads what is there. Where that was all, the socket is not taken for readable until more has come, which saves a
/// call that would find nothing. What comes in the meantime is not overlooked: it makes the socket readable anew.
fn read_once(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read_bytes = None;
    let outcome = socket.try_io(Interest::READABLE, || {
        let bytes = (&*SockRef::from(socket)).read(buffer)?;
        read_bytes = Some(bytes);
        // Elsewhere a socket that is not found empty may never be told readable again.
        let was_all = cfg!(unix) && (1..buffer.len()).contains(&bytes);
        if was_all { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match (read_bytes, outcome) {
        (Some(bytes), _) => Ok(bytes),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(io::ErrorKind::WouldBlock.into()),
    }
}
