//! What lies in the store for whoever reads one key: egress, ingress, SIP, agents.
//!
//! It changes to the newest key when that is committed. They read it when they
//! like, so the key before it is needed for as long as a token may live after
//! it was seen there, and whoever is to be told was told.

use super::view::View;
use super::{Action, AlarmKind, Observed, Plan, Rule, Step};
use crate::document::{Document, Lineage};
use crate::key::{Key, KeyId};
use crate::secret::Secret;
use crate::time::Time;

/// The key that dependents are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientKey {
    /// Its id and secret; none before the first commitment.
    pub key: Option<(KeyId, Secret)>,
    /// The document that it was taken from.
    pub document: Option<(Lineage, u64)>,
    /// By when it had changed and dependents were told: the clock of a rotator that read it so. `None` until one has.
    pub changed_at: Option<Time>,
}

impl ClientKey {
    fn holds(&self, id: &KeyId) -> bool {
        self.key.as_ref().is_some_and(|(held, _)| held == id)
    }

    fn is_ahead_of(&self, document: &Document) -> bool {
        let newer = |(lineage, seq): &(Lineage, u64)| *lineage == document.lineage && *seq > document.seq;
        self.document.as_ref().is_some_and(newer)
    }
}

pub(super) fn follows(view: &View, plan: &mut Plan) {
    let Some(client) = &view.keyset.client else { return };
    let (name, document) = (view.name, view.document);
    let there = match client {
        Observed::Fresh(there) => there,
        Observed::Stale { since, why, .. } | Observed::Unknown { since, why } => {
            let message = format!("the client credentials cannot be read since {since}: {why}");
            return plan.alarm(AlarmKind::PublicationUnreadable, Some(name), message);
        }
    };
    if there.is_ahead_of(document) {
        let message = "the client credentials were taken from a newer document than the store has: they are left alone. If the store was restored, run `livekit-keyd accept-restored`";
        return plan.alarm(AlarmKind::PublicationAhead, Some(name), message.to_owned());
    }
    let Some((newest, secret)) = document.newest().and_then(|key| Some((key, key.secret.clone()?))) else {
        return;
    };
    let held = Some((newest.id.clone(), secret));
    let (wanted, why) = if there.key != held {
        let document = Some((document.lineage.clone(), document.seq));
        let why = format!("dependents that read one key are given {}", newest.id);
        (ClientKey { key: held, document, changed_at: None }, why)
    } else if there.changed_at.is_none() {
        let why = format!("dependents that read one key have {} and are told", newest.id);
        (ClientKey { changed_at: Some(view.now()), ..there.clone() }, why)
    } else {
        return;
    };
    let action = Action::PublishClient { keyset: name.to_owned(), there: there.clone(), wanted };
    plan.steps.push(Step { rule: Rule::Client, action, why });
}

/// From when on no dependent needs a key any more.
///
/// # Errors
/// What has to happen before that is known: a sentence.
pub(super) fn releases(view: &View, key: &Key) -> Result<Time, String> {
    let Some(client) = &view.keyset.client else { return Ok(Time::MIN) };
    let there = client.fresh().ok_or("the client credentials cannot be read")?;
    let ordinal = |key: &Key| key.commitment().map(|commitment| commitment.ordinal);
    let held = there.key.as_ref().and_then(|(id, _)| view.document.key(id));
    if held.and_then(ordinal) <= ordinal(key) {
        return Err(format!("dependents are to be given a successor of {} first", key.id));
    }
    let changed_at = there
        .changed_at
        .ok_or_else(|| format!("dependents are to be told of the successor of {} first", key.id))?;
    let rules = &view.document.rules;
    let overlap = key.commitment().map_or(rules.overlap, |commitment| commitment.overlap.max(rules.overlap));
    Ok(changed_at + overlap + rules.clock_skew * 2)
}

/// Why a key's secret is not dead yet, if dependents are still given it.
pub(super) fn still_given(view: &View, id: &KeyId) -> Option<String> {
    match view.keyset.client.as_ref()?.fresh() {
        None => Some("the client credentials cannot be read".to_owned()),
        Some(there) => there.holds(id).then(|| format!("dependents are still given {id}")),
    }
}
