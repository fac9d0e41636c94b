//! The floor: what the kernel alone costs. A bare server that speaks just enough of the native protocol to be driven as the
//! gateway is, and writes a prepared frame to every socket of a room with one `write` each, in one thread.
//!
//! It keeps no log, has no queues and checks nothing. A client whose socket takes no more is let go of, so that the
//! ledger of a run shows where the floor itself gives way.

mod connection;
mod frame;
mod request;
mod room;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use thiserror::Error;

use self::connection::{Connection, Gone};
use self::request::Request;
use self::room::Rooms;

/// Where the floor listens.
#[derive(Debug, Clone, Args)]
pub(crate) struct FloorArguments {
    /// The address to listen on; port 0 for a free one, which is then told
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Why the floor does not serve.
#[derive(Debug, Error)]
pub(crate) enum FloorError {
    #[error("the floor cannot listen on {0}: {1}; give another address with --listen, or port 0 for a free one")]
    Listen(SocketAddr, io::Error),
    #[error("the floor cannot go on: {0}")]
    Io(#[from] io::Error),
}

/// Events that are taken from the kernel at once, and bytes that are read at once.
const EVENTS: usize = 1024;
const READ_BYTES: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);

/// Says where it listens, and serves until the process is ended.
pub(crate) fn serve(arguments: &FloorArguments, out: &mut impl Write) -> Result<(), FloorError> {
    let mut poll = Poll::new()?;
    let address = arguments.listen;
    let mut listener = TcpListener::bind(address).map_err(|error| FloorError::Listen(address, error))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    writeln!(out, "The floor listens on {}", listener.local_addr()?)?;
    out.flush()?;
    let mut floor = Floor::default();
    let mut events = Events::with_capacity(EVENTS);
    let mut scratch = vec![0; READ_BYTES];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener, poll.registry())?,
                Token(number) => floor.readable(number, &mut scratch),
            }
        }
    }
}

#[derive(Default)]
struct Floor {
    connections: Slab<Connection>,
    rooms: Rooms,
    /// Frames are made here, so that no message allocates.
    entry: Vec<u8>,
    reply: Vec<u8>,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, registry: &mio::Registry) -> io::Result<()> {
        loop {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nodelay(true)?;
                    let place = self.connections.vacant_entry();
                    registry.register(&mut stream, Token(place.key()), Interest::READABLE)?;
                    place.insert(Connection::new(stream));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Nobody is waiting, or no file is left; then the generator says who was not let in.
                Err(_) => return Ok(()),
            }
        }
    }

    fn readable(&mut self, number: usize, scratch: &mut [u8]) {
        if self.read(number, scratch).is_err() {
            self.let_go(number);
        }
    }

    /// Reads until nothing is left, as the kernel tells of each arrival once.
    fn read(&mut self, number: usize, scratch: &mut [u8]) -> Result<(), Gone> {
        loop {
            // Another client's message may have ended it.
            let Some(connection) = self.connections.get_mut(number) else { return Ok(()) };
            let Some(length) = connection.read(scratch)? else { return Ok(()) };
            let mut held = std::mem::take(&mut connection.unread);
            let bytes = if held.is_empty() {
                &mut scratch[..length]
            } else {
                held.extend_from_slice(&scratch[..length]);
                &mut held
            };
            let used = self.handle(number, bytes)?;
            if used < bytes.len()
                && let Some(connection) = self.connections.get_mut(number)
            {
                connection.unread = bytes[used..].to_vec();
            }
            if length < scratch.len() {
                return Ok(());
            }
        }
    }

    /// Handles all that is complete, and says how many bytes that were.
    fn handle(&mut self, number: usize, bytes: &mut [u8]) -> Result<usize, Gone> {
        let mut used = self.connections[number].upgrade(bytes)?;
        while let Some(frame) = frame::next(&mut bytes[used..])? {
            match frame.text {
                Some(text) => self.answer(number, serde_json::from_slice(text)?)?,
                None if frame.ends => return Err(Gone),
                None => {}
            }
            used += frame.length;
            // A client without room for the answer to its own message.
            if !self.connections.contains(number) {
                break;
            }
        }
        Ok(used)
    }

    fn answer(&mut self, number: usize, request: Request<'_>) -> Result<(), Gone> {
        let connection = &mut self.connections[number];
        self.reply.clear();
        match (request.kind, &request.room) {
            ("hello", _) => frame::text(&mut self.reply, &request.welcome(number, now_ms())),
            ("join", Some(room)) => {
                let (place, joined) = self.rooms.join(room, number, &request);
                connection.rooms.push(place);
                frame::text(&mut self.reply, &joined);
            }
            ("leave", Some(room)) => {
                if let Some(place) = self.rooms.leave(room, number) {
                    connection.rooms.retain(|&joined| joined != place);
                }
                frame::text(&mut self.reply, &request.left(room));
            }
            ("send", Some(room)) => return self.send(number, room, &request),
            ("ping" | "pong", _) => return Ok(()),
            _ => frame::text(&mut self.reply, &request.refused()),
        }
        connection.write(&self.reply)
    }

    /// Numbers a message and writes it to everybody in the room. The sender's copy and the acknowledgement are one write.
    fn send(&mut self, number: usize, room: &str, request: &Request<'_>) -> Result<(), Gone> {
        let Some(room) = self.rooms.get_mut(room) else { return Err(Gone) };
        room.append(request, number, now_ms(), &mut self.entry, &mut self.reply);
        let mut gone = Vec::new();
        let mut is_member = false;
        for &member in &room.members {
            let bytes = if member == number { &self.reply } else { &self.entry };
            is_member |= member == number;
            if self.connections[member].write(bytes).is_err() {
                gone.push(member);
            }
        }
        if !is_member {
            self.connections[number].write(&self.reply)?;
        }
        for member in gone {
            self.let_go(member);
        }
        Ok(())
    }

    fn let_go(&mut self, number: usize) {
        if let Some(connection) = self.connections.try_remove(number) {
            for place in connection.rooms {
                self.rooms.remove(place, number);
            }
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_somebody_else_listens_it_says_where_and_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        let error = serve(&FloorArguments { listen }, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(&listen.to_string()) && error.contains("--listen"), "{error}");
    }
}
