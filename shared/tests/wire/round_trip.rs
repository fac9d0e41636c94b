//! What one end writes, the other reads.

use std::collections::BTreeSet;

use hubbub_shared::names::RoomName;
use hubbub_shared::{ClientFrame, Data, Position, ServerFrame};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::arbitrary::{client_frame, json, server_frame};

proptest! {
    #[test]
    fn every_frame_of_a_client_survives_the_wire(frame in client_frame()) {
        prop_assert_eq!(ClientFrame::decode(&frame.encode()), Ok(frame));
    }

    #[test]
    fn every_frame_of_the_gateway_survives_the_wire(frame in server_frame()) {
        prop_assert_eq!(ServerFrame::decode(&frame.encode()), Ok(frame));
    }

    #[test]
    fn a_frame_is_one_line_and_begins_with_its_type(frame in client_frame()) {
        let text = frame.encode();
        let head = format!("{{\"type\":\"{}\"", frame.kind());
        prop_assert!(text.starts_with(&head) && !text.contains('\n'), "{}", text);
    }

    #[test]
    fn data_loses_its_white_space_and_nothing_else((loose, tight) in json()) {
        let data = Data::from_json(&loose).unwrap();
        prop_assert_eq!(data.as_json(), tight.as_str());
        prop_assert_eq!(data.len_bytes(), tight.len());
        prop_assert_eq!(Data::from_json(&tight).unwrap(), data);
    }

    #[test]
    fn a_text_that_is_a_position_is_that_position_s_text(text in "[a-zA-Z0-9]{0,5}-[0-9]{0,21}-[a-zA-Z0-9-]{0,5}") {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(position.to_string(), text);
        }
    }

    #[test]
    fn a_text_that_is_a_name_is_that_name_s_text(text in any::<String>()) {
        if let Ok(name) = RoomName::new(&text) {
            prop_assert_eq!(name.as_str(), text.as_str());
        }
    }
}

#[test]
fn the_random_frames_are_of_every_type() {
    let runner = &mut TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    for _ in 0..2_000 {
        kinds.insert(client_frame().new_tree(runner).unwrap().current().kind());
        kinds.insert(server_frame().new_tree(runner).unwrap().current().kind());
    }
    let all = ClientFrame::TYPES.iter().chain(ServerFrame::TYPES).copied().collect();
    assert_eq!(kinds, all);
}
