//! One connection of a client. There may be a hundred thousand of them in one process, so at rest it owns no bytes: it
//! is read into the buffer of its thread, and keeps only what is incomplete.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::source::Source;
use crate::websocket::frame::{self, Opcode};

/// How much is read at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// As much may wait to be written before a client stops sending.
const OUT_BYTES_MAX: usize = 64 * 1024;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a close frame.
    Closed(u16),
    /// Without one: what other languages call 1006.
    Lost,
}

/// What a read brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    /// How many bytes of the buffer are to be looked at, those that were kept included.
    pub(crate) bytes: usize,
    /// How many of them were not there before.
    pub(crate) new: usize,
    /// Whether nothing comes any more.
    pub(crate) is_over: bool,
}

/// An open or opening connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes that came and are no whole frame yet.
    partial: Vec<u8>,
    /// Bytes that the socket did not take yet.
    out: Vec<u8>,
    /// The message that a fragment began.
    pub(crate) message: Vec<u8>,
    /// A write failed. What was received before may still be read, and says why.
    is_broken: bool,
}

impl Connection {
    /// Begins to open a connection; the token will be ready for writing when it is there.
    pub(crate) fn open(
        target: SocketAddr,
        source: Option<Source>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(Source(address)) = source {
            socket.bind(&SocketAddr::new(address, 0).into())?;
        }
        match socket.connect(&target.into()) {
            Ok(()) => {}
            // EINPROGRESS, which std has no stable kind for.
            Err(error) if error.raw_os_error() == Some(115) || error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let mut stream = TcpStream::from_std(socket.into());
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, partial: Vec::new(), out: Vec::new(), message: Vec::new(), is_broken: false })
    }

    /// Whether the connection is there, once its token is ready for writing.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts bytes into the queue; [`Self::flush`] writes them.
    pub(crate) fn queue_bytes(&mut self, bytes: &[u8]) {
        if !self.is_broken {
            self.out.extend_from_slice(bytes);
        }
    }

    /// Puts a message into the queue. Ask [`Self::is_full`] before.
    pub(crate) fn queue(&mut self, opcode: Opcode, payload: &[u8]) {
        if !self.is_broken {
            frame::write(&mut self.out, opcode, payload, rand::random::<u32>().to_ne_bytes());
        }
    }

    /// Whether as much is waiting to be written as should.
    pub(crate) fn is_full(&self) -> bool {
        self.out.len() >= OUT_BYTES_MAX
    }

    /// Writes what the socket takes.
    pub(crate) fn flush(&mut self) {
        let mut written = 0;
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(bytes) if bytes > 0 => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => {
                    self.is_broken = true;
                    written = self.out.len();
                }
            }
        }
        if written == self.out.len() {
            self.out = Vec::new();
        } else {
            self.out.drain(..written);
        }
    }

    /// Reads once, behind what was kept, into the beginning of the buffer.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>) -> Filled {
        let kept = self.partial.len();
        if buffer.len() < kept + READ_BYTES {
            buffer.resize(kept + READ_BYTES, 0);
        }
        buffer[..kept].copy_from_slice(&self.partial);
        loop {
            let (bytes, is_over) = match self.stream.read(&mut buffer[kept..kept + READ_BYTES]) {
                Ok(0) => (0, true),
                Ok(bytes) => (bytes, false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => (0, error.kind() != ErrorKind::WouldBlock),
            };
            return Filled { bytes: kept + bytes, new: bytes, is_over };
        }
    }

    /// Keeps what was not used of what was read.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() && self.partial.is_empty() {
            return;
        }
        self.partial = rest.to_vec();
    }
}

/// Why a connection could not be opened, for people.
pub(crate) fn failure(error: &io::Error) -> String {
    // EMFILE and ENFILE, and EADDRNOTAVAIL, which std has no good words for.
    match error.raw_os_error() {
        Some(23 | 24) => "no file descriptors left; raise `ulimit -n`".to_owned(),
        Some(99) => "no local port left, or no such address; give more of them with --source".to_owned(),
        _ => format!("no connection: {}", error.kind()),
    }
}
