//! All that was measured, kept in a file, so that parts can be measured at different times and the page be written anew.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::contender::Setup;
use super::part::{Bar, Figure, Part};
use super::place::Place;
use super::step::Outcome;

/// What was found of all parts that were measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) parts: Vec<Measured>,
}

/// One part: in each round every server once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) part: Part,
    pub(crate) place: Place,
    /// Those that changed every scenario.
    pub(crate) flags: Vec<String>,
    pub(crate) rounds: Vec<Vec<(Setup, Outcome)>>,
}

impl Results {
    /// What the file holds; nothing if there is none.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(json) => Ok(serde_json::from_slice(&json)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes all of it in place of what the file held, which stays whole if this is broken off.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let unfinished = path.with_extension("json.new");
        std::fs::write(&unfinished, serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::rename(unfinished, path)
    }

    /// Takes a part in, in place of what was found of it before.
    pub(crate) fn put(&mut self, measured: Measured) {
        self.parts.retain(|known| known.part != measured.part);
        self.parts.push(measured);
        self.parts.sort_by_key(|measured| measured.part);
    }
}

impl Measured {
    /// A figure of a server in each round that has it.
    pub(crate) fn values(&self, setup: Setup, figure: Figure) -> Vec<f64> {
        self.outcomes(setup).filter_map(|outcome| outcome.figures.get(&figure).copied()).collect()
    }

    /// What each round found of a server.
    pub(crate) fn outcomes(&self, setup: Setup) -> impl Iterator<Item = &Outcome> {
        self.rounds.iter().flatten().filter(move |(known, _)| *known == setup).map(|(_, outcome)| outcome)
    }

    /// What a bar asks of: the middle one of all rounds, of the ratio within each round where there is one.
    pub(crate) fn at_bar(&self, bar: &Bar) -> Option<f64> {
        let Some(against) = bar.against else { return median(&self.values(bar.setup, bar.figure)) };
        let ratios: Vec<f64> = self
            .rounds
            .iter()
            .filter_map(|round| {
                let value = |setup: Setup| {
                    let (_, outcome) = round.iter().find(|(known, _)| *known == setup)?;
                    outcome.figures.get(&bar.figure).copied()
                };
                let (ours, theirs) = (value(bar.setup)?, value(Setup { contender: against, ..bar.setup })?);
                (theirs > 0.0).then(|| ours / theirs)
            })
            .collect();
        median(&ratios)
    }

    /// Whose runs do not all count, of those that a bar asks of.
    pub(crate) fn failed(&self, bar: &Bar) -> Vec<Setup> {
        let against = bar.against.map(|contender| Setup { contender, ..bar.setup });
        [Some(bar.setup), against].into_iter().flatten().filter(|&setup| !self.is_clean(setup)).collect()
    }

    /// Whether every run of this server counts.
    fn is_clean(&self, setup: Setup) -> bool {
        self.outcomes(setup).all(|outcome| outcome.faults.is_empty())
    }
}

/// The middle one; of two in the middle, what lies between them.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench-peers.json");
        assert_eq!(Results::load(&file).unwrap(), Results::default(), "nothing was measured");
        let part = Measured { part: Part::Idle, place: Place::default(), flags: Vec::new(), rounds: vec![Vec::new()] };
        let mut results = Results::default();
        for _ in 0..2 {
            results.put(part.clone());
            results.save(&file).unwrap();
        }
        assert_eq!(Results::load(&file).unwrap(), Results { parts: vec![part] });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }
}
