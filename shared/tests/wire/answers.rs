//! What the protocol says about texts that are not quite frames.

use hubbub_shared::client_frame::Join;
use hubbub_shared::frame::DecodeError;
use hubbub_shared::{ClientFrame, ServerFrame};

fn refusal(text: &str) -> DecodeError {
    match ClientFrame::decode(text) {
        Ok(frame) => panic!("{text} was read as {frame:?}"),
        Err(error) => error,
    }
}

fn read(text: &str) -> ClientFrame {
    ClientFrame::decode(text).unwrap_or_else(|error| panic!("{text} was refused: {error}"))
}

/// The id of a refusal that names a field and leaves the connection open, and the field's fault.
fn field(text: &str) -> (Option<u32>, String) {
    let error = refusal(text);
    assert!(!error.is_fatal(), "{text}");
    let id = error.id();
    match error {
        DecodeError::Field { reason, .. } => (id, reason),
        other => panic!("{text} gave {other:?}"),
    }
}

fn sent_data(data: &str) -> String {
    match read(&format!(r#"{{"type":"send","room":"a","data":{data}}}"#)) {
        ClientFrame::Send(send) => send.data.as_json().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// Arrays and objects, `depth` of them, one in the other.
fn nested(depth: usize) -> String {
    let open: String = (0..depth).map(|level| if level % 2 == 0 { "[" } else { r#"{"a":"# }).collect();
    let close: String = (0..depth).rev().map(|level| if level % 2 == 0 { ']' } else { '}' }).collect();
    let core = if depth.is_multiple_of(2) { "1" } else { "" };
    format!("{open}{core}{close}")
}

#[test]
fn what_is_no_object_ends_the_connection() {
    for text in [
        "",
        " ",
        "hello",
        "1",
        "1e5",
        "\"hello\"",
        "null",
        "true",
        "[]",
        "[1]",
        r#"["ping",1]"#,
        "{",
        "}",
        "{]",
        r#"{"type"}"#,
        r#"{"type":}"#,
        r#"{"type":"ping""#,
        r#"{"type":"ping",}"#,
        r#"{type:"ping"}"#,
        "{'type':1}",
        r#"{"type":"ping"}{"type":"ping"}"#,
        r#"{"type":"ping"} {"type":"ping"}"#,
        r#"{"type":"ping"},"#,
        r#"[{"type":"ping"}]"#,
        "\u{feff}{\"type\":\"ping\"}",
        "\u{a0}{\"type\":\"ping\"}",
        "{\"type\":\"pi\nng\"}",
        "{\"type\":\"ping\",\"\t\":1}",
        "{\"type\":\"ping\",\"\0\":1}",
        r#"{"type":"ping","a":01}"#,
        r#"{"type":"ping","a":NaN}"#,
        r#"{"type":"ping","a":"\x"}"#,
        r#"{"type":"ping",/* a */"id":1}"#,
    ] {
        let error = refusal(text);
        assert!(matches!(error, DecodeError::NotAnObject(_)) && error.is_fatal(), "{text:?} gave {error:?}");
        assert_eq!(error.id(), None, "{text:?}");
    }
}

#[test]
fn an_object_without_a_type_ends_the_connection() {
    for text in ["{}", " { } ", r#"{"id":1}"#, r#"{"kind":"ping"}"#, r#"{"Type":"ping"}"#, r#"{"a":{"type":"ping"}}"#] {
        assert_eq!(refusal(text), DecodeError::NoType, "{text}");
        assert!(refusal(text).is_fatal());
    }
}

#[test]
fn a_type_that_is_no_string_is_a_bad_request() {
    for kind in ["null", "1", "true", "[]", r#"["ping"]"#, "{}", r#"{"ping":null}"#, r#""\ud800""#] {
        let text = format!(r#"{{"type":{kind},"id":7}}"#);
        assert_eq!(field(&text), (Some(7), "`type` must be a string".to_owned()));
    }
}

#[test]
fn a_type_that_nobody_knows_is_a_bad_request_with_the_id() {
    for kind in ["", "PING", "ping ", "welcome", "💥"] {
        let error = refusal(&format!(r#"{{"type":"{kind}","id":7}}"#));
        assert_eq!(error, DecodeError::UnknownType { id: Some(7), kind: kind.to_owned() });
        assert!(!error.is_fatal());
    }
    let long = refusal(&format!(r#"{{"type":"{}"}}"#, "x".repeat(60_000)));
    assert!(long.to_string().len() < 100, "{long}");
}

#[test]
fn an_id_that_is_no_unsigned_32_bit_integer_is_a_bad_request_without_id() {
    for id in [
        "-1",
        "-0",
        "1.0",
        "1.5",
        "1e2",
        "4294967296",
        "1e99",
        "\"1\"",
        "\"\"",
        "null",
        "true",
        "[1]",
        "{}",
        r#"{"a":1}"#,
    ] {
        let error = refusal(&format!(r#"{{"type":"ping","id":{id}}}"#));
        assert_eq!((error.id(), error.is_fatal()), (None, false), "{id}");
        assert_eq!(error, DecodeError::BadId, "{id}");
    }
    for id in [0, 1, u32::MAX] {
        let text = format!(r#"{{"type":"ping","id":{id}}}"#);
        assert_eq!(read(&text).encode(), text);
    }
}

#[test]
fn a_known_field_given_twice_is_a_bad_request() {
    for (text, id, name) in [
        (r#"{"type":"ping","type":"ping"}"#, None, "type"),
        (r#"{"type":"ping","id":7,"type":"pong"}"#, Some(7), "type"),
        (r#"{"type":"ping","\u0074ype":"ping"}"#, None, "type"),
        (r#"{"type":null,"type":null}"#, None, "type"),
        (r#"{"type":"ping","id":1,"id":1}"#, None, "id"),
        (r#"{"type":"ping","id":1,"\u0069d":2}"#, None, "id"),
        (r#"{"type":"join","id":7,"room":"a","room":"a"}"#, Some(7), "room"),
        (r#"{"type":"join","id":7,"room":"a","since":null,"since":null}"#, Some(7), "since"),
        (r#"{"type":"send","id":7,"room":"a","data":1,"data":1}"#, Some(7), "data"),
        (r#"{"type":"send","id":7,"room":"a","data":null,"data":null}"#, Some(7), "data"),
        (r#"{"type":"hello","id":7,"guest":{"name":"a","name":"a"}}"#, Some(7), "name"),
    ] {
        assert_eq!(field(text), (id, format!("duplicate field `{name}`")), "{text}");
    }
}

#[test]
fn what_is_no_json_is_no_frame_even_after_a_field_given_twice() {
    for text in [r#"{"type":"ping","type":"ping""#, r#"{"id":1,"id":1,nonsense}"#, r#"{"type":"ping","type":"ping"}x"#]
    {
        assert!(matches!(refusal(text), DecodeError::NotAnObject(_)), "{text}");
    }
}

#[test]
fn unknown_fields_are_ignored_also_when_given_twice() {
    let known = read(r#"{"type":"ping","id":1}"#);
    for more in [
        r#""x":1"#,
        r#""x":1,"x":2"#,
        r#""x":null"#,
        r#""room":1,"room":2"#,
        r#""":0"#,
        r#""x":1e999"#,
        r#""x":123456789012345678901234567890"#,
        r#""x":{"type":"send","id":-1,"type":0}"#,
        r#""x":"\ud800""#,
        r#""ID":-1,"TYPE":0"#,
    ] {
        assert_eq!(read(&format!(r#"{{"type":"ping",{more},"id":1}}"#)), known, "{more}");
    }
}

#[test]
fn a_name_of_a_field_that_is_no_text_is_a_bad_request() {
    assert_eq!(field(r#"{"type":"ping","id":7,"\ud800":1}"#).0, Some(7));
}

#[test]
fn a_frame_may_be_nested_64_deep_and_no_deeper() {
    // The frame itself is the first level.
    let data = |depth: usize| format!(r#"{{"type":"send","id":7,"room":"a","data":{}}}"#, nested(depth - 1));
    let unknown = |depth: usize| format!(r#"{{"x":{},"type":"ping","id":7}}"#, nested(depth - 1));
    for text in [data(64), unknown(64), data(2), unknown(2)] {
        read(&text);
    }
    for text in [data(65), unknown(65), data(129), unknown(10_000), data(30_000)] {
        assert_eq!(refusal(&text), DecodeError::TooDeep { id: Some(7) });
        assert!(!refusal(&text).is_fatal());
    }
}

#[test]
fn brackets_in_strings_are_not_depth() {
    let brackets = format!(r#""{}\"{}\\""#, "[".repeat(100), "{".repeat(100));
    assert_eq!(sent_data(&brackets), brackets);
}

#[test]
fn what_is_deep_and_never_ends_is_no_object() {
    for text in [
        "[".repeat(60_000),
        "{".repeat(60_000),
        r#"{"a":"#.repeat(12_000),
        format!(r#"{{"type":"send","room":"a","data":{}"#, "[".repeat(60_000)),
        format!(r#"{{"type":"ping","x":{}"#, r#"{"a":"#.repeat(12_000)),
    ] {
        assert!(matches!(refusal(&text), DecodeError::NotAnObject(_)));
    }
}

#[test]
fn data_passes_through_as_text() {
    for json in [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "1.0",
        "0.1000",
        "1E+400",
        "1e-400",
        "1e999999999",
        "123456789012345678901234567890",
        "3.14159265358979323846264338327950288",
        r#""""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#,
        r#""\u0000""#,
        r#""\/""#,
        r#""👍\ud83d\udc4d""#,
        "[]",
        "{}",
        r#"{"a":1,"a":2}"#,
        r#"{"type":"ping","id":-1}"#,
        r#""  ""#,
        r#"{" a ":[1,"\" , \\"]}"#,
    ] {
        assert_eq!(sent_data(json), json);
    }
}

#[test]
fn white_space_is_taken_out_of_data_but_not_out_of_its_strings() {
    assert_eq!(
        sent_data(" {\t\"a b\" : [ 1 ,\r\n\" \\\" \\\\\" , \"\u{a0} \\n\" ] , \"c\":{ } } "),
        "{\"a b\":[1,\" \\\" \\\\\",\"\u{a0} \\n\"],\"c\":{}}"
    );
    assert_eq!(sent_data(" \" \" "), "\" \"");
    assert_eq!(sent_data("\n1 "), "1");
}

#[test]
fn null_is_data_and_no_data_is_a_fault() {
    assert_eq!(sent_data("null"), "null");
    for text in [
        r#"{"type":"send","id":7,"room":"a"}"#,
        r#"{"type":"edit","id":7,"room":"a","target":"0-0-0"}"#,
        r#"{"type":"signal","id":7,"room":"a"}"#,
    ] {
        assert_eq!(field(text), (Some(7), "missing field `data`".to_owned()));
    }
}

#[test]
fn a_missing_or_wrong_field_is_named_with_the_id() {
    for (text, reason) in [
        (r#"{"type":"join","id":7}"#, "missing field `room`"),
        (r#"{"type":"join","id":7,"room":null}"#, "invalid type: null, expected a string"),
        (r#"{"type":"join","id":7,"room":5}"#, "invalid type: integer `5`, expected a string"),
        (r#"{"type":"join","id":7,"room":"a","limit":-1}"#, "invalid value: integer `-1`, expected u64"),
        (r#"{"type":"join","id":7,"room":"a","limit":1.5}"#, "invalid type: floating point `1.5`, expected u64"),
        (r#"{"type":"join","id":7,"room":"a","presence":1}"#, "invalid type: integer `1`, expected a boolean"),
        (r#"{"type":"send","id":7,"data":1}"#, "missing field `room`"),
        (r#"{"type":"unread","id":7,"rooms":"a"}"#, "invalid type: string \"a\", expected a sequence"),
        (
            r#"{"type":"moderate","id":7,"room":"a","user":"b","action":"shout"}"#,
            "unknown variant `shout`, expected one of `kick`, `ban`, `unban`, `mute`, `unmute`",
        ),
    ] {
        assert_eq!(field(text), (Some(7), reason.to_owned()), "{text}");
    }
}

#[test]
fn an_object_is_not_read_from_an_array_nor_a_word_from_an_object() {
    for text in [
        r#"{"type":"hello","id":7,"guest":[]}"#,
        r#"{"type":"hello","id":7,"guest":["Ada"]}"#,
        r#"{"type":"hello","id":7,"guest":"Ada"}"#,
        r#"{"type":"hello","id":7,"client":["hubbub-js","1.0.0"]}"#,
        r#"{"type":"react","id":7,"room":"a","target":"0-0-0","emoji":"x","op":{"add":null}}"#,
        r#"{"type":"moderate","id":7,"room":"a","user":"b","action":{"kick":null}}"#,
    ] {
        assert_eq!(field(text).0, Some(7), "{text}");
    }
}

#[test]
fn an_optional_field_that_is_null_is_as_good_as_absent() {
    assert_eq!(
        read(r#"{"type":"join","room":"a","since":null,"limit":null}"#),
        ClientFrame::Join(Join { room: "a".to_owned(), ..Join::default() })
    );
    assert_eq!(read(r#"{"type":"hello","guest":null,"client":null,"token":null}"#), read(r#"{"type":"hello"}"#));
}

#[test]
fn what_a_refusal_quotes_is_short_however_long_the_frame_was() {
    let long = "💥 at line 1 ".repeat(4_000);
    for text in [
        format!(r#"{{"type":"join","room":"a","limit":"{long}"}}"#),
        format!(r#"{{"type":"react","room":"a","target":"b","emoji":"c","op":"{long}"}}"#),
        format!(r#"{{"type":"hello","guest":"{long}"}}"#),
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#"{{"type":"ping","id":"{long}"}}"#),
        format!("\"{long}\""),
    ] {
        assert!(refusal(&text).to_string().chars().count() < 250, "{}", refusal(&text));
    }
}

#[test]
fn fields_may_come_in_any_order_with_any_white_space() {
    assert_eq!(
        read("\r\n{\t\"room\" : \"a\" , \"id\":\n2,\"limit\":3,\"type\":\"join\" } "),
        read(r#"{"type":"join","id":2,"room":"a","limit":3}"#)
    );
}

#[test]
fn each_direction_knows_its_own_frames_only() {
    for kind in ClientFrame::TYPES {
        let other = ServerFrame::decode(&format!(r#"{{"type":"{kind}"}}"#));
        assert_eq!(
            ServerFrame::TYPES.contains(kind),
            !matches!(other, Err(DecodeError::UnknownType { .. })),
            "{kind} gave {other:?}"
        );
    }
}
