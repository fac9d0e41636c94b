//! Protocol 7 of Pusher, as far as a sender and its listeners need it: private channels, and client events in them.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::Incoming;
use crate::plan::PusherApp;

/// Only in such channels clients may send.
const PREFIX: &str = "private-";
/// Our event; those of clients begin so.
const EVENT: &str = "client-message";

/// Where an app is.
pub(super) fn path(key: &str) -> String {
    format!("/app/{key}?protocol=7&client=hubbub-loadtest&version={}", env!("CARGO_PKG_VERSION"))
}

/// Subscribes to a room's channel, with the signature that the application's back end would give.
pub(super) fn join(app: &PusherApp, room: &str, socket: &str) -> String {
    let channel = format!("{PREFIX}{room}");
    let auth = format!("{}:{}", app.key, signature(&app.secret, &format!("{socket}:{channel}")));
    json!({"event": "pusher:subscribe", "data": {"channel": channel, "auth": auth}}).to_string()
}

fn signature(secret: &str, text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        // A key of any length will do.
        return String::new();
    };
    mac.update(text.as_bytes());
    let digit = |bits: u8| char::from_digit(u32::from(bits), 16);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).flatten().collect()
}

pub(super) fn send(room: &str, data: &str) -> String {
    format!(r#"{{"event":"{EVENT}","channel":"{PREFIX}{room}","data":{data}}}"#)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(default, borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// Data comes as JSON, or as a string that holds JSON.
fn unwrap(data: &RawValue) -> Cow<'_, str> {
    match serde_json::from_str::<String>(data.get()) {
        Ok(text) => text.into(),
        Err(_) => data.get().into(),
    }
}

pub(super) fn read(text: &str) -> Option<Incoming<'_>> {
    #[derive(Deserialize)]
    struct Established {
        socket_id: String,
    }
    let Event { event, channel, data } = serde_json::from_str(text).ok()?;
    let room = || match channel? {
        Cow::Borrowed(channel) => channel.strip_prefix(PREFIX).map(Cow::from),
        Cow::Owned(channel) => channel.strip_prefix(PREFIX).map(|room| room.to_owned().into()),
    };
    Some(match &*event {
        EVENT => Incoming::Message { room: room()?, data: unwrap(data?) },
        "pusher:connection_established" => {
            let Established { socket_id } = serde_json::from_str(&unwrap(data?)).ok()?;
            Incoming::Welcome { connection: socket_id }
        }
        "pusher_internal:subscription_succeeded" => Incoming::Joined { room: room()? },
        "pusher:ping" => Incoming::Answer(r#"{"event":"pusher:pong","data":{}}"#),
        "pusher:error" | "pusher:subscription_error" => {
            Incoming::Refused(data.map_or_else(|| event.clone().into_owned(), |data| data.get().to_owned()))
        }
        _ => Incoming::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_signed_as_the_makers_documents_do_it() {
        let app = PusherApp { key: "278d425bdf160c739803".to_owned(), secret: "7ad3773142a6692b25b8".to_owned() };
        let join: serde_json::Value = serde_json::from_str(&join(&app, "foobar", "1234.1234")).unwrap();
        assert_eq!(join["data"]["channel"], "private-foobar");
        assert_eq!(
            join["data"]["auth"],
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
    }

    #[test]
    fn what_a_server_says_is_understood() {
        let established =
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#;
        assert_eq!(read(established), Some(Incoming::Welcome { connection: "1.2".to_owned() }));
        let joined = r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-a","data":"{}"}"#;
        assert_eq!(read(joined), Some(Incoming::Joined { room: "a".into() }));
        for data in [r#"{"n":1}"#, r#""{\"n\":1}""#] {
            let message = format!(r#"{{"event":"client-message","channel":"private-a","data":{data}}}"#);
            assert_eq!(read(&message), Some(Incoming::Message { room: "a".into(), data: r#"{"n":1}"#.into() }));
        }
        assert!(matches!(read(r#"{"event":"pusher:ping","data":{}}"#), Some(Incoming::Answer(_))));
        assert!(matches!(read(r#"{"event":"pusher:error","data":{"code":4009}}"#), Some(Incoming::Refused(_))));
        assert_eq!(read("nonsense"), None);
    }
}
