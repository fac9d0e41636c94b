//! Scenarios as files: those that come with the program, by their names, and those of the user, by their paths.

use std::path::Path;

use thiserror::Error;

use crate::settings::Settings;

/// What comes with the program: the names, and the files.
const SHIPPED: [(&str, &str); 9] = [
    ("steady", include_str!("../scenarios/steady.toml")),
    ("big-room", include_str!("../scenarios/big-room.toml")),
    ("many-rooms", include_str!("../scenarios/many-rooms.toml")),
    ("zipf", include_str!("../scenarios/zipf.toml")),
    ("presence-churn", include_str!("../scenarios/presence-churn.toml")),
    ("reconnect-storm", include_str!("../scenarios/reconnect-storm.toml")),
    ("slow-readers", include_str!("../scenarios/slow-readers.toml")),
    ("idle", include_str!("../scenarios/idle.toml")),
    ("broadcast", include_str!("../scenarios/broadcast.toml")),
];

/// Why there is no such scenario.
#[derive(Debug, Error)]
pub(crate) enum ScenarioError {
    #[error(
        "there is no scenario {0}; `hubbub-loadtest scenarios` lists them, and a file is given as a path, like ./{0}.toml"
    )]
    Unknown(String),
    #[error(
        "the scenario could not be read from {path}: {error}; give the path of a file like one, or a name that \
         `hubbub-loadtest scenarios` lists"
    )]
    Unreadable { path: String, error: std::io::Error },
    #[error("{name} is no scenario:\n{error}")]
    Wrong { name: String, error: toml::de::Error },
}

/// The settings of a scenario, by its name or by the path of its file.
pub(crate) fn load(name: &str) -> Result<Settings, ScenarioError> {
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return read(name, text);
    }
    let path = Path::new(name);
    if path.extension().is_none() && path.components().count() == 1 {
        return Err(ScenarioError::Unknown(name.to_owned()));
    }
    match std::fs::read_to_string(path) {
        Ok(text) => read(name, &text),
        Err(error) => Err(ScenarioError::Unreadable { path: name.to_owned(), error }),
    }
}

fn read(name: &str, text: &str) -> Result<Settings, ScenarioError> {
    toml::from_str(text).map_err(|error| ScenarioError::Wrong { name: name.to_owned(), error })
}

/// The names of the scenarios that come with the program, and what each is for.
pub(crate) fn list() -> Result<Vec<(&'static str, String)>, ScenarioError> {
    SHIPPED.iter().map(|(name, text)| Ok((*name, read(name, text)?.about.unwrap_or_default()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::RunArguments;
    use crate::plan::Plan;

    #[test]
    fn every_scenario_that_is_shipped_explains_itself_and_makes_a_plan() {
        for (name, about) in list().unwrap() {
            assert!(!about.is_empty(), "{name}");
            Plan::new(RunArguments::parse_words(name)).unwrap();
        }
    }

    #[test]
    fn a_fault_of_a_file_is_shown_where_it_stands() {
        for (text, words) in [
            ("clents = 3", ["clents", "clients"]),
            ("rate = 'fast'", ["rate", "f64"]),
            ("connect_rate = 'fast'", ["connect_rate", "max"]),
            ("duration = '10 parsecs'", ["duration", "parsecs"]),
            ("[pass]\nlatency = 1", ["latency", "delivered_p99_ms"]),
        ] {
            let error = read("mine", text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_that_is_no_scenario_leads_to_the_list() {
        let error = load("bigroom").unwrap_err().to_string();
        assert!(error.contains("hubbub-loadtest scenarios") && error.contains("./bigroom.toml"), "{error}");
        let error = load("./nowhere.toml").unwrap_err().to_string();
        assert!(error.contains("./nowhere.toml") && error.contains("hubbub-loadtest scenarios"), "{error}");
    }
}
