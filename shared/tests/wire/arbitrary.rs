//! Frames and data at random, for the properties.

mod client;
mod server;

use hubbub_shared::Data;
use proptest::collection::vec;
use proptest::prelude::*;

pub(crate) use client::client_frame;
pub(crate) use server::server_frame;

/// Text of every kind: quotes, controls, astral characters.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z0-9:-]{1,12}", any::<String>()]
}

fn optional_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(text())
}

fn id() -> impl Strategy<Value = Option<u32>> {
    any::<Option<u32>>()
}

/// A number as text, also one that no type of Rust holds.
fn number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?"
}

/// A string as text, with escapes that stand for no character too.
fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "\"([ a-z\\[\\]{}:,]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,12}\"",
    ]
}

/// White space as it may stand between tokens.
fn gap() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

/// The text of a JSON value, at most eight levels deep, and the same value without white space.
pub(crate) fn json() -> impl Strategy<Value = (String, String)> {
    let leaf =
        prop_oneof![Just("null".to_owned()), Just("true".to_owned()), Just("false".to_owned()), number(), string()];
    leaf.prop_map(|text| (text.clone(), text)).prop_recursive(8, 48, 5, |inner| {
        let item = (gap(), inner.clone(), gap())
            .prop_map(|(before, (loose, tight), after)| (format!("{before}{loose}{after}"), tight))
            .boxed();
        let member = (gap(), string(), gap(), item.clone()).prop_map(|(before, key, between, (loose, tight))| {
            (format!("{before}{key}{between}:{loose}"), format!("{key}:{tight}"))
        });
        prop_oneof![
            vec(item, 0..5).prop_map(|items| bracket('[', items, ']')),
            vec(member, 0..5).prop_map(|members| bracket('{', members, '}')),
        ]
    })
}

fn bracket(open: char, items: Vec<(String, String)>, close: char) -> (String, String) {
    let (loose, tight): (Vec<_>, Vec<_>) = items.into_iter().unzip();
    (format!("{open}{}{close}", loose.join(",")), format!("{open}{}{close}", tight.join(",")))
}

/// A JSON value that may pass through.
fn data() -> BoxedStrategy<Data> {
    json().prop_map(|(loose, _)| Data::from_json(&loose).unwrap()).boxed()
}
