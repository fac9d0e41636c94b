//! A wire language for tests: a frame on the wire is a number, behind which the event stays readable, and padding to
//! about the length of a real frame.

use std::fmt;
use std::panic;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use hubbub_shared::server_frame::UnrecoveredReason;
use hubbub_shared::{Position, RoomName};
use parking_lot::Mutex;

use crate::broker::{Body, Entry};
use crate::hub::event::{Encoder, Event, Language, PresenceUpdate};
use crate::hub::join::{Join, Joined};
use crate::presence::MembersPage;

/// What a frame takes beside its data.
pub(super) const FRAME_BYTES: usize = 120;

/// What a client gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    Event(RoomName, Event),
    Joined(Join, Joined),
    Left(RoomName),
    /// A `sent` that moves nothing: the answer to the request with this id.
    Sent(RoomName, u32, Position),
    /// The request with this id failed.
    Failed(u32),
    Members(RoomName, MembersPage),
}

/// A language, and all frames that were ever written in it.
pub(super) struct Frames {
    language: Language,
    written: Mutex<Vec<Frame>>,
    /// Entries with this word cannot be written.
    poison: Option<&'static str>,
}

impl Frames {
    pub(super) fn new(language: usize) -> Arc<Self> {
        Arc::new(Self { language: Language(language), written: Mutex::default(), poison: None })
    }

    /// A language in which entries that hold a word cannot be written.
    pub(super) fn poisoned_by(word: &'static str, language: usize) -> Arc<Self> {
        Arc::new(Self { language: Language(language), written: Mutex::default(), poison: Some(word) })
    }

    pub(super) fn write(&self, frame: Frame) -> Bytes {
        let data_bytes = match &frame {
            Frame::Event(_, Event::Entry(entry)) => entry.cost_bytes(),
            Frame::Event(_, Event::Signal { data, .. }) => data.len_bytes(),
            _ => 0,
        };
        let mut written = self.written.lock();
        let mut bytes = BytesMut::with_capacity(FRAME_BYTES + data_bytes);
        bytes.put_u64(written.len() as u64);
        bytes.resize(FRAME_BYTES + data_bytes, 0);
        written.push(frame);
        bytes.freeze()
    }

    pub(super) fn read(&self, bytes: &Bytes) -> Frame {
        let number = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        self.written.lock()[number as usize].clone()
    }

    /// How many entries were written, each once for all its readers.
    pub(super) fn entries_written(&self) -> usize {
        let written = self.written.lock();
        written.iter().filter(|frame| matches!(frame, Frame::Event(_, Event::Entry(_)))).count()
    }
}

impl Encoder for Frames {
    fn language(&self) -> Language {
        self.language
    }

    fn event(&self, room: &RoomName, event: &Event) -> Bytes {
        if let (Some(poison), Event::Entry(entry)) = (self.poison, event)
            && text_of(entry).is_some_and(|text| text.contains(poison))
        {
            // Not by the macro: the hook would print what is expected.
            panic::resume_unwind(Box::new("this entry cannot be written"));
        }
        self.write(Frame::Event(room.clone(), event.clone()))
    }
}

/// What a message or an edit says, as JSON.
pub(super) fn text_of(entry: &Entry) -> Option<&str> {
    match &entry.body {
        Body::Message { data } | Body::Edit { data, .. } => data.as_ref().map(|data| data.as_json()),
        Body::Delete { .. } | Body::Reaction { .. } => None,
    }
}

impl Frame {
    /// The room it is about; a failure names none.
    pub(super) fn room(&self) -> Option<&RoomName> {
        match self {
            Self::Event(room, _) | Self::Left(room) | Self::Members(room, _) | Self::Sent(room, ..) => Some(room),
            Self::Joined(join, _) => Some(&join.room),
            Self::Failed(_) => None,
        }
    }
}

/// A few words, so that a test reads like the story that it tells.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(_, Event::Entry(entry)) => match &entry.body {
                Body::Message { data: None } | Body::Edit { data: None, .. } => write!(f, "blank {}", entry.pos.seq),
                Body::Message { .. } => write!(f, "message {}", entry.pos.seq),
                Body::Edit { .. } => write!(f, "edit {}", entry.pos.seq),
                Body::Delete { .. } => write!(f, "delete {}", entry.pos.seq),
                Body::Reaction { .. } => write!(f, "reaction {}", entry.pos.seq),
            },
            Self::Event(_, Event::Sent(sent)) => write!(f, "sent {}", sent.pos.seq),
            Self::Event(_, Event::Unproven { .. }) => write!(f, "unproven"),
            Self::Event(_, Event::Reset { pos, reason }) => {
                write!(f, "reset {} {}", pos.seq, format!("{reason:?}").to_lowercase())
            }
            Self::Event(_, Event::Signal { data, .. }) => write!(f, "signal {}", data.as_json()),
            Self::Event(_, Event::Presence(PresenceUpdate { count, joined, left, resync })) => {
                write!(f, "presence {count}")?;
                joined.iter().try_for_each(|author| write!(f, " +{}", author.user))?;
                left.iter().try_for_each(|user| write!(f, " -{user}"))?;
                if *resync { write!(f, " resync") } else { Ok(()) }
            }
            Self::Event(_, Event::Receipt { user, pos }) => write!(f, "receipt {user} {}", pos.seq),
            Self::Event(_, Event::Removed { reason }) => {
                write!(f, "removed {}", format!("{reason:?}").to_lowercase())
            }
            Self::Joined(_, Joined { pos, recovered, replayed, .. }) => {
                write!(f, "joined {}", pos.seq)?;
                match recovered {
                    None => {}
                    Some(Ok(())) => write!(f, " recovered")?,
                    Some(Err(UnrecoveredReason::Trimmed)) => write!(f, " trimmed")?,
                    Some(Err(UnrecoveredReason::Reset)) => write!(f, " reset")?,
                }
                if *replayed > 0 { write!(f, " +{replayed}") } else { Ok(()) }
            }
            Self::Left(_) => write!(f, "left"),
            Self::Sent(_, id, _) => write!(f, "sent #{id}"),
            Self::Failed(id) => write!(f, "failed #{id}"),
            Self::Members(_, page) => {
                write!(f, "members {}", page.count)?;
                page.members.iter().try_for_each(|member| write!(f, " {}", member.author.user))
            }
        }
    }
}
