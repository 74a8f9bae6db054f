//! What a rule made of a token's claims, checked before anybody signs it.
//!
//! Claims are written by another system, often by people. An identity is compared
//! byte by byte and shown to people, so what cannot be seen has no place in it.

use std::collections::BTreeMap;

use super::asked::Asked;
use crate::problem::Problem;
use crate::request::{LONGEST_NAME, TokenRequest};

/// The texts that a rule's expressions gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Who takes part.
    pub identity: String,
    /// For people to see.
    pub name: Option<String>,
    /// The only room.
    pub room: Option<String>,
    /// Opaque to LiveKit.
    pub attributes: BTreeMap<String, String>,
}

impl Outcome {
    /// The request that policy is asked about. `fixed_room` is the profile's own, or empty.
    ///
    /// # Errors
    /// What cannot be signed, or a room that the rule does not give.
    pub fn request(self, asked: Asked, fixed_room: &str) -> Result<TokenRequest, Problem> {
        visible("issuer.identity", "identity", &self.identity)?;
        if let Some(room) = &self.room {
            visible("issuer.room", "room", room)?;
        }
        if let Some(name) = &self.name {
            shown("issuer.name", "name", name)?;
        }
        let room = match (self.room, asked.room) {
            (Some(given), Some(asked)) if given != asked => {
                let detail = format!("the issuer's rule gives another room than `{asked}`: ask for none");
                return Err(Problem::denied("issuer.room", "", detail));
            }
            (None, Some(asked)) if asked != fixed_room => {
                let detail = format!("the issuer's rule does not give room `{asked}`: ask for none");
                return Err(Problem::denied("issuer.room", "", detail));
            }
            (Some(room), _) | (None, Some(room)) => Some(room),
            (None, None) => None,
        };
        TokenRequest {
            identity: Some(self.identity),
            name: self.name.filter(|name| !name.is_empty()),
            room,
            attributes: self.attributes,
            room_config: asked.room_config,
            ..TokenRequest::default()
        }
        .check()
    }
}

fn denied(rule: &'static str, what: &str, why: &str) -> Problem {
    Problem::denied(rule, "", format!("the issuer's rule makes {what} of its claims that {why}"))
}

/// For names that are compared: nothing that looks like something else or like nothing.
fn visible(rule: &'static str, what: &str, text: &str) -> Result<(), Problem> {
    let article = if what == "identity" { "an identity" } else { "a room" };
    if text.is_empty() {
        return Err(denied(rule, article, "is empty"));
    }
    if text.trim() != text {
        return Err(denied(rule, article, "begins or ends with white space"));
    }
    if let Some(hidden) = text.chars().find(|c| is_joiner(*c)) {
        return Err(denied(
            rule,
            article,
            &format!("has the invisible character U+{:04X}", u32::from(hidden)),
        ));
    }
    shown(rule, article, text)
}

fn shown(rule: &'static str, what: &str, text: &str) -> Result<(), Problem> {
    let what = if what == "name" { "a name" } else { what };
    if text.len() > LONGEST_NAME {
        return Err(denied(
            rule,
            what,
            &format!("has {} bytes, and {LONGEST_NAME} are the most", text.len()),
        ));
    }
    match text.chars().find(|c| c.is_control() || is_hidden(*c)) {
        Some(hidden) => {
            Err(denied(rule, what, &format!("has the invisible character U+{:04X}", u32::from(hidden))))
        }
        None => Ok(()),
    }
}

/// Joins emoji and the letters of some scripts: good in a name, of no use where names are compared.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// Format characters that are not seen, or turn the text around (Unicode's category Cf), and other blanks.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(identity: &str, name: Option<&str>) -> Result<TokenRequest, Problem> {
        let name = name.map(str::to_owned);
        Outcome { identity: identity.to_owned(), name, room: Some("demo".to_owned()), ..Outcome::default() }
            .request(Asked::default(), "")
    }

    #[test]
    fn what_cannot_be_seen_is_no_part_of_an_identity() {
        for bad in [
            "",
            " ann",
            "ann\n",
            "an\u{0}n",
            "ann\u{202E}",
            "an\u{200D}n",
            "\u{FEFF}ann",
            &"a".repeat(10_000),
        ] {
            let refused = request(bad, None).expect_err("it is refused");
            assert_eq!(refused.rule, "issuer.identity", "{bad:?}");
        }
        for bad in ["Ann\r\nforged line", "Ann\u{202E}", &"a".repeat(257)] {
            assert_eq!(request("ann", Some(bad)).expect_err("it is refused").rule, "issuer.name", "{bad:?}");
        }
        assert!(request("ann@example.com", Some("Ann 👩\u{200D}🚀 Müller")).is_ok());
    }

    #[test]
    fn a_room_is_the_rules_or_the_profiles_or_none() {
        let request = |room: Option<&str>, asked: Option<&str>, fixed: &str| {
            let room = room.map(str::to_owned);
            let outcome = Outcome { identity: "ann".to_owned(), room, ..Outcome::default() };
            let asked = Asked { room: asked.map(str::to_owned), ..Asked::default() };
            outcome.request(asked, fixed).map(|request| request.room)
        };
        let room = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(request(Some("a"), None, ""), room("a"));
        assert_eq!(request(Some("a"), Some("a"), ""), room("a"));
        assert_eq!(request(Some("a"), Some("b"), "").expect_err("another room").rule, "issuer.room");
        assert_eq!(request(None, Some("b"), "").expect_err("nobody gives it").rule, "issuer.room");
        assert_eq!(request(None, Some("b"), "b"), room("b"));
        assert_eq!(request(None, None, "b"), Ok(None));
    }
}
