//! Publications follow the documents.
//!
//! The keys in a publication change only when their set does, since each change
//! costs LiveKit a restart of every node; the vector beside them may be renewed
//! alone. A publication that is newer than the documents is never replaced.

use super::publication::Publication;
use super::view::World;
use super::{Action, AlarmKind, Blocked, Observed, Plan, Rule, Step, erase, roll, target, view::View};
use crate::key::{Key, KeyId};

pub(super) fn all(world: &World, plan: &mut Plan) {
    for (name, publication) in &world.publications {
        match publication {
            Observed::Fresh(there) => one(world, name, there, plan),
            Observed::Stale { since, why, .. } | Observed::Unknown { since, why } => plan.alarm(
                AlarmKind::PublicationUnreadable,
                None,
                format!("publication `{name}` cannot be read since {since}: {why}"),
            ),
        }
    }
}

fn one(world: &World, name: &str, there: &Publication, plan: &mut Plan) {
    if world.managed().next().is_none() {
        return;
    }
    let Some(wanted) = Publication::wanted(world, there) else { return };
    if wanted.vector.is_behind(&there.vector) {
        plan.alarm(
            AlarmKind::PublicationAhead,
            None,
            format!(
                "publication `{name}` was derived from newer documents than the store has: it is left alone. If the store was restored, run `livekit-keyd accept-restored`"
            ),
        );
        return;
    }
    let foreign = wanted.keys.iter().filter(|(id, _)| is_foreign(world, id)).count();
    if foreign > 0 {
        plan.alarm(
            AlarmKind::ForeignKeys,
            None,
            format!(
                "publication `{name}` holds {foreign} ids that no document knows; they are kept, listed last"
            ),
        );
    }
    if !wanted.same_keys(there) {
        if target::is_under_way(world, there) && !roll::is_compromised(world) {
            let message = format!("`{name}` is published anew when the rollout of what it holds is over");
            plan.blocked.push(Blocked {
                keyset: None,
                rule: Rule::Publish,
                reason: "rollout",
                message,
                until: None,
            });
            return;
        }
        if is_edited(world, there, &wanted) {
            plan.alarm(
                AlarmKind::PublicationEdited,
                None,
                format!("publication `{name}` was changed by someone else; it is put right"),
            );
        }
        let why = format!("the set of keys has changed; LiveKit reads `{name}` at its next start");
        publish(name, there, Publication { changed_at: None, ..wanted }, why, plan);
    } else if there.changed_at.is_none() || renewal_is_due(world, there) {
        let keys = there.keys.clone();
        let changed_at = there.changed_at.or(wanted.changed_at);
        let why = format!(
            "`{name}` has the keys of the newest documents; it is marked so, without a change of keys"
        );
        publish(name, there, Publication { keys, changed_at, ..wanted }, why, plan);
    }
}

fn publish(name: &str, there: &Publication, wanted: Publication, why: String, plan: &mut Plan) {
    let action = Action::Publish { publisher: name.to_owned(), there: there.clone(), wanted };
    plan.steps.push(Step { rule: Rule::Publish, action, why });
}

fn is_foreign(world: &World, id: &KeyId) -> bool {
    let mut documents = world.keysets.values().filter_map(|keyset| keyset.document.last());
    documents.all(|document| document.key(id).is_none())
}

/// Whether no change of the documents explains what differs: a key counts as proven only after it was seen to be
/// published.
fn is_edited(world: &World, there: &Publication, wanted: &Publication) -> bool {
    let derived = world.keysets.iter().filter(|(name, _)| there.vector.0.contains_key(*name));
    let mut documents = derived.filter_map(|(_, keyset)| keyset.document.fresh());
    let differs = |key: &Key| key.proven_at.is_some() && there.secret(&key.id) != wanted.secret(&key.id);
    there.vector == wanted.vector || documents.any(|document| document.published().any(differs))
}

/// Whether something waits to be erased for which this publication is not new enough.
fn renewal_is_due(world: &World, there: &Publication) -> bool {
    world.keysets.iter().any(|(name, keyset)| {
        let Some(document) = keyset.document.fresh().filter(|document| !document.external) else {
            return false;
        };
        let view = View { world, name, keyset, document };
        let waits = document.keys.iter().any(|key| key.unpublished_at.is_some() && key.erased_at.is_none());
        waits && there.vector.seq(document) != Some(document.seq) && !erase::publications_are_past(&view)
    })
}
