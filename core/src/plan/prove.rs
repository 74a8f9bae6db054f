//! A standby that every node accepts is proven, once and for all.

use super::proof::{Known, Proof, accepted};
use super::view::View;
use super::{Plan, Rule};
use crate::change::Change;

pub(super) fn standbys(view: &View, plan: &mut Plan) {
    for key in view.document.standbys().filter(|key| key.proven_at.is_none()) {
        let Some(secret) = view.keyset.standby_secret(&key.id) else { continue };
        match accepted(view, &key.id, secret) {
            Known::Yes => {
                let why = match view.world.proof {
                    Proof::Required(_) => format!("every node accepts standby {}", key.id),
                    Proof::Disabled => format!("standby {} counts as known; no node was asked", key.id),
                };
                plan.save(view, Rule::Prove, Change::Prove { key: key.id.clone() }, why);
            }
            Known::From(time) => plan.block(
                view,
                Rule::Prove,
                "proof",
                format!("standby {} counts as known to every node from {time}", key.id),
                Some(time),
            ),
            Known::No(why) => plan.block(view, Rule::Prove, "proof", why, None),
        }
    }
}
