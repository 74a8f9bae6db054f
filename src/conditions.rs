//! What is wrong now, and since when: for `status`, the log and `/readyz?verbose`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::api::report::Condition;
use crate::clock;

/// Something that was found, before it is known whether it is new.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The keyset it concerns, if one.
    pub keyset: Option<String>,
    /// The condition's type.
    pub kind: &'static str,
    /// Whether the service is worse for it.
    pub degraded: bool,
    /// A short stable word.
    pub reason: String,
    /// A sentence that says what to do.
    pub message: String,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    source: String,
    keyset: Option<String>,
    kind: &'static str,
    reason: String,
}

/// All conditions of this process.
#[derive(Default)]
pub struct Conditions(Mutex<BTreeMap<Place, Condition>>);

impl Conditions {
    /// What one source finds now, in place of what it found before. A change is logged once.
    pub fn replace(&self, source: &str, findings: Vec<Finding>) {
        let now = clock::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = BTreeMap::new();
        known.retain(|place, condition| {
            let own = place.source == source;
            if own {
                before.insert(place.clone(), condition.clone());
            }
            !own
        });
        for finding in findings {
            let place = Place {
                source: source.to_owned(),
                keyset: finding.keyset.clone(),
                kind: finding.kind,
                reason: finding.reason.clone(),
            };
            let since = before.remove(&place).map(|condition| condition.since);
            if since.is_none() {
                announce(&finding);
            }
            let Finding { kind, degraded, reason, message, .. } = finding;
            let condition =
                Condition { kind: kind.to_owned(), degraded, reason, message, since: since.unwrap_or(now) };
            known.insert(place, condition);
        }
        for (place, condition) in before.iter().filter(|(place, _)| !known.contains_key(place)) {
            let keyset = place.keyset.as_deref();
            tracing::info!(keyset, condition = condition.kind, since = %condition.since, "the condition is over");
        }
    }

    /// Those of one keyset, or those of none.
    pub fn of(&self, keyset: Option<&str>) -> Vec<Condition> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().filter(|(place, _)| place.keyset.as_deref() == keyset);
        found.map(|(_, condition)| condition.clone()).collect()
    }

    /// Every degradation, as sentences.
    pub fn degradations(&self) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let degraded = known.iter().filter(|(_, condition)| condition.degraded);
        let line = |(place, condition): (&Place, &Condition)| match &place.keyset {
            Some(keyset) => format!("{} ({keyset}): {}", condition.kind, condition.message),
            None => format!("{}: {}", condition.kind, condition.message),
        };
        degraded.map(line).collect()
    }
}

fn announce(finding: &Finding) {
    let (keyset, condition, message) = (finding.keyset.as_deref(), finding.kind, &finding.message);
    if finding.degraded {
        tracing::warn!(keyset, condition, "{message}");
    } else {
        tracing::info!(keyset, condition, "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(reason: &str, message: &str) -> Finding {
        Finding {
            keyset: Some("default".into()),
            kind: "RotationBlocked",
            degraded: true,
            reason: reason.into(),
            message: message.into(),
        }
    }

    #[test]
    fn since_stays_while_a_condition_lasts_and_goes_with_it() {
        let conditions = Conditions::default();
        conditions.replace("plan", vec![finding("hold", "first words")]);
        let since = conditions.of(Some("default"))[0].since;
        conditions.replace("plan", vec![finding("hold", "other words")]);
        let now = conditions.of(Some("default"));
        assert_eq!((now.len(), now[0].since, now[0].message.as_str()), (1, since, "other words"));
        conditions.replace("other source", vec![]);
        assert_eq!(conditions.of(Some("default")).len(), 1);
        conditions.replace("plan", vec![]);
        assert!(conditions.of(Some("default")).is_empty() && conditions.degradations().is_empty());
    }
}
