//! Nothing that comes in can do harm: any text gives a frame or a refusal.

use hubbub_shared::frame::DecodeError;
use hubbub_shared::{ClientFrame, Data, Position, ServerFrame};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::value::RawValue;

use crate::arbitrary::{client_frame, server_frame};

/// One thing that can happen to bytes on their way.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Remove(Index, Index),
    Repeat(Index, Index),
    Insert(Index, &'static str),
}

/// Pieces that mean something where they land.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "\\u",
    "\\ud800",
    "null",
    "1e9",
    "-",
    " ",
    "\0",
    "\"type\":",
    "\"id\":",
    "\"type\":\"ping\",",
    "\"id\":1,",
    "\"data\":",
    "\"room\":\"a\",",
    "\u{feff}",
];

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (place(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        place().prop_map(Damage::Cut),
        (place(), place()).prop_map(|(from, to)| Damage::Remove(from, to)),
        (place(), place()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        (place(), select(PIECES)).prop_map(|(at, piece)| Damage::Insert(at, piece)),
    ]
}

fn suffer(bytes: &mut Vec<u8>, damage: &Damage) {
    // One more place than there are bytes: behind the last.
    let places = bytes.len() + 1;
    let range = |from: &Index, to: &Index| {
        let (from, to) = (from.index(places), to.index(places));
        from.min(to)..from.max(to)
    };
    match damage {
        Damage::Set(at, byte) => bytes.iter_mut().skip(at.index(places)).take(1).for_each(|old| *old = *byte),
        Damage::Flip(at, bit) => bytes.iter_mut().skip(at.index(places)).take(1).for_each(|old| *old ^= 1 << bit),
        Damage::Cut(at) => bytes.truncate(at.index(places)),
        Damage::Remove(from, to) => drop(bytes.drain(range(from, to))),
        Damage::Repeat(from, to) => bytes.extend_from_within(range(from, to)),
        Damage::Insert(at, piece) => {
            let at = at.index(places);
            bytes.splice(at..at, piece.bytes()).for_each(drop);
        }
    }
}

/// Reads the text in both directions; what is read must survive the wire, what is refused must say so briefly.
fn read_both_ways(text: &str) -> Result<(), TestCaseError> {
    match ClientFrame::decode(text) {
        Ok(frame) => prop_assert_eq!(ClientFrame::decode(&frame.encode()), Ok(frame)),
        Err(error) => check_refusal(text, &error)?,
    }
    match ServerFrame::decode(text) {
        Ok(frame) => prop_assert_eq!(ServerFrame::decode(&frame.encode()), Ok(frame)),
        Err(error) => check_refusal(text, &error)?,
    }
    Ok(())
}

fn check_refusal(text: &str, error: &DecodeError) -> Result<(), TestCaseError> {
    let sentence = error.to_string();
    prop_assert!(!sentence.is_empty() && sentence.chars().count() < 500, "{}", sentence);
    // Which refusals end the connection can be told without this crate.
    let is_object = serde_json::from_str::<&RawValue>(text).is_ok_and(|json| json.get().starts_with('{'));
    prop_assert_eq!(matches!(error, DecodeError::NotAnObject(_)), !is_object, "{:?} for {}", error, text);
    if let Ok(object) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
        prop_assert_eq!(error.is_fatal(), !object.contains_key("type"), "{:?} for {}", error, text);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn damaged_frames_are_read_or_refused(
        text in prop_oneof![client_frame().prop_map(|f| f.encode()), server_frame().prop_map(|f| f.encode())],
        damages in vec(damage(), 1..6),
    ) {
        let mut bytes = text.into_bytes();
        for damage in &damages {
            suffer(&mut bytes, damage);
        }
        read_both_ways(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        read_both_ways(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_heap_of_pieces_is_read_or_refused(pieces in vec(select(PIECES), 0..40)) {
        let heap = pieces.concat();
        read_both_ways(&heap)?;
        read_both_ways(&format!("{{\"type\":\"send\",\"room\":\"a\",\"data\":{heap}}}"))?;
        read_both_ways(&format!("{{{heap}\"type\":\"ping\"}}"))?;
    }

    #[test]
    fn any_text_is_data_and_a_position_or_is_not(text in any::<String>()) {
        if let Ok(data) = Data::from_json(&text) {
            prop_assert!(data.len_bytes() <= text.len());
        }
        drop(text.parse::<Position>());
    }
}
