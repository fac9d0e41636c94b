//! Reports for people, coloured where they reach a terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use clap::builder::styling::{AnsiColor, Style};

use crate::config::{Fault, Faults};

const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
const KEY: Style = AnsiColor::Cyan.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// Every fault with its place, one paragraph each.
pub(super) fn faults(Faults(faults): &Faults) -> String {
    let count = faults.len();
    let title = if count == 1 {
        "The configuration has a fault".to_owned()
    } else {
        format!("The configuration has {count} faults")
    };
    let mut text = format!("{BAD}{title}{BAD:#}\n");
    for Fault { key, value, source, problem } in faults {
        let value = value.as_ref().map_or_else(String::new, |value| format!(" = {value}"));
        // Writing into a text cannot fail.
        let _ = write!(text, "\n  {KEY}{key}{KEY:#}{value}  {FAINT}{source}{FAINT:#}\n    {problem}\n");
    }
    text.push_str("\n`hubbub config default` explains every option.\n");
    text
}

/// A plain sentence that all is well, and what might not be meant.
pub fn holds(sentence: &str, warnings: &[String]) -> String {
    let warnings = warnings.iter().map(|warning| format!("{DOUBTFUL}Warning:{DOUBTFUL:#} {warning}.\n"));
    format!("{GOOD}{sentence}{GOOD:#}\n{}", warnings.collect::<String>())
}

/// A sentence about what went wrong.
pub fn failure(sentence: &str) -> String {
    format!("{BAD}Error:{BAD:#} {sentence}\n")
}

/// Writes to standard error. Where that is closed there is nobody to tell.
pub fn tell(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no fault.
pub fn print(text: &str) {
    let _ = anstream::stdout().write_all(text.as_bytes());
}
