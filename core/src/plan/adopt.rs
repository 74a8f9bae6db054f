//! An external keyset follows its source: the one place where others put the key that is to sign.
//!
//! A key there that is new becomes a standby, is proven and committed like any
//! other. Whatever else the source says (nothing, a key from before, a revoked
//! one) leaves the key that signs as it is: its owner's word is missing, not its
//! validity, and tokens that are probably taken are better than none.

use super::view::View;
use super::{AlarmKind, Observed, Plan, Rule};
use crate::change::Change;
use crate::document::MOST_LIVE_KEYS;
use crate::key::{Key, KeyId};
use crate::secret::Secret;

/// What lies at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceKey {
    /// The key's id.
    pub id: KeyId,
    /// Its secret.
    pub secret: Secret,
}

pub(super) fn source(view: &View, plan: &mut Plan) {
    let there = match &view.keyset.source {
        None => return,
        Some(Observed::Fresh(there)) => there,
        Some(Observed::Stale { since, why, .. } | Observed::Unknown { since, why }) => {
            let message = format!("since {since}: {why}; {}", goes_on(view));
            return waits(view, plan, AlarmKind::SourceUnreadable, message);
        }
    };
    for left in view.document.standbys().filter(|key| key.id != there.id) {
        let why = format!("the source has another key by now: {} never signs", left.id);
        plan.save(view, Rule::Abandon, Change::Abandon { key: left.id.clone() }, why);
    }
    match view.document.key(&there.id) {
        Some(known) if !known.was_abandoned() => {
            if let Some(why) = refused(view, known, there) {
                let message = format!("{why}; {}", goes_on(view));
                waits(view, plan, AlarmKind::SourceRefused, message);
            }
        }
        _ if view.document.published().count() >= MOST_LIVE_KEYS => {
            let message = format!(
                "the source has {}, and tokens of {MOST_LIVE_KEYS} keys before it may still live: it is taken when the oldest is retired; {}",
                there.id,
                goes_on(view)
            );
            waits(view, plan, AlarmKind::SourceRefused, message);
        }
        _ => {
            let why = format!("the source has {}: it signs when it is proven", there.id);
            plan.save(view, Rule::Adopt, Change::Adopt { key: there.id.clone() }, why);
        }
    }
}

/// Why a key of the source that was there before is not what signs: a sentence, if it is not.
fn refused(view: &View, known: &Key, there: &SourceKey) -> Option<String> {
    let id = &known.id;
    if known.compromised_at.is_some() {
        return Some(format!(
            "the source still has {id}, which was revoked: have its owner put a new key there"
        ));
    }
    if known.secret.as_ref().is_some_and(|secret| *secret != there.secret) {
        return Some(format!(
            "the source has another secret for {id} than before, and an id has one secret for ever: have its owner put a key with a new id there"
        ));
    }
    let newest = view.document.newest().filter(|newest| newest.id != *id && !known.is_standby())?;
    Some(format!(
        "the source went back to {id}, and {} was taken after it: if {} is to go, run `livekit-keyd revoke`, else have its owner put it, or a new key, there",
        newest.id, newest.id
    ))
}

fn goes_on(view: &View) -> String {
    match view.document.newest() {
        Some(newest) => format!("{} goes on signing", newest.id),
        None => "nothing signs yet".to_owned(),
    }
}

fn waits(view: &View, plan: &mut Plan, kind: AlarmKind, message: String) {
    plan.alarm(kind, Some(view.name), message.clone());
    plan.block(view, Rule::Follow, "source", message, None);
}
