//! A key that an operator called compromised, while nothing could sign in its place, goes as soon as something can.

use super::view::View;
use super::{Plan, Rule};
use crate::change::Change;
use crate::document::Document;
use crate::key::Key;

pub(super) fn compromised(view: &View, plan: &mut Plan) {
    for key in view.document.keys.iter().filter(|key| is_awaited(key)) {
        let relieved = view.document.active(view.now()).is_some_and(|active| active.id != key.id);
        let heir = view
            .document
            .standbys()
            .find(|heir| heir.is_proven_standby() && view.keyset.standby_secret(&heir.id).is_some());
        if relieved || heir.is_some() {
            let reason = key.reason.clone().unwrap_or_default();
            let change = Change::Revoke { key: key.id.clone(), reason, accept_outage: false };
            plan.save(
                view,
                Rule::Replace,
                change,
                format!("{} is compromised, and another can sign now", key.id),
            );
        } else {
            let message = format!("{} is compromised and goes on signing until a standby is proven", key.id);
            plan.block(view, Rule::Replace, "standby", message, None);
        }
    }
}

/// Whether a standby is wanted so soon that an additional restart of the nodes is worth it.
pub(super) fn is_urgent(document: &Document) -> bool {
    document.keys.iter().any(is_awaited)
}

fn is_awaited(key: &Key) -> bool {
    key.replace_requested_at.is_some() && key.is_usable()
}
