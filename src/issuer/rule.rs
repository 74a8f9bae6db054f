//! Rules: from claims to an identity, a room, a profile. The first one that fits decides.

use std::collections::BTreeMap;

use livekit_keyd_core::issuer::{Asked, Outcome};
use livekit_keyd_core::problem::Problem;
use serde_json::{Map, Value};

use super::expression::{Expression, Failed, Subject};
use crate::config::IssuerConfig;

/// As many rules as a sentence can bear.
const MOST_NAMED: usize = 8;

/// One rule of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Whether it applies.
    pub when: Expression,
    /// Who takes part.
    pub identity: Expression,
    /// Their name for others to see.
    pub name: Option<Expression>,
    /// The only room; without it the profile's.
    pub room: Option<Expression>,
    /// Opaque to LiveKit.
    pub attributes: BTreeMap<String, Expression>,
    /// The name of the profile that sets the rights.
    pub profile: String,
    /// The name of the keyset that signs.
    pub keyset: String,
}

/// Why a rule does not fit: an error is no match.
enum Unfit {
    /// Its `when` is false.
    When,
    /// An expression gave nothing to use.
    Failed(String, Failed),
}

impl Rule {
    fn apply(&self, subject: &Subject) -> Result<Outcome, Unfit> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |why| Unfit::Failed(what, why)
        };
        if !self.when.truth(subject).map_err(failed("when"))? {
            return Err(Unfit::When);
        }
        let optional = |what: &str, expression: &Option<Expression>| {
            expression.as_ref().map(|one| one.text(subject)).transpose().map_err(failed(what))
        };
        let attribute = |(name, expression): (&String, &Expression)| {
            let value = expression.text(subject).map_err(failed(&format!("attributes.{name}")))?;
            Ok((name.clone(), value))
        };
        Ok(Outcome {
            identity: self.identity.text(subject).map_err(failed("identity"))?,
            name: optional("name", &self.name)?,
            room: optional("room", &self.room)?,
            attributes: self.attributes.iter().map(attribute).collect::<Result<_, _>>()?,
        })
    }
}

/// The number of the first rule of an issuer that fits, from 0, and what it makes of the claims.
///
/// # Errors
/// None fits; the sentence says why for each, without a claim's value.
pub fn first(
    issuer: &IssuerConfig,
    claims: Map<String, Value>,
    asked: &Asked,
) -> Result<(usize, Outcome), Problem> {
    let subject = Subject::new(&Value::Object(claims), &asked.to_json());
    let mut unfit = Vec::new();
    for (index, rule) in issuer.rules.iter().enumerate() {
        match rule.apply(&subject) {
            Ok(outcome) => return Ok((index, outcome)),
            Err(why) => unfit.push((index + 1, why)),
        }
    }
    let reasons: Vec<_> = unfit.iter().take(MOST_NAMED).map(sentence).collect();
    let more = if unfit.len() > MOST_NAMED { "; and so on" } else { "" };
    let detail = format!("no rule of issuer `{}` fits this token: {}{more}", issuer.name, reasons.join("; "));
    Err(Problem::denied("issuer.rule", "", detail))
}

fn sentence((number, why): &(usize, Unfit)) -> String {
    match why {
        Unfit::When => format!("rule {number}: `when` is false"),
        Unfit::Failed(what, failed) => format!("rule {number}: `{what}` {failed}"),
    }
}
