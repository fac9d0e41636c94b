//! The native language, `hubbub.v1`: JSON, one object per frame.

use bytes::Bytes;
use hubbub_shared::{RoomName, ServerFrame};

use super::framing;
use crate::connection::command::{Refused, Request};
use crate::connection::reply::{Dialect, Notice, Reply};
use crate::hub::event::{Encoder, Event, Language};

mod requests;
mod writing;

pub use writing::history_entries;

/// The native language.
#[derive(Debug, Clone, Copy)]
pub struct Native;

impl Encoder for Native {
    fn language(&self) -> Language {
        Language(0)
    }

    fn event(&self, room: &RoomName, event: &Event) -> Bytes {
        frame(&writing::event(room, event))
    }
}

impl Dialect for Native {
    fn request(&self, text: &str) -> Result<Request, Refused> {
        requests::read(text)
    }

    fn reply(&self, id: Option<u32>, reply: &Reply<'_>) -> Bytes {
        frame(&writing::reply(id, reply))
    }

    fn notice(&self, notice: Notice) -> Bytes {
        frame(&writing::notice(notice))
    }
}

fn frame(frame: &ServerFrame) -> Bytes {
    framing::text(|buffer| frame.encode_to(buffer))
}
