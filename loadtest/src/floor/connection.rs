//! One socket of the floor.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

/// An upgrade has fewer headers and is shorter than this.
const HEADERS_MAX: usize = 32;
const UPGRADE_BYTES_MAX: usize = 8 * 1024;

/// The connection is over, whatever the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl From<serde_json::Error> for Gone {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// The beginning of a frame or of an upgrade whose rest has not come yet.
    pub(super) unread: Vec<u8>,
    upgraded: bool,
    /// Where the joined rooms stand among all rooms.
    pub(super) rooms: Vec<usize>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new(), upgraded: false, rooms: Vec::new() }
    }

    /// Reads once; `None` if nothing has come.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Gone> {
        match self.stream.read(buffer) {
            Ok(0) => Err(Gone),
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(_) => Err(Gone),
        }
    }

    /// Writes all of it at once or ends the connection.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        match self.stream.write(bytes) {
            Ok(length) if length == bytes.len() => Ok(()),
            Ok(_) | Err(_) => Err(Gone),
        }
    }

    /// Answers the upgrade if it is complete and says how many bytes it had; 0 once it is answered.
    pub(super) fn upgrade(&mut self, bytes: &[u8]) -> Result<usize, Gone> {
        if self.upgraded {
            return Ok(0);
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < UPGRADE_BYTES_MAX => return Ok(0),
            Ok(httparse::Status::Partial) | Err(_) => return Err(Gone),
        };
        let header = |name: &str| {
            request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
        };
        let accept = derive_accept_key(header("sec-websocket-key").ok_or(Gone)?);
        let protocol = match header("sec-websocket-protocol") {
            Some(_) => format!("sec-websocket-protocol: {}\r\n", hubbub_shared::SUBPROTOCOL),
            None => String::new(),
        };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {accept}\r\n{protocol}\r\n"
        );
        self.write(answer.as_bytes())?;
        self.upgraded = true;
        Ok(length)
    }
}
