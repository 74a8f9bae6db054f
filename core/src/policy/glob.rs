//! Patterns of rooms and identities: `*`, `?`, and the placeholders `{caller}` and `{identity}`.
//!
//! Matching never goes back further than to the last star, so no pattern and no
//! name make it slow.

use std::fmt;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    One,
    Any,
    Caller,
    Identity,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A brace that is no placeholder: a sentence.
    pub fn parse(text: &str) -> Result<Glob, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (part, length) = match first {
                '*' => (Part::Any, 1),
                '?' => (Part::One, 1),
                '{' if rest.starts_with("{caller}") => (Part::Caller, "{caller}".len()),
                '{' if rest.starts_with("{identity}") => (Part::Identity, "{identity}".len()),
                '{' | '}' => {
                    return Err(format!("`{text}` has a brace that is neither {{caller}} nor {{identity}}"));
                }
                other => (Part::Char(other), other.len_utf8()),
            };
            if part != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(part);
            }
            rest = &rest[length..];
        }
        Ok(Glob { text: text.to_owned(), parts })
    }

    /// With the caller's name in place, letter by letter.
    #[must_use]
    pub fn with_caller(&self, caller: &str) -> Glob {
        Glob { text: self.text.clone(), parts: put(&self.parts, Part::Caller, caller) }
    }

    /// Whether a name fits, where the request's identity is this.
    ///
    /// Where there is none, a pattern that speaks of it fits nothing: with nothing in
    /// its place, `{identity}*` would open every room to a token without identity.
    pub fn fits(&self, name: &str, identity: Option<&str>) -> bool {
        if !self.names_identity() {
            return matches(&self.parts, name);
        }
        identity.is_some_and(|identity| matches(&put(&self.parts, Part::Identity, identity), name))
    }

    /// Whether `{identity}` stands in it.
    pub fn names_identity(&self) -> bool {
        self.parts.contains(&Part::Identity)
    }

    /// Whether every name fits.
    pub fn fits_all(&self) -> bool {
        self.parts == [Part::Any]
    }
}

fn put(parts: &[Part], place: Part, text: &str) -> Vec<Part> {
    let mut put = Vec::with_capacity(parts.len() + text.len());
    for part in parts {
        if *part == place { put.extend(text.chars().map(Part::Char)) } else { put.push(*part) }
    }
    put
}

fn matches(parts: &[Part], name: &str) -> bool {
    let (mut part, mut rest) = (0, name.chars());
    // Where to go on if what follows the last star does not fit: one character further.
    let mut back: Option<(usize, std::str::Chars)> = None;
    loop {
        let here = rest.clone();
        match (parts.get(part), rest.next()) {
            (Some(Part::Any), _) => {
                part += 1;
                rest = here;
                back = Some((part, rest.clone()));
                continue;
            }
            (None, None) => return true,
            (Some(Part::One), Some(_)) => {
                part += 1;
                continue;
            }
            (Some(Part::Char(wanted)), Some(found)) if *wanted == found => {
                part += 1;
                continue;
            }
            _ => {}
        }
        let Some((after_star, mut from)) = back.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        (part, rest) = (after_star, from.clone());
        back = Some((after_star, from));
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Glob::parse(pattern).expect("a pattern").with_caller("web").fits(name, Some("al*ce"))
    }

    #[test]
    fn stars_marks_and_placeholders() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "x"),
            ("team-*", "team-"),
            ("team-*-x", "team-a-x-x"),
            ("r?om", "röom"),
            ("{caller}-*", "web-1"),
            ("home-{identity}", "home-al*ce"),
            ("", ""),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "x"),
            ("team-*", "team"),
            ("r?om", "rom"),
            ("home-{identity}", "home-alice"),
            ("{caller}", "{caller}"),
            ("*a", "ab"),
            ("a*b*c", "acb"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(Glob::parse("{room}").expect_err("no placeholder").contains("{caller}"));
    }

    #[test]
    fn without_an_identity_a_pattern_that_speaks_of_it_fits_nothing() {
        for pattern in ["{identity}", "{identity}*", "*{identity}*"] {
            let pattern = Glob::parse(pattern).expect("a pattern");
            assert!(pattern.fits("alice", Some("alice")));
            assert!(!pattern.fits("alice", None) && !pattern.fits("", None), "{pattern}");
        }
    }

    #[test]
    fn a_pattern_made_to_be_slow_is_not() {
        let pattern = Glob::parse(&"a*".repeat(100)).expect("a pattern");
        assert!(!pattern.fits(&format!("{}b", "a".repeat(98)), None));
        assert!(pattern.fits(&"a".repeat(10_000), None));
    }
}
