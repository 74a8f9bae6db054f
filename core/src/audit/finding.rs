//! What a check of a trail finds.

use std::fmt;

use serde::Serialize;

/// A line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Which of the files, counted from 0.
    pub file: usize,
    /// Which of its lines, counted from 1.
    pub line: u64,
}

/// How a trail was tampered with, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Broken {
    /// The line is not as it was written.
    Changed,
    /// Lines are missing before this one.
    Removed {
        /// The number of the first.
        first: u64,
        /// The number of the last.
        last: u64,
    },
    /// The line was never written here.
    Inserted,
    /// The line stood elsewhere.
    Reordered {
        /// Its number.
        seq: u64,
    },
    /// The chain starts anew with this line: whatever ended the one before is missing.
    Anew,
    /// The given head is not there: lines at the end are missing, or were changed. The place is the last line.
    Cut,
}

/// One of them and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What.
    #[serde(flatten)]
    pub broken: Broken,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Changed => f.write_str("the line was changed"),
            Broken::Removed { first, last } if first == last => {
                write!(f, "before this line, line number {first} of the trail was removed")
            }
            Broken::Removed { first, last } => {
                write!(f, "before this line, lines number {first} to {last} of the trail were removed")
            }
            Broken::Inserted => f.write_str("the line was inserted"),
            Broken::Reordered { seq } => write!(f, "line number {seq} of the trail was moved here"),
            Broken::Anew => f.write_str("the trail starts anew here: what came before has no end"),
            Broken::Cut => {
                f.write_str("the head that was given is not in the trail: its end was cut or changed")
            }
        }
    }
}

/// What is no tampering, and worth knowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Whether the line after it answers for it; one at the very end may still be written.
    pub owned: bool,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many lines there are, torn ones left out.
    pub lines: u64,
    /// The number of the first line.
    pub first: Option<u64>,
    /// The number of the last line.
    pub last: Option<u64>,
    /// The hash of the last line.
    pub head: Option<super::Hash>,
    /// Lines that a crash tore.
    pub torn: Vec<Note>,
    /// What is wrong, in the order of the files.
    pub broken: Vec<Finding>,
}
