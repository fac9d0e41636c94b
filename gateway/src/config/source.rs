//! Where a setting comes from. The only file that reads the environment.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What every variable of the gateway begins with.
pub(super) const PREFIX: &str = "HUBBUB_";
/// The variable that names the configuration file.
const FILE: &str = "HUBBUB_CONFIG";

/// Where a setting comes from; a later one wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The manual.
    Default,
    /// A line of the configuration file, or the whole of it.
    File {
        /// The file.
        path: Arc<PathBuf>,
        /// The line, counted from 1.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File { path, line: Some(line) } => write!(f, "{}, line {line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// What the configuration is made from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Names and values of environment variables; those without the prefix `HUBBUB_` do not matter.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags of the command line that set an option: the flag, the option, the text.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// The environment of this process, and the file that it names.
    pub fn environment() -> Self {
        let ours = |(name, _): &(OsString, OsString)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        // An empty variable is how orchestrators say that there is none.
        let file = std::env::var_os(FILE).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { file, environment: std::env::vars_os().filter(ours).collect(), flags: Vec::new() }
    }
}
