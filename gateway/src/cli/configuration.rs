//! `hubbub config`: the manual of the configuration, and its check.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{ConfigFile, load, report};
use crate::config::MANUAL;

/// What can be asked about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every option with its default, its unit and its reason, as a file to begin with
    Default,
    /// Check a file together with the environment, and tell every fault at once
    Check {
        /// The configuration file; without one, the environment alone is checked [env: HUBBUB_CONFIG]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl ConfigCommand {
    /// Answers on standard output; tells faults on standard error and ends with code 1.
    pub fn run(self) -> ExitCode {
        match self {
            Self::Default => {
                report::print(MANUAL);
                ExitCode::SUCCESS
            }
            Self::Check { file } => {
                let sources = ConfigFile { path: file }.sources();
                let name =
                    sources.file.as_ref().map_or("The configuration".to_owned(), |file| file.display().to_string());
                match load(&sources) {
                    Ok(config) => {
                        let sentence =
                            format!("{name} has no faults; the gateway would listen on {}.", config.server.listen);
                        report::print(&report::holds(&sentence, &config.warnings()));
                        ExitCode::SUCCESS
                    }
                    Err(code) => code,
                }
            }
        }
    }
}
