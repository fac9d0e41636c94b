//! The tree tells the truth: calls go down, only the places named in ARCHITECTURE.md know what they know, and every
//! file can be found from its parent.

#![expect(clippy::unwrap_used, reason = "outside `#[test]` functions clippy does not see that this is a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file: its path below `src`, and its text without comments and without the unit tests at its end.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The top-level module that the file belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every file that is part of the binary; test files may look anywhere.
fn sources() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    files_below(&root, &mut files);
    files.sort();
    let sources = files.iter().map(|file| {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        Source { path, text: code.collect::<Vec<_>>().join("\n") }
    });
    sources.filter(|source| !source.path.contains("tests") && !source.path.contains("conformance")).collect()
}

/// The modules in the order of lib.rs, which is the order in which they may call each other.
fn reading_order() -> Vec<String> {
    let text = fs::read_to_string(root().join("lib.rs")).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

/// The top-level modules that a file names.
fn named_modules(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split('}').next().unwrap_or_default();
            named.extend(group.split(',').map(|item| item.trim().split("::").next().unwrap_or_default().to_owned()));
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            named.push(rest[..end].to_owned());
        }
    }
    named
}

fn assert_only(what: &str, needle: &str, allowed: &[&str]) {
    let offenders: Vec<_> = sources()
        .into_iter()
        .filter(|source| source.text.contains(needle))
        .filter(|source| !allowed.iter().any(|place| source.path.starts_with(place)))
        .map(|source| source.path)
        .collect();
    assert!(offenders.is_empty(), "{what} is for {allowed:?} alone, but these name `{needle}`: {offenders:?}");
}

#[test]
fn calls_go_down_in_the_order_of_lib_rs() {
    let order: BTreeMap<String, usize> = reading_order().into_iter().zip(0..).collect();
    assert!(order.len() > 15, "lib.rs was not understood: {order:?}");
    let mut upward = Vec::new();
    for source in sources() {
        let Some(own) = order.get(source.module()) else { continue };
        for named in named_modules(&source.text) {
            if order.get(&named).is_some_and(|other| other < own) {
                upward.push(format!("{} names crate::{named}", source.path));
            }
        }
    }
    assert!(upward.is_empty(), "these look up: {upward:#?}");
}

const CAPABILITIES: [&str; 6] = ["broker", "presence", "sessions", "limits", "locks", "replicas"];

#[test]
fn only_the_composition_root_picks_backends() {
    for capability in CAPABILITIES {
        // The embedded presence store tells its changes on the embedded bus.
        let allowed = ["app", capability, "presence/memory"];
        assert_only("a concrete backend", &format!("crate::{capability}::memory"), &allowed);
        assert_only(
            "a concrete backend",
            &format!("crate::{capability}::redis"),
            &["app", capability, "presence/redis"],
        );
    }
}

#[test]
fn only_redis_and_the_backends_on_it_know_fred() {
    let backends = CAPABILITIES.map(|capability| format!("{capability}/redis"));
    let allowed: Vec<_> = ["redis"].into_iter().chain(backends.iter().map(String::as_str)).collect();
    assert_only("fred", "fred::", &allowed);
    assert_only("Redis's own protocol", "redis_protocol", &["redis"]);
}

#[test]
fn only_transport_and_http_know_axum() {
    assert_only("axum", "axum::", &["transport", "http", "app.rs"]);
}

#[test]
fn only_transport_knows_websockets_own_types() {
    assert_only("WebSocket's own types", "tungstenite", &["transport"]);
}

#[test]
fn only_a_dialect_knows_frames() {
    assert_only("a frame", "ServerFrame", &["dialect"]);
    assert_only("a frame", "ClientFrame", &["dialect"]);
}

#[test]
fn only_auth_knows_how_tokens_are_signed() {
    assert_only("jsonwebtoken", "jsonwebtoken::", &["auth"]);
}

#[test]
fn only_the_configuration_reads_the_environment() {
    assert_only("the environment", "env::var", &["config"]);
}

#[test]
fn no_other_layer_is_made_from_the_configuration_file() {
    assert_only("the configuration", "crate::config", &["app", "cli", "config", "telemetry.rs"]);
}

#[test]
fn every_file_is_named_by_its_parent() {
    let root = root();
    let mut files = Vec::new();
    files_below(&root, &mut files);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert_ne!(name, "mod", "modules are `foo.rs` beside `foo/`: {}", file.display());
        let folder = file.parent().unwrap();
        let parent = if folder == root { root.join("lib.rs") } else { folder.with_extension("rs") };
        if matches!(name, "lib" | "main") && folder == root {
            continue;
        }
        let text = fs::read_to_string(&parent).unwrap_or_else(|_| panic!("{} has no parent", file.display()));
        assert!(text.contains(&format!("mod {name}")), "{} is not named by {}", file.display(), parent.display());
    }
}

#[test]
fn no_file_is_longer_than_a_sitting_and_none_is_a_drawer() {
    let mut files = Vec::new();
    files_below(&root(), &mut files);
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        for drawer in ["util", "helper", "manager", "common", "misc"] {
            assert!(!name.contains(drawer), "{} says nothing of what is in it", file.display());
        }
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines: one file, one idea", file.display());
    }
}
