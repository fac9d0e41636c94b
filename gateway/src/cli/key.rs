//! `hubbub key`: API keys for the application's back end.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;

use clap::Subcommand;

use super::report;
use crate::auth::api_keys;
use crate::config::ApiKeyHash;

/// A key's plain hash stands in the configuration, so a short key could be found by trying.
const KEY_CHARACTERS_MIN: usize = 20;

/// What can be asked about API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Print a key and its hash for the configuration: of the key on standard input, or of a fresh random one
    #[command(after_help = "Examples:\n  hubbub key hash\n  hubbub key hash < key.txt")]
    Hash,
}

impl KeyCommand {
    /// Answers on standard output; tells what is wrong on standard error and ends with code 1.
    pub fn run(self) -> ExitCode {
        let Self::Hash = self;
        let input = io::stdin();
        let given = if input.is_terminal() { Ok(None) } else { read(input.lock()) };
        match given {
            Ok(given) => {
                report::print(&answer(&given.unwrap_or_else(api_keys::fresh)));
                ExitCode::SUCCESS
            }
            Err(problem) => {
                report::tell(&format!("{problem}\n"));
                ExitCode::FAILURE
            }
        }
    }
}

/// The key on the first line, if there is one.
fn read(mut input: impl BufRead) -> Result<Option<String>, String> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| format!("The key cannot be read: {error}."))?;
    let key = line.trim();
    if key.is_empty() {
        return Ok(None);
    }
    // A key travels in an HTTP header.
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("The key holds a space or a character beyond ASCII; use letters, digits and signs.".to_owned());
    }
    if key.len() < KEY_CHARACTERS_MIN {
        return Err(format!(
            "The key is too short to be safe; use {KEY_CHARACTERS_MIN} random characters or more, or run \
             `hubbub key hash` without input for a fresh key."
        ));
    }
    Ok(Some(key.to_owned()))
}

fn answer(key: &str) -> String {
    let hash = ApiKeyHash::of(key);
    format!(
        "The key, for the application's back end (it is not shown again):\n\n    {key}\n\n\
         Its hash, for the configuration:\n\n[[auth.api_keys]]\nname = \"backend\"\nhash = \"{hash}\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_key_is_the_first_line_without_white_space() {
        assert_eq!(read(&b"  a-key-of-twenty-chars \nmore"[..]), Ok(Some("a-key-of-twenty-chars".to_owned())));
        assert_eq!(read(&b"\n"[..]), Ok(None));
        assert_eq!(read(&b""[..]), Ok(None));
    }

    #[test]
    fn a_key_that_could_be_guessed_or_not_be_sent_is_refused() {
        assert!(read(&b"hunter2"[..]).unwrap_err().contains("too short"));
        assert!(read(&b"a key with spaces in it, long enough"[..]).unwrap_err().contains("space"));
    }

    #[test]
    fn the_printed_hash_is_that_of_the_printed_key_and_fits_the_configuration() {
        let key = api_keys::fresh();
        let answer = answer(&key);
        assert!(answer.contains(&format!("    {key}\n")));
        let hash = answer.split("hash = \"").nth(1).unwrap().trim_end().trim_end_matches('"');
        assert_eq!(hash.parse(), Ok(ApiKeyHash::of(&key)));
    }
}
