//! A succeeded key gets its end, in a write after the commitment was read.
//!
//! The commitment may have landed late, after a signer read the document without
//! it. Once a rotator has *read* it, every later read has it too, and no lease
//! that began before outlives this moment by more than the key's overlap.

use super::view::View;
use super::{Plan, Rule};
use crate::change::Change;

pub(super) fn succeeded(view: &View, plan: &mut Plan) {
    let document = view.document;
    let open = document.committed().filter(|key| key.is_usable() && key.not_after.is_none());
    for key in open {
        if let Some(successor) = document.successor(key) {
            let why = format!("{} is to follow {}, whose tokens get an end", successor.id, key.id);
            plan.save(view, Rule::Bound, Change::Bound { key: key.id.clone() }, why);
        }
    }
}
