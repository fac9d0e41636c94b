//! What is wrong with the configuration, in words for whoever wrote it.

use std::fmt;

use toml::Value;

use crate::config::setting::{Content, Setting};
use crate::config::source::Source;

/// Options whose values are never shown.
const SECRETS: [&str; 2] = ["auth.secret", "redis.url"];

/// Longer values are cut off in reports.
const SHOWN_CHARACTERS: usize = 80;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The option, such as `rooms[1].keep_s`, or the file or variable that could not be read.
    pub key: String,
    /// The value that was found, fit to be shown.
    pub value: Option<String>,
    /// Where it was set.
    pub source: Source,
    /// What is wrong and what would be right, as the rest of a sentence that begins with the key.
    pub problem: String,
}

/// All that is wrong, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    /// A fault whose value is not worth showing.
    pub(super) fn new(key: impl Into<String>, source: Source, problem: impl Into<String>) -> Self {
        Self { key: key.into(), value: None, source, problem: problem.into() }
    }

    /// A fault of a setting.
    pub(super) fn of(key: String, setting: &Setting, problem: String) -> Self {
        let value = Some(shown(&key, setting));
        Self { key, value, source: setting.source.clone(), problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}) {}", self.source, self.problem)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| writeln!(f, "{fault}"))
    }
}

impl std::error::Error for Faults {}

/// A value as a report shows it. What holds a secret, or stands where one belongs, is not shown.
fn shown(key: &str, setting: &Setting) -> String {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    if SECRETS.iter().any(|secret| within(key, secret) || within(secret, key)) {
        return "***".to_owned();
    }
    let text = match setting.value() {
        // Quoted as Rust does it, so that no control character reaches the terminal.
        Value::String(text) => format!("{:?}", without_password(&text)),
        value => value.to_string().replace('\n', " "),
    };
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An address such as `https://ada:secret@example.org` without what stands before the `@`.
fn without_password(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            match rest[..end].rfind('@') {
                Some(at) => format!("{scheme}://***{}", &rest[at..]),
                None => text.to_owned(),
            }
        }
        None => text.to_owned(),
    }
}

/// Says in plain words what serde found wrong with a setting. Never repeats the value, which may be a secret.
pub(super) fn explain(message: &str, setting: &Setting, default: Option<&Value>) -> String {
    let default = default.filter(|value| !value.is_table() && !value.is_array());
    let default = default.map_or_else(String::new, |value| format!("; the default is {value}"));
    if let Some(field) = message.strip_prefix("missing field ") {
        return format!("lacks {field}");
    }
    let Some((found, expected)) = message.split_once(", expected ") else { return format!("is wrong: {message}") };
    let wanted = wanted(expected);
    if found.starts_with("invalid type") {
        format!("is {}, but {wanted} is wanted{default}", kind(setting))
    } else {
        format!("is not possible; {wanted} is wanted{default}")
    }
}

fn kind(setting: &Setting) -> &'static str {
    match &setting.content {
        Content::Plain(Value::String(_) | Value::Datetime(_)) => "a text",
        Content::Plain(Value::Integer(_)) => "a whole number",
        Content::Plain(Value::Float(_)) => "a number with a fraction",
        Content::Plain(Value::Boolean(_)) => "true or false",
        Content::List(_) | Content::Plain(Value::Array(_)) => "a list",
        Content::Table(_) | Content::Plain(Value::Table(_)) => "a table",
    }
}

/// What serde expected, in the words of a person.
fn wanted(expected: &str) -> String {
    match expected {
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number, 0 or more,".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a string" | "path string" | "string or table" | "string or map" => "a text in quotes".to_owned(),
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        _ => expected.replace('`', "\""),
    }
}
