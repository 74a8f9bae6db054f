//! A keyset that is steady, and what is asked of it.

use std::time::Duration;

use livekit_keyd_core::change::Change;
use livekit_keyd_core::document::Request;
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::plan::{AlarmKind, plan};
use livekit_keyd_core::time::Time;

use super::support::{Setup, Sim, hours, seconds};

pub(crate) const SET: &str = "set0";
pub(crate) const WEEK: Duration = hours(168);
pub(crate) const LEAD: Duration = seconds(300);
pub(crate) const OVERLAP: Duration = hours(24);
pub(crate) const SKEW: Duration = seconds(30);
/// How long after its publication a change counts as known: publish_delay, and the skew of the clock that dated it.
pub(crate) const SETTLES: Duration = seconds(630);

pub(crate) fn setup() -> Setup {
    let mut setup = Setup::calm();
    setup.rules.refresh_interval = seconds(60);
    setup
}

/// A keyset with its first key, and the moment at which that began.
pub(crate) fn steady() -> (Sim, Time) {
    let mut sim = Sim::new(&setup());
    sim.init();
    sim.advance(hours(1));
    assert_eq!(unrest(&sim), None);
    let began = active(&sim).commitment().expect("a commitment").not_before;
    (sim, began)
}

pub(crate) fn unrest(sim: &Sim) -> Option<String> {
    sim.shared.with(|state| state.unrest(SET))
}

pub(crate) fn active(sim: &Sim) -> Key {
    sim.document(SET).active(sim.now()).expect("an active key").clone()
}

pub(crate) fn key(sim: &Sim, id: &KeyId) -> Key {
    sim.document(SET).key(id).expect("the key").clone()
}

pub(crate) fn standbys(sim: &Sim) -> Vec<KeyId> {
    sim.document(SET).standbys().map(|key| key.id.clone()).collect()
}

pub(crate) fn published(sim: &Sim) -> Vec<KeyId> {
    sim.publisher("keys0").holds.keys.into_iter().map(|(id, _)| id).collect()
}

pub(crate) fn request(key: Option<&KeyId>, at: Time) -> Change {
    Change::Request(Request { by: "an operator".into(), at, key: key.cloned() })
}

pub(crate) fn revoke(id: &KeyId, accept_outage: bool) -> Change {
    Change::Revoke { key: id.clone(), reason: "it was in a log".into(), accept_outage }
}

pub(crate) fn healthy(sim: &Sim) {
    assert_eq!(sim.violation(), None, "{}", sim.trace());
}

pub(crate) fn alarms(sim: &Sim) -> Vec<AlarmKind> {
    plan(&sim.world()).alarms.into_iter().map(|alarm| alarm.kind).collect()
}
