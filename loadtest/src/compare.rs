//! Two runs side by side: what one reached, what the other did, and how often one goes into the other.

mod rows;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use thiserror::Error;

pub(crate) use self::rows::{Trend, rows};
pub(crate) use self::words::write;
use crate::report::Report;

/// Which runs are compared.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArguments {
    /// The JSON report of one run
    pub(crate) first: PathBuf,
    /// The JSON report of another
    pub(crate) second: PathBuf,
    /// Also write the comparison to this file, as a page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// Why two runs cannot be compared.
#[derive(Debug, Error)]
pub(crate) enum CompareError {
    #[error("{0} could not be read: {1}")]
    File(PathBuf, std::io::Error),
    #[error("{0} is no report of this program: {1}; write one with `--json`")]
    Form(PathBuf, serde_json::Error),
}

/// Two runs, and what speaks against comparing them.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) reports: [Report; 2],
    pub(crate) differences: Vec<Difference>,
}

/// What the plans say differently.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) values: [String; 2],
}

/// Longer names are cut.
const NAME_MAX: usize = 20;

/// What differs between any two runs, and says nothing.
const INDIFFERENT: [&str; 5] = ["room_prefix", "run", "seed", "servers", "urls"];

impl Comparison {
    /// Reads both reports.
    pub(crate) fn read(arguments: &CompareArguments) -> Result<Self, CompareError> {
        let reports = [read(&arguments.first)?, read(&arguments.second)?];
        Ok(Self { differences: differences(&reports), reports })
    }
}

fn read(path: &Path) -> Result<Report, CompareError> {
    let json = std::fs::read(path).map_err(|error| CompareError::File(path.to_owned(), error))?;
    serde_json::from_slice(&json).map_err(|error| CompareError::Form(path.to_owned(), error))
}

/// Short names for both: those of the files, with as much of their folders as tells them apart.
pub(crate) fn names(arguments: &CompareArguments) -> [String; 2] {
    let [first, second] = [&arguments.first, &arguments.second].map(|path| path.with_extension(""));
    let tail = |path: &Path, parts: usize| {
        let all: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let parts = (1..=first.iter().count().max(second.iter().count()))
        .find(|&parts| tail(&first, parts) != tail(&second, parts))
        .unwrap_or(1);
    [first, second].map(|path| last_characters(&tail(&path, parts), NAME_MAX))
}

fn last_characters(text: &str, number: usize) -> String {
    let length = text.chars().count();
    match length.checked_sub(number) {
        None | Some(0) => text.to_owned(),
        Some(more) => format!("…{}", text.chars().skip(more + 1).collect::<String>()),
    }
}

fn differences(reports: &[Report; 2]) -> Vec<Difference> {
    let [first, second] = [&reports[0], &reports[1]].map(fields);
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    names
        .into_iter()
        .filter_map(|field| {
            let values = [&first, &second].map(|fields| fields.get(field).map_or("–", String::as_str).to_owned());
            (values[0] != values[1]).then(|| Difference { field: field.clone(), values })
        })
        .collect()
}

/// What the plan says of the test, by name, and on what it was made; what is left open is left out.
fn fields(report: &Report) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let plan = serde_json::to_value(&report.plan).unwrap_or_default();
    let machine = serde_json::json!({ "machine": report.made.machine });
    for (name, value) in [&plan, &machine].into_iter().filter_map(Value::as_object).flatten() {
        match value {
            _ if INDIFFERENT.contains(&name.as_str()) => {}
            Value::Object(parts) => fields.extend(parts.iter().map(|(part, value)| (format!("{name}, {part}"), value))),
            value => drop(fields.insert(name.clone(), value)),
        }
    }
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    };
    fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;
    use crate::plan::Plan;
    use crate::verdict::Verdict;

    fn named(first: &str, second: &str) -> [String; 2] {
        names(&CompareArguments { first: first.into(), second: second.into(), html: None })
    }

    #[test]
    fn runs_are_named_by_their_files_and_by_their_folders_only_where_these_differ() {
        assert_eq!(named("/tmp/runs/before.json", "after.json"), ["before", "after"]);
        assert_eq!(named("/tmp/old/run.json", "/tmp/new/run.json"), ["old/run", "new/run"]);
        assert_eq!(named("run.json", "run.json"), ["run", "run"]);
        let [long, _] = named("a-very-long-name-that-nobody-has-room-for.json", "b.json");
        assert_eq!((long.chars().count(), long.starts_with('…')), (NAME_MAX, true), "{long}");
    }

    #[test]
    fn each_threshold_that_differs_is_named_by_itself() {
        let [first, second] = ["--max-p99-ms 5 --max-loss 1", "--max-p99-ms 7"].map(|flags| {
            let plan = Plan::new(RunArguments::parse_words(flags)).unwrap();
            serde_json::from_value::<Report>(serde_json::json!({ "plan": plan, "verdict": Verdict::default() }))
                .unwrap()
        });
        let mut found = differences(&[first, second]);
        found.retain(|difference| difference.field.starts_with("pass"));
        let values = found.into_iter().map(|each| (each.field, each.values)).collect::<Vec<_>>();
        let pair = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
        assert_eq!(
            values,
            [("pass, delivered_p99_ms".to_owned(), pair("5.0", "7.0")), ("pass, lost".to_owned(), pair("1", "–"))]
        );
    }
}
