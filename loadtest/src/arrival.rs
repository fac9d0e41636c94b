//! A frame of the gateway, as far as it matters here. Entries are most of what comes in, so they are read without
//! copying; what is rare is read in full.

use std::borrow::Cow;

use hubbub_shared::ServerFrame;
use hubbub_shared::frame::DecodeError;
use hubbub_shared::server_frame::Sent;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What came in.
#[derive(Debug)]
pub(crate) enum Arrival<'a> {
    /// An item of a room's log.
    Entry(Entry<'a>),
    /// A message of the client's was appended.
    Sent(Sent),
    /// Anything else.
    Frame(Box<ServerFrame>),
}

/// An entry, as far as the ledger needs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) room: Cow<'a, str>,
    pub(crate) seq: u64,
    pub(crate) pos: Cow<'a, str>,
    /// The data's JSON text; only messages are looked into.
    pub(crate) data: Option<Cow<'a, str>>,
}

/// The fields of an entry, borrowed. A string with escapes cannot be, and none of these has a reason to hold any.
#[derive(Deserialize)]
struct Borrowed<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    room: &'a str,
    seq: u64,
    pos: &'a str,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Arrival<'a> {
    /// Reads one frame.
    pub(crate) fn read(text: &'a str) -> Result<Self, DecodeError> {
        if text.starts_with(r#"{"type":"sent""#)
            && let Ok(sent) = serde_json::from_str(text)
        {
            return Ok(Self::Sent(sent));
        }
        if let Ok(Borrowed { kind: "message" | "edit" | "delete" | "reaction", room, seq, pos, data }) =
            serde_json::from_str(text)
        {
            return Ok(Self::Entry(Entry {
                room: room.into(),
                seq,
                pos: pos.into(),
                data: data.map(|data| data.get().into()),
            }));
        }
        let owned = |room: String, seq, pos: String, data: Option<String>| {
            Self::Entry(Entry { room: room.into(), seq, pos: pos.into(), data: data.map(Cow::from) })
        };
        Ok(match ServerFrame::decode(text)? {
            ServerFrame::Message(entry) => {
                owned(entry.room, entry.seq, entry.pos, entry.data.map(|data| data.as_json().to_owned()))
            }
            ServerFrame::Edit(entry) => owned(entry.room, entry.seq, entry.pos, None),
            ServerFrame::Delete(entry) => owned(entry.room, entry.seq, entry.pos, None),
            ServerFrame::Reaction(entry) => owned(entry.room, entry.seq, entry.pos, None),
            ServerFrame::Sent(sent) => Self::Sent(sent),
            other => Self::Frame(Box::new(other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Entry<'_> {
        match Arrival::read(text) {
            Ok(Arrival::Entry(entry)) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_entry_is_read_without_copying() {
        let text = r#"{"type":"message","room":"a","seq":4,"pos":"k-4-t","count":4,"time":1,"data":{"n":1}}"#;
        let entry = entry(text);
        assert!(matches!((&entry.room, &entry.pos), (Cow::Borrowed("a"), Cow::Borrowed("k-4-t"))));
        assert_eq!((entry.seq, entry.data.as_deref()), (4, Some(r#"{"n":1}"#)));
    }

    #[test]
    fn an_entry_with_escapes_is_the_same_entry() {
        let plain = r#"{"type":"message","room":"a/b","seq":4,"pos":"k-4-t","count":4,"time":1,"data":1}"#;
        let escaped = r#"{"room":"a\/b","seq":4,"pos":"k\u002d4-t","count":4,"time":1,"data":1,"type":"message"}"#;
        assert_eq!(entry(plain), entry(escaped));
    }

    #[test]
    fn what_is_no_entry_is_read_in_full() {
        let text =
            r#"{"type":"history","id":1,"room":"a","seq":4,"pos":"p","entries":[],"more":false,"trimmed":false}"#;
        assert!(matches!(Arrival::read(text), Ok(Arrival::Frame(frame)) if frame.kind() == "history"));
        assert!(matches!(Arrival::read(r#"{"type":"ping"}"#), Ok(Arrival::Frame(_))));
        assert!(Arrival::read(r#"{"type":"message","room":"a"}"#).is_err());
        assert!(Arrival::read("nonsense").is_err());
    }
}
