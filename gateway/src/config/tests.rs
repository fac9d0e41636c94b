//! What the configuration promises.

mod layers;
mod manual;
mod meaning;
mod relations;
mod report;
mod warnings;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use toml::Value;

use super::known::{Known, defaults};
use super::*;
use crate::grants::Pattern;
use crate::limits::Quota;

/// A public key of Ed25519, the one of RFC 8037.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";

/// A file that is gone again at the end of its test.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hubbub-{}-{number}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Faults> {
    let file = TemporaryFile::new("configuration.toml", file);
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources { file: Some(file.0.clone()), environment, flags: Vec::new() })
}

fn faults(file: &str) -> Vec<Fault> {
    load(file, &[]).unwrap_err().0
}

fn line(fault: &Fault) -> usize {
    match fault.source {
        Source::File { line: Some(line), .. } => line,
        ref other => panic!("{fault} comes from {other}"),
    }
}

/// The options that are no tables, each with its default.
fn leaves() -> Vec<(String, Value)> {
    fn collect(path: &str, value: Value, leaves: &mut Vec<(String, Value)>) {
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    collect(format!("{path}.{key}").trim_start_matches('.'), value, leaves);
                }
            }
            value => leaves.push((path.to_owned(), value)),
        }
    }
    let mut leaves = Vec::new();
    collect("", defaults().value(), &mut leaves);
    leaves.retain(|(path, _)| path != "rooms");
    leaves
}
