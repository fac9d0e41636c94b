//! What frames show.

use serde_json::Value;

/// The frame has these fields with these values; `null` stands for a field that must be absent.
#[track_caller]
pub(crate) fn shows(frame: &Value, expected: Value) {
    for (field, value) in expected.as_object().unwrap() {
        match value {
            Value::Null => assert!(frame.get(field).is_none(), "{field} should be absent: {frame}"),
            value => assert_eq!(&frame[field], value, "{field} of {frame}"),
        }
    }
}

/// The frame has exactly these fields.
#[track_caller]
pub(crate) fn has_exactly(frame: &Value, fields: &str) {
    let mut expected: Vec<_> = fields.split(' ').collect();
    expected.sort_unstable();
    let mut found: Vec<_> = frame.as_object().unwrap().keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{frame}");
}

/// The seqs of frames, in their order.
#[track_caller]
pub(crate) fn seqs<'a>(frames: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    frames.into_iter().map(|frame| frame["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {frame}"))).collect()
}
