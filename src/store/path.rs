//! Paths that mean the same in every store.
//!
//! A folder of files must not be left by `..`, a URL must not be cut by `?`, and
//! `a.json/b` must not be in the way of `a`. So there is one rule for all stores.

use super::StoreError;

/// The longest part that a file system takes, with room for an ending.
const LONGEST_PART: usize = 200;

/// The rule, for sentences.
pub const FORM: &str = "parts of letters, digits, `-`, `_` and `.` with slashes between them, no leading slash, and no part that begins with a dot, ends in `.json` or is longer than 200 characters";

/// Whether a path can be used in every store.
pub fn is_sound(path: &str) -> bool {
    path.split('/').all(is_sound_part)
}

/// Whether this can be one part of a path.
pub fn is_sound_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !part.is_empty()
        && part.len() <= LONGEST_PART
        && !part.starts_with('.')
        && !part.ends_with(".json")
        && part.chars().all(plain)
}

pub(super) fn check(path: &str) -> Result<(), StoreError> {
    if is_sound(path) {
        return Ok(());
    }
    Err(StoreError::Refused { sentence: format!("{path:?} is no path in the store: it must be {FORM}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_folder_or_hides_in_it() {
        for path in ["a", "livekit/keysets/default", "a/standby/APIabc", "A-b_c.d/e"] {
            assert!(is_sound(path), "{path}");
        }
        let long = "x".repeat(201);
        for path in ["", "/a", "a/", "a//b", "../a", "a/..", "a/.b", ".lock", "a.json/b", "a?b", "a#b"] {
            assert!(!is_sound(path), "{path}");
        }
        for path in ["a b", "a%2fb", "a\\b", "a\0b", "a\nb", "ä", long.as_str()] {
            assert!(!is_sound(path), "{path}");
        }
    }
}
