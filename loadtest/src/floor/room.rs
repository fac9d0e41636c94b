//! The rooms of the floor: who is in them, and how many messages they had.

use std::collections::HashMap;

use hubbub_shared::position::Position;
use hubbub_shared::server_frame::{Joined, Sent, ServerFrame, UnrecoveredReason};

use super::frame;
use super::request::{Request, user};

#[derive(Debug, Default)]
pub(super) struct Rooms {
    places: HashMap<String, usize>,
    rooms: Vec<Room>,
}

#[derive(Debug)]
pub(super) struct Room {
    name: String,
    seq: u64,
    /// Numbers of connections.
    pub(super) members: Vec<usize>,
}

impl Rooms {
    /// Lets a connection in; where the room stands, and the answer.
    pub(super) fn join(&mut self, name: &str, number: usize, request: &Request<'_>) -> (usize, String) {
        let place = self.place(name);
        let room = &mut self.rooms[place];
        if !room.members.contains(&number) {
            room.members.push(number);
        }
        let resumes = request.since.is_some();
        let joined = ServerFrame::Joined(Joined {
            id: request.id,
            room: name.to_owned(),
            seq: room.seq,
            pos: room.pos(),
            recovered: resumes.then_some(false),
            reason: resumes.then_some(UnrecoveredReason::Trimmed),
            replayed: 0,
            members: None,
            read: 0,
            unread: 0,
        });
        (place, joined.encode())
    }

    /// Lets a connection out; where the room stands, if there is such a room.
    pub(super) fn leave(&mut self, name: &str, number: usize) -> Option<usize> {
        let place = *self.places.get(name)?;
        self.remove(place, number);
        Some(place)
    }

    pub(super) fn remove(&mut self, place: usize, number: usize) {
        let members = &mut self.rooms[place].members;
        if let Some(at) = members.iter().position(|&member| member == number) {
            members.swap_remove(at);
        }
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Room> {
        let place = *self.places.get(name)?;
        self.rooms.get_mut(place)
    }

    fn place(&mut self, name: &str) -> usize {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        let place = self.rooms.len();
        self.rooms.push(Room { name: name.to_owned(), seq: 0, members: Vec::new() });
        self.places.insert(name.to_owned(), place);
        place
    }
}

impl Room {
    fn pos(&self) -> String {
        match self.seq {
            0 => Position::start().to_string(),
            seq => format!("floor-{seq}-f"),
        }
    }

    /// Gives the message its number, and makes the frame for the others and what the sender gets.
    pub(super) fn append(
        &mut self,
        request: &Request<'_>,
        sender: usize,
        time: u64,
        entry: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) {
        self.seq += 1;
        let (seq, pos) = (self.seq, self.pos());
        let (name, user) = (&self.name, user(sender));
        let key = match &request.key {
            // As it came, save for what must be escaped.
            Some(key) => format!(r#","key":{}"#, serde_json::Value::from(key.as_ref())),
            None => String::new(),
        };
        let data = request.data.map_or("null", |data| data.get());
        entry.clear();
        frame::text(
            entry,
            &format!(
                r#"{{"type":"message","room":"{name}","seq":{seq},"pos":"{pos}","count":{seq},"time":{time},"from":{{"user":"{user}"}}{key},"data":{data}}}"#
            ),
        );
        reply.clear();
        if request.echo {
            reply.extend_from_slice(entry);
        }
        if request.id.is_some() || !request.echo {
            let sent = ServerFrame::Sent(Sent { id: request.id, room: name.clone(), seq, pos, time, duplicate: false });
            frame::text(reply, &sent.encode());
        }
    }
}
