//! A JSON value that passes through the gateway as it came, apart from white space.

use std::fmt;

use memchr::memchr2;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Any JSON value, kept as its text without insignificant white space. Numbers of any size survive, because nothing
/// ever reads them.
#[derive(Clone)]
pub struct Data(Box<RawValue>);

impl Data {
    /// Reads one JSON value.
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let value: &RawValue = serde_json::from_str(json)?;
        Ok(Self::compact(value.to_owned()))
    }

    /// The value's JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// The length of the JSON text, in bytes.
    pub fn len_bytes(&self) -> usize {
        self.0.get().len()
    }

    fn compact(raw: Box<RawValue>) -> Self {
        let json = raw.get();
        if !has_insignificant_white_space(json) {
            return Self(raw);
        }
        // Taking white space out from between the tokens of a valid value leaves a valid value.
        match RawValue::from_string(without_white_space(json)) {
            Ok(compact) => Self(compact),
            Err(_) => Self(raw),
        }
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A part of valid JSON.
enum Part<'a> {
    /// A string with both quotes.
    String(&'a [u8]),
    /// A byte between strings.
    Byte(u8),
}

/// Calls `each` with every part of valid JSON. Strings, which are most of what clients send, are passed over in strides.
fn scan<'a>(json: &'a str, mut each: impl FnMut(Part<'a>)) {
    let mut rest = json.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        if byte == b'"' {
            let (string, behind) = rest.split_at(string_bytes(rest));
            each(Part::String(string));
            rest = behind;
        } else {
            each(Part::Byte(byte));
            rest = behind;
        }
    }
}

/// How long the string is that valid JSON begins with, both quotes included.
fn string_bytes(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        // What follows a backslash ends nothing.
        at += 2;
    }
    json.len()
}

fn has_insignificant_white_space(json: &str) -> bool {
    let mut found = false;
    scan(json, |part| found |= matches!(part, Part::Byte(byte) if is_white_space(byte)));
    found
}

fn without_white_space(json: &str) -> String {
    let mut kept = Vec::with_capacity(json.len());
    scan(json, |part| match part {
        Part::String(string) => kept.extend_from_slice(string),
        Part::Byte(byte) if is_white_space(byte) => {}
        Part::Byte(byte) => kept.push(byte),
    });
    // Only ASCII bytes were left out, so what was UTF-8 still is.
    String::from_utf8(kept).unwrap_or_else(|_| json.to_owned())
}

/// How deep arrays and objects are nested in valid JSON: 0 for a number, 1 for `[]`.
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    scan(json, |part| match part {
        Part::Byte(b'[' | b'{') => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        Part::Byte(b']' | b'}') => depth = depth.saturating_sub(1),
        Part::Byte(_) | Part::String(_) => {}
    });
    deepest
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Data {}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::compact(Box::<RawValue>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_white_space_outside_strings_is_lost() {
        let data = Data::from_json(" { \"a b\" : [ 1 , \"\\\" x\\\\\" ] ,\n\"n\": 1e999 } ").unwrap();
        assert_eq!(data.as_json(), "{\"a b\":[1,\"\\\" x\\\\\"],\"n\":1e999}");
    }

    #[test]
    fn numbers_of_any_size_pass_through_as_text() {
        for json in ["123456789012345678901234567890", "-0.0", "1E+400", "0.1000"] {
            assert_eq!(Data::from_json(json).unwrap().as_json(), json);
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count_as_depth() {
        assert_eq!(depth("1"), 0);
        assert_eq!(depth("[]"), 1);
        assert_eq!(depth("{\"a\":[{\"b\":\"[[[\"}]}"), 3);
    }

    fn depth_of(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(depth_of).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(depth_of).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["\\PC{0,40}", r#"[\\\\"\\[{}\\] ]{0,12}"#];
        let leaf = prop_oneof![any::<i64>().prop_map(Value::from), text.clone().prop_map(Value::from)];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_comes_out_compact_and_as_deep_as_it_is(value in any_value()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(depth(&pretty), depth_of(&value));
            let data = Data::from_json(&pretty).unwrap();
            prop_assert_eq!(data.as_json(), value.to_string());
        }
    }
}
