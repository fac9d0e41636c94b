//! From sources to a configuration, or to everything that is wrong with them.

use std::path::Path;
use std::sync::Arc;

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::config::Config;
use crate::config::check::{Problem, check};
use crate::config::fault::{Fault, Faults, explain};
use crate::config::known::{Known, defaults, spelled};
use crate::config::setting::{Content, Setting};
use crate::config::source::{PREFIX, Source, Sources};

/// The key of a fault that is none of a key.
const SYNTAX: &str = "syntax";

impl Config {
    /// Reads the sources, each over the one before: defaults, file, environment, flags. Reads files; opens no port.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let known = Known::new();
        let mut faults = Vec::new();
        let mut tree = defaults();
        for upper in [file(sources, &mut faults), environment(sources, &known, &mut faults), flags(sources)] {
            tree.overlay(upper);
        }
        faults.extend(known.check(&mut tree));
        let config = read(&mut tree, &known, &mut faults);
        for problem in check(&config) {
            faults.extend(locate(&mut tree, problem));
        }
        // What could be made of a broken line would only be a second complaint about it.
        let broken: Vec<Source> =
            faults.iter().filter(|fault| fault.key == SYNTAX).map(|fault| fault.source.clone()).collect();
        faults.retain(|fault| fault.key == SYNTAX || !broken.contains(&fault.source));
        if faults.is_empty() {
            return Ok(config);
        }
        faults.sort_by(|one, other| one.source.cmp(&other.source));
        Err(Faults(faults))
    }
}

fn nothing() -> Setting {
    Setting::new(Content::Table([].into()), Source::Default)
}

fn file(sources: &Sources, faults: &mut Vec<Fault>) -> Setting {
    let Some(path) = &sources.file else { return nothing() };
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path, faults),
        Err(error) => {
            let source = Source::File { path: Arc::new(path.clone()), line: None };
            let problem = format!("cannot be read ({error}); name a TOML file that this user may read");
            faults.push(Fault::new("--config", source, problem));
            nothing()
        }
    }
}

fn parse(text: &str, path: &Path, faults: &mut Vec<Fault>) -> Setting {
    let path = Arc::new(path.to_owned());
    let line = |offset: usize| text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1;
    let source = |offset: usize| Source::File { path: Arc::clone(&path), line: Some(line(offset)) };
    let (table, errors) = DeTable::parse_recoverable(text);
    // The parser's own rendering shows the line, which may hold a secret; its message does not.
    for error in &errors {
        let offset = error.span().map_or(text.len(), |span| span.start);
        faults.push(Fault::new(SYNTAX, source(offset), format!("is broken: {}", error.message())));
    }
    Setting::parsed(&DeValue::Table(table.into_inner()), 0, &source)
}

fn environment(sources: &Sources, known: &Known, faults: &mut Vec<Fault>) -> Setting {
    let mut variables: Vec<_> = sources.environment.iter().collect();
    variables.sort();
    let mut tree = nothing();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        let Some(option) = name.strip_prefix(PREFIX) else { continue };
        let source = Source::Variable(name.to_string());
        let path = option.to_ascii_lowercase().replace("__", ".");
        match known.option(&path) {
            // Only sections have no dot and are tables.
            Some(Value::Table(_)) if !path.contains('.') => {
                let problem = format!("is a section; set its options, each by a variable {name}__…");
                faults.push(Fault::new(path, source, problem));
            }
            Some(example) => match value.to_str() {
                Some(value) => tree.overlay(variable(value, example, &source).at(&path)),
                None => faults.push(Fault::new(path, source, "is no UTF-8 text; set it again")),
            },
            None if path.contains('.') => faults.push(known.unknown(path, source)),
            // Without a section it is no option of ours, but perhaps one of the orchestrator's (Kubernetes sets
            // HUBBUB_PORT for a service called hubbub), so only a likely slip is a fault.
            None => {
                if let Some(meant) = known.meant_by_variable(&path) {
                    let problem = format!("is no option; did you mean `{}`?", spelled(&meant, &source));
                    faults.push(Fault::new(path, source, problem));
                }
            }
        }
    }
    tree
}

/// The value of a variable, by what the option's default is.
fn variable(text: &str, example: &Value, source: &Source) -> Setting {
    let trimmed = text.trim();
    match example {
        Value::String(_) => Setting::text(text, source.clone()),
        Value::Array(_) if !trimmed.starts_with('[') => {
            let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
            Setting::new(Content::List(items.map(|item| Setting::text(item, source.clone())).collect()), source.clone())
        }
        _ => match DeValue::parse(trimmed) {
            Ok(value) => Setting::parsed(value.get_ref(), 0, &|_| source.clone()),
            Err(_) => Setting::text(text, source.clone()),
        },
    }
}

fn flags(sources: &Sources) -> Setting {
    let mut tree = nothing();
    for (flag, option, text) in &sources.flags {
        tree.overlay(Setting::text(text, Source::Flag(flag)).at(option));
    }
    tree
}

/// Reads the tree; where a setting does not fit, notes the fault and reads the rest without it.
fn read(tree: &mut Setting, known: &Known, faults: &mut Vec<Fault>) -> Config {
    loop {
        let error = match serde_path_to_error::deserialize(tree.value()) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let message = error.inner().message();
        match tree.find(&error.path().to_string()) {
            // Every round leaves out one setting more, so the rounds have an end.
            Some((setting, key)) if !setting.faulty && !key.is_empty() => {
                setting.faulty = true;
                // What a table lacks because of a fault that is noted already is not worth another.
                if !setting.holds_faults() {
                    let problem = explain(message, setting, known.option(&key));
                    faults.push(Fault::of(key, setting, problem));
                }
            }
            _ => {
                faults.push(Fault::new("the configuration", tree.source.clone(), format!("is wrong: {message}")));
                return Config::default();
            }
        }
    }
}

/// Finds out which of the options of a problem was set, and where. None when one of them is faulty anyway.
fn locate(tree: &mut Setting, problem: Problem) -> Option<Fault> {
    let mut involved = Vec::new();
    for key in &problem.keys {
        let Some((setting, place)) = tree.find(key) else { continue };
        if setting.faulty {
            return None;
        }
        involved.push(Fault::of(place, setting, problem.problem.clone()));
    }
    let set = involved.iter().position(|fault| fault.source != Source::Default).unwrap_or(0);
    involved.into_iter().nth(set)
}
