//! Two standbys, always: so a change of key never waits for LiveKit's nodes to restart.
//!
//! A missing one is made together with the next retirement, unless that comes
//! too late for the next change of key.

use super::view::View;
use super::{AlarmKind, Plan, Rule, commit, replace, retire};
use crate::change::Change;
use crate::document::{Document, MOST_LIVE_KEYS, STANDBYS};

/// How many standbys to make together with a retirement.
pub(super) fn missing_after_retirement(document: &Document) -> usize {
    missing(document).min((MOST_LIVE_KEYS + 1).saturating_sub(document.published().count()))
}

fn missing(document: &Document) -> usize {
    if document.external {
        return 0;
    }
    STANDBYS.saturating_sub(document.standbys().count())
}

pub(super) fn standbys(view: &View, plan: &mut Plan) {
    let (document, now) = (view.document, view.now());
    if document.external {
        return;
    }
    let lost = document.standbys().find(|key| view.keyset.standby_secret(&key.id).is_none());
    if let Some(lost) = lost {
        let message =
            format!("the secret of standby {} is gone from the store; it is given up and replaced", lost.id);
        plan.alarm(AlarmKind::StandbyLost, Some(view.name), message.clone());
        plan.save(view, Rule::Abandon, Change::Abandon { key: lost.id.clone() }, message);
        return;
    }
    let room = MOST_LIVE_KEYS.saturating_sub(document.published().count());
    let count = missing(document).min(room);
    if count == 0 {
        return;
    }
    if let Some(hold) = document.hold_at(now) {
        let message = format!("standbys are missing; the keyset is on hold until {}", hold.until);
        plan.block(view, Rule::Replenish, "hold", message, Some(hold.until));
        return;
    }
    let next_retirement = document.published().filter_map(|key| retire::ends_at(view, key)).min();
    let awaited =
        next_retirement.is_some() || document.published().any(|key| document.successor(key).is_some());
    let in_time = commit::next_commitment(view).is_none_or(|commitment| {
        next_retirement.is_none_or(|retirement| retirement + commit::time_to_prove(view) < commitment)
    });
    if awaited && in_time && !replace::is_urgent(document) && document.standbys().next().is_some() {
        plan.block(
            view,
            Rule::Replenish,
            "retirement",
            "the next standby is made together with the next retirement".to_owned(),
            next_retirement,
        );
        return;
    }
    let why = format!("{count} of {STANDBYS} standbys are missing");
    plan.save(view, Rule::Replenish, Change::Create { count }, why);
}
