//! A retired key's secret leaves the document, once no node and no publication could bring it back.

use super::proof::{Known, Proof, refused};
use super::view::View;
use super::{Plan, Rule, client};
use crate::change::Change;

pub(super) fn retired(view: &View, plan: &mut Plan) {
    let (document, now) = (view.document, view.now());
    for key in document.keys.iter().filter(|key| key.unpublished_at.is_some() && key.erased_at.is_none()) {
        if let Some(hold) = document.hold_at(now) {
            let message = format!("{} could be erased; the keyset is on hold until {}", key.id, hold.until);
            plan.block(view, Rule::Erase, "hold", message, Some(hold.until));
            continue;
        }
        if let Some(why) = client::still_given(view, &key.id) {
            plan.block(view, Rule::Erase, "client", why, None);
            continue;
        }
        // Its owner decides whether nodes know it; what is erased is a copy.
        if document.external {
            let why = format!("{} signs no more; the copy of its secret is of no use here", key.id);
            plan.save(view, Rule::Erase, Change::Erase { key: key.id.clone() }, why);
            continue;
        }
        match refused(view, key) {
            Known::Yes if publications_are_past(view) => {
                let what = match view.world.proof {
                    Proof::Required(_) => "is refused by every node",
                    Proof::Disabled => "counts as refused, though no node was asked",
                };
                let why = format!("{} {what}; its secret is no use to anybody", key.id);
                plan.save(view, Rule::Erase, Change::Erase { key: key.id.clone() }, why);
            }
            Known::Yes => {
                let message = format!("publications are renewed before {} is erased", key.id);
                plan.block(view, Rule::Erase, "publication", message, None);
            }
            Known::From(time) => {
                let message = format!("{} counts as refused by every node from {time}", key.id);
                plan.block(view, Rule::Erase, "proof", message, Some(time));
            }
            Known::No(why) => plan.block(view, Rule::Erase, "proof", why, None),
        }
    }
}

/// Whether every publication was derived from this very document: no older one can win over it any more.
pub(super) fn publications_are_past(view: &View) -> bool {
    view.world.publications.values().all(|publication| {
        publication.fresh().and_then(|there| there.vector.seq(view.document)) == Some(view.document.seq)
    })
}
