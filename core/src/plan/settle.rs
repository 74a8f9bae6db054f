//! The configuration's rules go into the document, under a higher number only.
//!
//! Old and new replicas run side by side during an upgrade. If each wrote its own
//! rules they would fight; so the higher `config_revision` wins, and with equal
//! numbers the document's rules stand.

use super::view::View;
use super::{AlarmKind, Plan, Rule};
use crate::change::Change;
use crate::rules::Rules;

pub(super) fn rules(view: &View, plan: &mut Plan) {
    let (document, wanted) = (view.document, &view.keyset.rules);
    let known = Rules { other: wanted.other.clone(), ..document.rules.clone() };
    if known == *wanted {
        return;
    }
    match (view.keyset.revision, document.config_revision) {
        (Some(own), known) if known.is_none_or(|known| own > known) => plan.save(
            view,
            Rule::Settle,
            Change::SetRules { rules: Box::new(wanted.clone()), revision: own },
            format!("the configuration has other rules under config_revision {own}, which is higher"),
        ),
        (Some(own), Some(known)) if own < known => {}
        (own, known) => {
            let message = match (own, known) {
                (Some(own), _) => format!(
                    "the configuration's rules differ from the document's, both of config_revision {own}: the document's apply; raise config_revision to change them"
                ),
                (None, _) => "the configuration's rules differ from the document's, which were fixed at init: set config_revision to change them".to_owned(),
            };
            plan.alarm(AlarmKind::RulesDiffer, Some(view.name), message);
        }
    }
}
