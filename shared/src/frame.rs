//! Bytes to frames and back. Decoding is total: any text gives a frame or a [`DecodeError`].

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::data;
use crate::limits::DEPTH_MAX;

/// The longest reason that a [`DecodeError::Field`] gives, in characters.
const REASON_CHARS_MAX: usize = 200;

/// Why a text is no frame. The first two end the connection (4501); the others are answered with `bad_request`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not JSON, or JSON that is no object.
    #[error("a frame is one JSON object; {0}")]
    NotAnObject(String),
    /// An object without `type`.
    #[error("a frame needs a `type`")]
    NoType,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("JSON may be nested {DEPTH_MAX} deep at most")]
    TooDeep {
        /// The request's id, where it could be read.
        id: Option<u32>,
    },
    /// `id` is no unsigned 32-bit integer.
    #[error("`id` must be an integer from 0 to 4294967295")]
    BadId,
    /// A `type` that this language does not have.
    #[error("there is no frame of type {kind:?}")]
    UnknownType {
        /// The request's id.
        id: Option<u32>,
        /// The type as given, cut to a readable length.
        kind: String,
    },
    /// A field is missing, doubled, of the wrong type or out of range.
    #[error("{reason}")]
    Field {
        /// The request's id, where it could be read.
        id: Option<u32>,
        /// What is wrong with which field.
        reason: String,
    },
}

impl DecodeError {
    /// Whether the text was no frame at all, which ends the connection.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::NotAnObject(_) | Self::NoType => true,
            Self::TooDeep { .. } | Self::BadId | Self::UnknownType { .. } | Self::Field { .. } => false,
        }
    }

    /// The id of the request that the text was meant to be.
    pub fn id(&self) -> Option<u32> {
        match self {
            Self::TooDeep { id } | Self::UnknownType { id, .. } | Self::Field { id, .. } => *id,
            Self::NotAnObject(_) | Self::NoType | Self::BadId => None,
        }
    }
}

/// The two fields that every frame may have, as they came. The whole object is read before any of it is judged: a text
/// that is no JSON is no frame, whatever it began with.
#[derive(Default)]
struct Head<'a> {
    kind: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    doubled_kind: bool,
    doubled_id: bool,
}

impl<'de> Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadVisitor;

        impl<'de> Visitor<'de> for HeadVisitor {
            type Value = Head<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut head = Head::default();
                while let Some(name) = map.next_key::<&RawValue>()? {
                    match Key::of(name.get()) {
                        Key::Kind => head.doubled_kind |= head.kind.replace(map.next_value()?).is_some(),
                        Key::Id => head.doubled_id |= head.id.replace(map.next_value()?).is_some(),
                        Key::Other => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(head)
            }
        }

        deserializer.deserialize_map(HeadVisitor)
    }
}

/// The name of a field, as far as it matters here.
enum Key {
    Kind,
    Id,
    Other,
}

impl Key {
    /// Takes the name with its quotes and escapes, because it may hold half of a surrogate pair, which is JSON but no
    /// text.
    fn of(name: &str) -> Self {
        match name {
            r#""type""# => Self::Kind,
            r#""id""# => Self::Id,
            escaped if escaped.contains('\\') => match serde_json::from_str::<String>(escaped).as_deref() {
                Ok("type") => Self::Kind,
                Ok("id") => Self::Id,
                Ok(_) | Err(_) => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// Reads type and id, and checks what holds for every frame.
pub(crate) fn head(text: &str) -> Result<(String, Option<u32>), DecodeError> {
    if !text.trim_start().starts_with('{') {
        return Err(DecodeError::NotAnObject("send an object with a `type`".to_owned()));
    }
    let head: Head<'_> = serde_json::from_str(text).map_err(|error| DecodeError::NotAnObject(error.to_string()))?;
    let kind = head.kind.ok_or(DecodeError::NoType)?;
    if head.doubled_id {
        return Err(DecodeError::Field { id: None, reason: "duplicate field `id`".to_owned() });
    }
    let id = match head.id {
        Some(raw) => Some(serde_json::from_str::<u32>(raw.get()).map_err(|_| DecodeError::BadId)?),
        None => None,
    };
    if head.doubled_kind {
        return Err(DecodeError::Field { id, reason: "duplicate field `type`".to_owned() });
    }
    let kind = serde_json::from_str::<String>(kind.get())
        .map_err(|_| DecodeError::Field { id, reason: "`type` must be a string".to_owned() })?;
    if data::depth(text) > DEPTH_MAX {
        return Err(DecodeError::TooDeep { id });
    }
    Ok((kind, id))
}

/// The `type` of a text that is a frame by its type and id, whether or not its other fields are good.
pub fn kind(text: &str) -> Option<String> {
    head(text).ok().map(|(kind, _)| kind)
}

/// Reads the fields of a frame whose type is known.
pub(crate) fn body<'de, T: Deserialize<'de>>(text: &'de str, id: Option<u32>) -> Result<T, DecodeError> {
    serde_json::from_str(text).map_err(|error| DecodeError::Field { id, reason: reason(&error) })
}

/// The type as given, short enough for a message.
pub(crate) fn unknown(id: Option<u32>, kind: &str) -> DecodeError {
    DecodeError::UnknownType { id, kind: kind.chars().take(40).collect() }
}

/// serde's sentence without the line and column, which mean little in a frame, and short enough for a message: it may
/// quote what the client sent, however long that was.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let sentence = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    match sentence.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence.to_owned(),
    }
}

/// Declares the enum of one direction's frames: encoding is serde's, decoding goes by `type` first, so that the
/// error for a wrong field names the field.
macro_rules! frames {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident($body:ty) = $kind:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        #[serde(untagged)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($body),)+
        }

        impl $name {
            /// Every `type` of this direction.
            pub const TYPES: &[&str] = &[$($kind),+];

            /// The frame's `type`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $kind,)+
                }
            }

            /// Reads one frame.
            pub fn decode(text: &str) -> Result<Self, $crate::frame::DecodeError> {
                let (kind, id) = $crate::frame::head(text)?;
                match kind.as_str() {
                    $($kind => Ok(Self::$variant($crate::frame::body(text, id)?)),)+
                    other => Err($crate::frame::unknown(id, other)),
                }
            }

            /// Writes one frame.
            pub fn encode(&self) -> String {
                // Frames hold strings, numbers and JSON values; none of their maps has keys that are no strings.
                serde_json::to_string(self).unwrap_or_default()
            }

            /// Appends one frame to a buffer.
            pub fn encode_to(&self, buffer: &mut Vec<u8>) {
                let start = buffer.len();
                // As above; what could not be written would leave nothing behind.
                if serde_json::to_writer(&mut *buffer, self).is_err() {
                    buffer.truncate(start);
                }
            }
        }
    };
}

pub(crate) use frames;
