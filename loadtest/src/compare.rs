//! Two runs side by side: what one reached, what the other did, and how often one goes into the other.

mod rows;
mod words;

use std::path::{Path, PathBuf};

use clap::Args;
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

fn differences(reports: &[Report; 2]) -> Vec<Difference> {
    let plans = [&reports[0], &reports[1]].map(|report| serde_json::to_value(&report.plan).unwrap_or_default());
    let [Some(first), Some(second)] = plans.each_ref().map(serde_json::Value::as_object) else { return Vec::new() };
    first
        .iter()
        .filter(|(field, _)| !INDIFFERENT.contains(&field.as_str()))
        .filter_map(|(field, value)| {
            let other = second.get(field)?;
            (value != other)
                .then(|| Difference { field: field.clone(), values: [value.to_string(), other.to_string()] })
        })
        .collect()
}
