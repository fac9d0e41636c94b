//! The languages that servers speak.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A wire language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// Hubbub's own.
    #[default]
    Native,
}
