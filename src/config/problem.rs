//! What is wrong in a configuration, all of it at once, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake, or one setting that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Counted from 1; `None` when the file as a whole is meant.
    pub place: Option<Place>,
    /// Like `keyset[0].overlap`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub sentence: String,
}

/// Where in the text: an editor's line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Place {
    /// Of a byte in a text; one beyond its end counts as the end.
    pub(super) fn of(text: &str, offset: usize) -> Place {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// Everything that is wrong with a configuration. There is at least one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    origin: PathBuf,
    problems: Vec<Problem>,
}

impl ConfigErrors {
    pub(super) fn new(origin: &Path, mut problems: Vec<Problem>) -> ConfigErrors {
        problems.sort_by_key(|problem| problem.place);
        ConfigErrors { origin: origin.to_owned(), problems }
    }

    /// The file as a whole cannot be used.
    pub(super) fn whole(origin: &Path, place: Option<Place>, sentence: String) -> ConfigErrors {
        ConfigErrors::new(origin, vec![Problem { place, path: String::new(), sentence }])
    }

    /// The problems in the order of their lines.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.origin.display())?;
            if let Some(Place { line, column }) = problem.place {
                write!(f, "{line}:{column}:")?;
            }
            if !problem.path.is_empty() {
                write!(f, " {}:", problem.path)?;
            }
            write!(f, " {}", problem.sentence)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_as_editors_do() {
        let text = "a = 1\nü = 2\n";
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of(text, 6), Place { line: 2, column: 1 });
        assert_eq!(Place::of(text, 7), Place { line: 2, column: 1 }, "inside a character");
        assert_eq!(Place::of(text, 9), Place { line: 2, column: 3 });
        assert_eq!(Place::of(text, 999), Place { line: 3, column: 1 });
    }
}
