//! The files that results are written to.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::plot::PlotError;

/// A file that does not take what it should.
#[derive(Debug, Error)]
#[error("{} could not be written: {error}", path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    error: io::Error,
}

/// Opens files before the work whose results they are to take, which would else be for nothing. What is in them stays.
pub(crate) fn check_writable<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), FileError> {
    paths.into_iter().try_for_each(|path| {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.map(drop).map_err(|error| FileError { path: path.clone(), error })
    })
}

/// Writes something for programs.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    write(path, serde_json::to_string_pretty(value).map(|json| json + "\n").map_err(io::Error::from))
}

/// Writes a page.
pub(crate) fn write_page(path: &Path, page: Result<String, PlotError>) -> Result<(), FileError> {
    write(path, page.map_err(io::Error::other))
}

fn write(path: &Path, text: io::Result<String>) -> Result<(), FileError> {
    let written = text.and_then(|text| std::fs::write(path, text));
    written.map_err(|error| FileError { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_at_before_it_is_needed_and_keeps_what_it_holds_until_then() {
        let folder = tempfile::tempdir().unwrap();
        let [new, old, nowhere] = ["new", "old", "no/where"].map(|name| folder.path().join(name));
        std::fs::write(&old, "old").unwrap();
        check_writable([&new, &old]).unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "old");
        let error = check_writable([&new, &nowhere]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} could not be written: ", nowhere.display())), "{error}");
        write_json(&old, &[1]).unwrap();
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "[\n  1\n]\n");
    }
}
