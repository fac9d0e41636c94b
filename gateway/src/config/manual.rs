//! Writes `docs/configuration.md` from the manual, so that the two cannot drift apart.

use std::fmt::Write;
use std::path::Path;

use super::MANUAL;

const HEADER: &str = "\
<!-- Generated from gateway/src/config/default.toml; change it there and run `make generate`. -->

# Configuration

";

/// The text of a comment's lines.
fn prose(lines: &[&str]) -> String {
    lines
        .iter()
        .map(|line| line.trim_start_matches('#').strip_prefix(' ').unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn row(option: &str, default: &str, meaning: &str) -> String {
    let meaning = meaning.replace('\n', " ").replace('|', "\\|");
    format!("| `{option}` | `{default}` | {meaning} |\n")
}

fn generate() -> String {
    let mut page = HEADER.to_owned();
    let mut in_table = false;
    for block in MANUAL.split("\n\n") {
        let lines: Vec<&str> = block.lines().collect();
        let comments: Vec<&str> = lines.iter().copied().filter(|line| line.starts_with('#')).collect();
        let settings: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with('#')).collect();
        match settings[..] {
            // A section and what it is about.
            [section] if section.starts_with('[') => {
                write!(page, "\n## `{section}`\n\n{}\n", prose(&comments)).unwrap();
                in_table = false;
            }
            [setting] => {
                let (option, default) = setting.split_once(" = ").expect("an option has a default");
                if !in_table {
                    page.push_str("\n| option | default | meaning |\n|---|---|---|\n");
                    in_table = true;
                }
                page.push_str(&row(option, default, &prose(&comments)));
            }
            // A comment alone: the introduction, or the example of a list that is empty by default.
            [] => {
                let text = prose(&comments);
                match text.split_once("\n\n[[") {
                    Some((text, example)) => write!(page, "\n{text}\n\n```toml\n[[{example}\n```\n").unwrap(),
                    None => writeln!(page, "{text}").unwrap(),
                }
                in_table = false;
            }
            _ => panic!("a block of the manual holds one option: {block}"),
        }
    }
    page
}

#[test]
fn the_page_about_the_configuration_is_the_manual() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let wanted = generate();
    if std::env::var_os("HUBBUB_GENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/configuration.md is stale; run `make generate`");
}
