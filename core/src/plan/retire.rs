//! A key whose last token has expired leaves the publications; its replacement comes with the same write.
//!
//! So one change of the published set, and with it one restart of LiveKit's nodes,
//! serves both.

use super::view::View;
use super::{Plan, Rule, client, replenish};
use crate::change::Change;
use crate::document::Document;
use crate::key::Key;
use crate::time::Time;

pub(super) fn ended(view: &View, plan: &mut Plan) {
    let (document, now) = (view.document, view.now());
    for key in document.published() {
        let Some(ends_at) = ends_at(view, key) else {
            awaits_dependents(view, key, plan);
            continue;
        };
        if now < ends_at {
            plan.foresee(view.name, ends_at, format!("{} is retired: its last token has expired", key.id));
            continue;
        }
        if let Some(hold) = document.hold_at(now).filter(|_| key.compromised_at.is_none()) {
            let message = format!("{} could be retired; the keyset is on hold until {}", key.id, hold.until);
            plan.block(view, Rule::Retire, "hold", message, Some(hold.until));
            continue;
        }
        let create = replenish::missing_after_retirement(document);
        let why =
            format!("{} has ended; it is refused by every node once they read the new publication", key.id);
        plan.save(view, Rule::Retire, Change::Retire { key: key.id.clone(), create }, why);
    }
}

/// From when on a key may be taken out; never while nothing could sign in its place, or while that is not known since
/// dependents have not seen what does.
pub(super) fn ends_at(view: &View, key: &Key) -> Option<Time> {
    if key.compromised_at.is_some() {
        return Some(view.now());
    }
    Some(last_token_ends(view.document, key)?.max(client::releases(view, key).ok()?))
}

/// From when on no node takes a token that a signer made with a succeeded key.
fn last_token_ends(document: &Document, key: &Key) -> Option<Time> {
    document.successor(key)?;
    key.not_after.map(|end| end + document.rules.clock_skew)
}

/// Says what a key waits for that could be taken out but for those who read the client credentials.
fn awaits_dependents(view: &View, key: &Key, plan: &mut Plan) {
    if last_token_ends(view.document, key).is_some_and(|end| end <= view.now())
        && let Err(why) = client::releases(view, key)
    {
        plan.block(view, Rule::Retire, "client", format!("{} could be retired; {why}", key.id), None);
    }
}
