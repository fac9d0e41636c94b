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

/// How much alike two keys must be for one to be a slip of the other, from 0 to 1.
const ALIKE_SIBLING: f64 = 0.5;
const ALIKE_ANYWHERE: f64 = 0.8;

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

    /// The option that was probably meant: a sibling of much the same name, or one of the same name in another table.
    pub(super) fn nearest(&self, path: &str) -> Option<String> {
        let mut known = &self.0;
        let mut parent = String::new();
        let mut rest = path.split('.');
        let name = rest.by_ref().find(|part| {
            let key = part.split('[').next().unwrap_or(part);
            match known.get(key) {
                Some(value) => {
                    known = value.as_array().and_then(|list| list.first()).unwrap_or(value);
                    parent = join(&parent, key);
                    false
                }
                None => true,
            }
        })?;
        let sibling = known.as_table().and_then(|table| {
            let scored = table.keys().map(|key| (alike(name, key), key)).filter(|(alike, _)| *alike >= ALIKE_SIBLING);
            scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, key)| key)
        });
        if let Some(sibling) = sibling {
            return Some(rest.fold(join(&parent, sibling), |path, key| join(&path, key)));
        }
        let last = path.rsplit('.').next().unwrap_or(path);
        let name_of = |option: &str| alike(last, option.rsplit('.').next().unwrap_or(option));
        self.best(name_of)
    }

    /// The option that a variable without `__` was probably meant for: `HUBBUB_LISTEN`, `HUBBUB_SERVER_LISTEN`.
    pub(super) fn meant_by_variable(&self, name: &str) -> Option<String> {
        self.best(|option| {
            let last = option.rsplit('.').next().unwrap_or(option);
            alike(name, &option.replace('.', "_")).max(alike(name, last))
        })
    }

    /// The option that a measure likes best, if it likes one at all.
    fn best(&self, measure: impl Fn(&str) -> f64) -> Option<String> {
        let mut options = Vec::new();
        collect(&self.0, "", &mut options);
        let scored = options.into_iter().map(|option| (measure(&option), option));
        let likely = scored.filter(|(alike, _)| *alike >= ALIKE_ANYWHERE);
        likely.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, option)| option)
    }
}

/// How much alike two names are: 1 for the same, 0 for nothing in common.
fn alike(one: &str, other: &str) -> f64 {
    let whole_words = other.split('_').any(|word| word == one) || one.split('_').any(|word| word == other);
    let letters = strsim::normalized_damerau_levenshtein(one, other);
    if whole_words { letters.max(ALIKE_SIBLING) } else { letters }
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
