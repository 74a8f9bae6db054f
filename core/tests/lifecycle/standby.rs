//! Secrets beside the document that are lost, or that nobody names.

use livekit_keyd_core::change::Change;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::AlarmKind;
use livekit_keyd_core::secret::Secret;

use super::fixtures::{SET, alarms, healthy, published, request, standbys, steady, unrest};
use super::support::{Sim, hours, seconds};

#[test]
fn a_secret_that_no_document_names_goes_after_the_next_write() {
    let (mut sim, _) = steady();
    let orphan = KeyId::new("APIorphan");
    sim.shared.with(|state| {
        let secret = Secret::new("nobody will ever know this one".into());
        state.shelf(SET).standby.insert(orphan.clone(), secret)
    });
    let there = |sim: &Sim| sim.shared.with(|state| state.shelves[SET].standby.contains_key(&orphan));
    let hold = |sim: &mut Sim| {
        let until = sim.now() + seconds(1);
        sim.operate(SET, &Change::Hold { by: "me".into(), until }).expect("a hold");
        sim.advance(seconds(2));
    };
    hold(&mut sim);
    hold(&mut sim);
    assert!(there(&sim), "its writer may have read what was written just before");
    hold(&mut sim);
    assert!(!there(&sim));
}

#[test]
fn a_lost_standby_is_given_up_and_replaced() {
    let (mut sim, _) = steady();
    let lost = standbys(&sim)[0].clone();
    sim.operate(SET, &Change::Hold { by: "me".into(), until: sim.now() + seconds(30) }).expect("a hold");
    sim.shared.with(|state| {
        state.shelf(SET).standby.remove(&lost);
        state.shelf(SET).lost.insert(lost.clone());
    });
    assert!(alarms(&sim).contains(&AlarmKind::StandbyLost));
    sim.advance(hours(1));
    assert!(!published(&sim).contains(&lost) && standbys(&sim).len() == 2);
    assert_eq!(unrest(&sim), None);
    healthy(&sim);
}

#[test]
fn a_request_for_a_standby_that_is_lost_does_not_wait_for_ever() {
    let (mut sim, _) = steady();
    let lost = standbys(&sim)[1].clone();
    sim.shared.with(|state| {
        state.shelf(SET).standby.remove(&lost);
        state.shelf(SET).lost.insert(lost.clone());
    });
    sim.operate(SET, &request(Some(&lost), sim.now())).expect("a request");
    sim.advance(hours(1));
    assert_eq!(sim.document(SET).requested, None);
    assert_eq!(unrest(&sim), None);
}
