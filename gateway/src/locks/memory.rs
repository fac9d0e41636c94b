//! The embedded version.
