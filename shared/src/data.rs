//! A JSON value that passes through the gateway as it came, apart from white space.

use std::fmt;

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

/// Calls `each` with every byte of valid JSON and with whether it stands in a string; both quotes count as inside.
fn scan(json: &str, mut each: impl FnMut(u8, bool)) {
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            each(byte, true);
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
        } else {
            in_string = byte == b'"';
            each(byte, in_string);
        }
    }
}

fn has_insignificant_white_space(json: &str) -> bool {
    let mut found = false;
    scan(json, |byte, in_string| found |= !in_string && is_white_space(byte));
    found
}

fn without_white_space(json: &str) -> String {
    let mut kept = Vec::with_capacity(json.len());
    scan(json, |byte, in_string| {
        if in_string || !is_white_space(byte) {
            kept.push(byte);
        }
    });
    // Only ASCII bytes were left out, so what was UTF-8 still is.
    String::from_utf8(kept).unwrap_or_else(|_| json.to_owned())
}

/// How deep arrays and objects are nested in valid JSON: 0 for a number, 1 for `[]`.
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    scan(json, |byte, in_string| match byte {
        b'[' | b'{' if !in_string => {
            depth += 1;
            deepest = deepest.max(depth);
        }
        b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
        _ => {}
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
}
