//! Which options there are: those of the manual.

use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use crate::config::fault::Fault;
use crate::config::setting::{Content, Setting};
use crate::config::source::{PREFIX, Source};

/// The manual, which is also the defaults.
pub const MANUAL: &str = include_str!("default.toml");

/// Keys that a table of a list must have.
const REQUIRED: [(&str, &[&str]); 2] = [("rooms", &["match"]), ("auth.api_keys", &["name", "hash"])];

/// How much alike two names must be for one to be a slip of the other, from 0 to 1: in the same place, and anywhere.
const ALIKE: f64 = 0.5;
const VERY_ALIKE: f64 = 0.8;
/// How much alike two names are of which one is a word of the other, such as `send` and `user_send`.
const ALIKE_BY_WORD: f64 = 0.75;
/// What the likeness of a name in another table counts, compared with one in the same place.
const ELSEWHERE: f64 = 0.7;

/// The defaults as the manual gives them.
pub(super) fn defaults() -> Setting {
    // A test holds that the manual has no fault; with one, what could be read of it would count.
    let (table, _) = DeTable::parse_recoverable(MANUAL);
    let table = Spanned::new(table.span(), toml::de::DeValue::Table(table.into_inner()));
    Setting::parsed(table.get_ref(), 0, &|_| Source::Default)
}

/// The options as a tree of example values. A list of tables holds one table, with all that such a table may hold.
#[derive(Debug)]
pub(super) struct Known(Value);

impl Known {
    pub(super) fn new() -> Self {
        let mut known = defaults().value();
        if let Some(Value::Table(auth)) = known.get_mut("auth") {
            let text = || Value::from("");
            let api_key = Table::from_iter([("name".to_owned(), text()), ("hash".to_owned(), text())]);
            auth.insert("api_keys".to_owned(), Value::Array(vec![Value::Table(api_key)]));
        }
        Self(known)
    }

    /// The example value of an option, such as `server.listen` or `rooms[1].keep_s`.
    pub(super) fn option(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.0, |value, key| match key.split_once('[') {
            Some((list, _)) => value.as_table()?.get(list)?.as_array()?.first(),
            None => value.as_table()?.get(key),
        })
    }

    /// Finds the keys that are no options and the tables that lack a key, and marks them as faulty.
    pub(super) fn check(&self, tree: &mut Setting) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.walk(tree, &self.0, "", &mut faults);
        faults
    }

    fn walk(&self, setting: &mut Setting, known: &Value, path: &str, faults: &mut Vec<Fault>) {
        match (&mut setting.content, known) {
            (Content::Table(table), Value::Table(known)) => {
                for (key, item) in table {
                    let path = join(path, key);
                    match known.get(key) {
                        Some(known) => self.walk(item, known, &path, faults),
                        None => {
                            item.faulty = true;
                            faults.push(self.unknown(path, item.source.clone()));
                        }
                    }
                }
            }
            (Content::List(list), Value::Array(known)) => {
                let Some(known @ Value::Table(_)) = known.first() else { return };
                let required = REQUIRED.iter().find(|(list, _)| *list == path).map_or(&[][..], |(_, keys)| keys);
                for (index, item) in list.iter_mut().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.walk(item, known, &path, faults);
                    let Content::Table(table) = &mut item.content else { continue };
                    for key in required {
                        table.entry((*key).to_owned()).or_insert_with(|| {
                            let problem = format!("is missing; every table of this list needs its own `{key}`");
                            faults.push(Fault::new(format!("{path}.{key}"), item.source.clone(), problem));
                            Setting { faulty: true, ..Setting::text("", item.source.clone()) }
                        });
                    }
                }
            }
            _ => {}
        }
    }

    /// The fault of a key that is no option. Its value is not shown: it may be a secret under a misspelt name.
    pub(super) fn unknown(&self, path: String, source: Source) -> Fault {
        let advice = match self.nearest(&path) {
            Some(nearest) => format!("did you mean `{}`?", spelled(&nearest, &source)),
            None => "`hubbub config default` explains every option".to_owned(),
        };
        Fault::new(path, source, format!("is no option; {advice}"))
    }

    /// The option that was probably meant: one much alike in every part of its path, or else one of the same name
    /// in another table.
    fn nearest(&self, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split('.').map(|part| part.split('[').next().unwrap_or(part)).collect();
        self.likeliest(|option| {
            let option: Vec<&str> = option.split('.').collect();
            let pairs = || parts.iter().zip(&option).map(|(one, other)| alike(one, other));
            let whole = pairs().fold(1.0, f64::min);
            let name = parts.last().zip(option.last()).map_or(0.0, |(one, other)| alike(one, other));
            let here = if parts.len() == option.len() && whole >= ALIKE { whole } else { 0.0 };
            let elsewhere = if name >= VERY_ALIKE { name * ELSEWHERE } else { 0.0 };
            here.max(elsewhere)
        })
    }

    /// The option that a variable without `__` was probably meant for: `HUBBUB_LISTEN`, `HUBBUB_SERVER_LISTEN`.
    pub(super) fn meant_by_variable(&self, name: &str) -> Option<String> {
        self.likeliest(|option| {
            let last = option.rsplit('.').next().unwrap_or(option);
            let likeness = alike(name, &option.replace('.', "_")).max(alike(name, last));
            if likeness >= VERY_ALIKE { likeness } else { 0.0 }
        })
    }

    /// The option of the greatest likeness, if any has some.
    fn likeliest(&self, likeness: impl Fn(&str) -> f64) -> Option<String> {
        let mut options = Vec::new();
        collect(&self.0, "", &mut options);
        let likely =
            options.into_iter().map(|option| (likeness(&option), option)).filter(|(likeness, _)| *likeness > 0.0);
        likely.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, option)| option)
    }
}

/// How much alike two names are: 1 for the same, 0 for nothing in common.
fn alike(one: &str, other: &str) -> f64 {
    let is_word_of = |word: &str, name: &str| name.split('_').any(|part| part == word);
    let letters = strsim::normalized_damerau_levenshtein(one, other);
    if is_word_of(one, other) || is_word_of(other, one) { letters.max(ALIKE_BY_WORD) } else { letters }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// An option as it is written at a source.
pub(super) fn spelled(option: &str, source: &Source) -> String {
    match source {
        Source::Variable(_) => format!("{PREFIX}{}", option.replace('.', "__").to_uppercase()),
        Source::Default | Source::File { .. } | Source::Flag(_) => option.to_owned(),
    }
}

fn collect(known: &Value, path: &str, options: &mut Vec<String>) {
    match known {
        Value::Table(table) => {
            for (key, value) in table {
                let path = join(path, key);
                options.push(path.clone());
                collect(value, &path, options);
            }
        }
        Value::Array(list) => {
            if let Some(first @ Value::Table(_)) = list.first() {
                collect(first, path, options);
            }
        }
        _ => {}
    }
}
