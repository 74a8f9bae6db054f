//! The changes that operators ask for.

use super::{Illegal, lifecycle};
use crate::document::{Document, Hold, Request};
use crate::rules::Rules;
use crate::time::Time;

pub(super) fn set_rules(
    document: &mut Document,
    rules: &Rules,
    revision: u64,
    now: Time,
) -> Result<(), Illegal> {
    if let Some(known) = document.config_revision.filter(|known| *known >= revision) {
        return Err(Illegal::OldRevision { document: known });
    }
    if document.rules.rotation != rules.rotation {
        document.rotation_since = now;
    }
    let other = std::mem::take(&mut document.rules.other);
    document.rules = Rules { other, ..rules.clone() };
    document.config_revision = Some(revision);
    Ok(())
}

pub(super) fn request(document: &mut Document, request: &Request, now: Time) -> Result<(), Illegal> {
    if document.external {
        return Err(Illegal::MadeByOthers);
    }
    if let Some(hold) = document.hold_at(now) {
        return Err(Illegal::Held { until: hold.until });
    }
    if let Some(waiting) = &document.requested {
        return Err(Illegal::RequestWaits { by: waiting.by.clone(), at: waiting.at });
    }
    if let Some(id) = &request.key
        && !lifecycle::find(document, id)?.is_standby()
    {
        return Err(Illegal::NotStandby(id.clone()));
    }
    document.requested = Some(request.clone());
    Ok(())
}

pub(super) fn hold(document: &mut Document, by: &str, until: Time, now: Time) -> Result<(), Illegal> {
    if until <= now {
        return Err(Illegal::EndsInThePast(until));
    }
    document.hold = Some(Hold { by: by.to_owned(), until });
    Ok(())
}

pub(super) fn resume(document: &mut Document, now: Time) -> Result<(), Illegal> {
    if document.hold_at(now).is_none() && !document.keys.iter().any(|key| key.hold) {
        return Err(Illegal::NothingHeld);
    }
    document.hold = None;
    for key in &mut document.keys {
        key.hold = false;
    }
    Ok(())
}
