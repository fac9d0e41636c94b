//! The tree of what was set, in which every value knows its source.

use std::collections::BTreeMap;

use toml::Value;
use toml::de::DeValue;

use crate::config::source::Source;

/// One value of the tree.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    /// Where it was set.
    pub(super) source: Source,
    /// What it is.
    pub(super) content: Content,
    /// A fault was found in it, so it is left out of what is read from the tree.
    pub(super) faulty: bool,
}

/// What a setting is.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A text, a number or a truth value.
    Plain(Value),
    /// A list.
    List(Vec<Setting>),
    /// A table.
    Table(BTreeMap<String, Setting>),
}

impl Setting {
    /// A setting of this source.
    pub(super) fn new(content: Content, source: Source) -> Self {
        Self { source, content, faulty: false }
    }

    /// A text.
    pub(super) fn text(text: &str, source: Source) -> Self {
        Self::new(Content::Plain(Value::from(text)), source)
    }

    /// What was parsed; `source` knows what begins at an offset of the text.
    pub(super) fn parsed(value: &DeValue<'_>, offset: usize, source: &dyn Fn(usize) -> Source) -> Self {
        let content = match value {
            DeValue::Table(table) => {
                let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| {
                    let key_offset: usize = key.span().start;
                    let setting = Self::parsed(value.get_ref(), key_offset, source);
                    (std::borrow::Cow::to_string(key.get_ref()), setting)
                };
                Content::Table(table.iter().map(entry).collect())
            }
            DeValue::Array(list) => {
                Content::List(list.iter().map(|item| Self::parsed(item.get_ref(), item.span().start, source)).collect())
            }
            DeValue::String(text) => Content::Plain(Value::from(text.as_ref())),
            DeValue::Boolean(truth) => Content::Plain(Value::from(*truth)),
            // No option is a date, and one of a broken line cannot be shown.
            DeValue::Datetime(date) => Content::Plain(Value::from(date.to_string())),
            // A number that is too large for its type stays a text, which no option that wants a number accepts.
            DeValue::Integer(number) => Content::Plain(
                i64::from_str_radix(number.as_str(), number.radix())
                    .map_or_else(|_| Value::from(number.as_str()), Value::from),
            ),
            DeValue::Float(number) => Content::Plain(
                number.as_str().parse::<f64>().map_or_else(|_| Value::from(number.as_str()), Value::from),
            ),
        };
        Self::new(content, source(offset))
    }

    /// Puts this setting at a path of table keys: `a.b` becomes a table `a` with a `b`.
    pub(super) fn at(self, path: &str) -> Self {
        path.rsplit('.').fold(self, |setting, key| {
            let source = setting.source.clone();
            Self::new(Content::Table(BTreeMap::from([(key.to_owned(), setting)])), source)
        })
    }

    /// Lays another tree over this one: tables are joined, anything else is replaced.
    pub(super) fn overlay(&mut self, upper: Self) {
        match (&mut self.content, upper) {
            (Content::Table(lower), Self { content: Content::Table(upper), .. }) => {
                for (key, setting) in upper {
                    match lower.get_mut(&key) {
                        Some(below) => below.overlay(setting),
                        None => {
                            lower.insert(key, setting);
                        }
                    }
                }
            }
            (_, upper) => *self = upper,
        }
    }

    /// The tree without sources and without what is faulty.
    pub(super) fn value(&self) -> Value {
        match &self.content {
            Content::Plain(value) => value.clone(),
            Content::List(list) => Value::Array(list.iter().filter(|item| !item.faulty).map(Self::value).collect()),
            Content::Table(table) => Value::Table(
                table.iter().filter(|(_, item)| !item.faulty).map(|(key, item)| (key.clone(), item.value())).collect(),
            ),
        }
    }

    /// Whether something directly in this table is faulty.
    pub(super) fn holds_faults(&self) -> bool {
        matches!(&self.content, Content::Table(table) if table.values().any(|item| item.faulty))
    }

    /// The setting at a path of [`Setting::value`], such as `rooms[1].keep_s`, and its path in this tree, whose lists
    /// also count what is faulty.
    pub(super) fn find(&mut self, path: &str) -> Option<(&mut Self, String)> {
        let mut setting = self;
        let mut place = String::new();
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let (key, index) = match part.split_once('[') {
                Some((key, index)) => (key, Some(index.trim_end_matches(']').parse::<usize>().ok()?)),
                None => (part, None),
            };
            let Content::Table(table) = &mut setting.content else { return None };
            setting = table.get_mut(key)?;
            place = if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
            if let Some(index) = index {
                let Content::List(list) = &mut setting.content else { return None };
                let (index, item) = list.iter_mut().enumerate().filter(|(_, item)| !item.faulty).nth(index)?;
                setting = item;
                place = format!("{place}[{index}]");
            }
        }
        Some((setting, place))
    }
}
