//! Socket.IO over a WebSocket (Engine.IO 4), with a server that knows two events, `join` with a room and `send` with a
//! room and data. It answers the first with `joined` and the room, and gives the second to everybody in the room as
//! `message` with the room and the data.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Incoming;

pub(super) const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

pub(super) fn join(room: &str) -> String {
    format!("42{}", json!(["join", room]))
}

pub(super) fn send(room: &str, data: &str) -> String {
    format!(r#"42["send","{room}",{data}]"#)
}

pub(super) fn read(text: &str) -> Option<Incoming<'_>> {
    #[derive(Deserialize)]
    struct Connected {
        sid: String,
    }
    // The first digit is Engine.IO's, the second one of a message Socket.IO's.
    if let Some(event) = text.strip_prefix("42") {
        return self::event(event);
    }
    if let Some(connected) = text.strip_prefix("40") {
        let Connected { sid } = serde_json::from_str(connected).ok()?;
        return Some(Incoming::Welcome { connection: sid });
    }
    Some(match text.as_bytes().first()? {
        b'0' => Incoming::Answer("40"),
        b'2' => Incoming::Answer("3"),
        b'4' if text.starts_with("44") => Incoming::Refused(text[2..].to_owned()),
        b'1' | b'3' | b'4' | b'6' => Incoming::Nothing,
        _ => return None,
    })
}

fn event(json: &str) -> Option<Incoming<'_>> {
    #[derive(Deserialize)]
    struct Message<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>, #[serde(borrow)] &'a RawValue);
    if let Ok(Message(name, room, data)) = serde_json::from_str(json)
        && name == "message"
    {
        return Some(Incoming::Message { room, data: data.get().into() });
    }
    let (name, room): (String, String) = serde_json::from_str(json).ok()?;
    (name == "joined").then(|| Incoming::Joined { room: room.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_understood() {
        let open = r#"0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
        assert_eq!(read(open), Some(Incoming::Answer("40")));
        assert_eq!(read(r#"40{"sid":"b"}"#), Some(Incoming::Welcome { connection: "b".to_owned() }));
        assert_eq!(read("2"), Some(Incoming::Answer("3")));
        assert_eq!(read(r#"42["joined","a"]"#), Some(Incoming::Joined { room: "a".into() }));
        let message = Incoming::Message { room: "a".into(), data: r#"{"n":1}"#.into() };
        assert_eq!(read(r#"42["message","a",{"n":1}]"#), Some(message));
        assert!(matches!(read(r#"44{"message":"no"}"#), Some(Incoming::Refused(_))));
        assert_eq!((read("nonsense"), read("")), (None, None));
    }

    #[test]
    fn what_is_sent_is_an_event() {
        assert_eq!(join("a"), r#"42["join","a"]"#);
        assert_eq!(send("a", r#"{"n":1}"#), r#"42["send","a",{"n":1}]"#);
    }
}
