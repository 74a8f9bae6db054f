//! What the store still keeps of dead secrets is destroyed.
//!
//! Older versions of a document hold what was erased since, and a standby's own
//! path is of no use once its key is committed. A secret whose id the document
//! does not know may belong to a rotator that is about to name it: it goes only
//! after a write made since it was seen, as that rotator's own write then fails.

use super::view::View;
use super::{Action, Plan, Rule, Step};
use crate::key::KeyId;

pub(super) fn leftovers(view: &View, plan: &mut Plan) {
    let versions = dirty_versions(view);
    let standby = leftover_standbys(view);
    if versions.is_empty() && standby.is_empty() {
        return;
    }
    let why = format!(
        "{} older versions and {} standby secrets in the store are of no use any more",
        versions.len(),
        standby.len()
    );
    let action = Action::Purge { keyset: view.name.to_owned(), versions, standby };
    plan.steps.push(Step { rule: Rule::Purge, action, why });
}

/// Versions written before the last erasure. Each write is one version and one seq, counted from the newest back.
fn dirty_versions(view: &View) -> Vec<u64> {
    let Some(clean_from) = view.document.clean_from_seq else { return Vec::new() };
    let versions = &view.keyset.versions;
    let oldest_clean = versions.current.saturating_sub(view.document.seq.saturating_sub(clean_from));
    versions.older.iter().copied().filter(|version| *version < oldest_clean).collect()
}

fn leftover_standbys(view: &View) -> Vec<KeyId> {
    let document = view.document;
    let leftover = view.keyset.standby.iter().filter(|(id, standby)| match document.key(id) {
        Some(key) => !key.is_standby(),
        None => standby.seen_at_seq < document.seq,
    });
    leftover.map(|(id, _)| id.clone()).collect()
}
