//! A key that leaked is revoked, and another signs.

use livekit_keyd_core::change::Illegal;

use super::fixtures::{
    OVERLAP, SET, SKEW, WEEK, active, healthy, key, published, request, revoke, setup, standbys, steady,
    unrest,
};
use super::support::{Sim, hours, seconds};

#[test]
fn revoking_the_active_key_puts_a_standby_in_its_place_at_once() {
    let (mut sim, _) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    sim.operate(SET, &revoke(&a, false)).expect("a revocation");
    let begins = key(&sim, &s).commitment().expect("a commitment").not_before;
    assert_eq!(begins, sim.now() - SKEW, "so that no signer's clock finds none");
    sim.settle();
    assert_eq!(sim.signs_with(0), Some(s));
    assert!(!published(&sim).contains(&a));
    assert_eq!(sim.operate(SET, &revoke(&a, false)), Err(Illegal::Already(a)));
    sim.advance(hours(2));
    assert_eq!(unrest(&sim), None);
    healthy(&sim);
}

#[test]
fn revoking_the_active_key_sets_a_scheduled_one_back() {
    let (mut sim, began) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    sim.advance_to(began + WEEK - seconds(200));
    sim.operate(SET, &revoke(&a, false)).expect("a revocation");
    assert_eq!(key(&sim, &s).commitment().map(|c| c.not_before), Some(sim.now() - SKEW));
    assert_eq!(sim.document(SET).committed().count(), 2, "no other standby is spent");
}

#[test]
fn revoking_the_active_key_while_its_successor_begins_leaves_no_clock_without_a_key() {
    let (mut sim, began) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    let fire = began + WEEK;
    sim.advance_to(fire + seconds(5));
    assert_eq!(active(&sim).id, s);
    sim.operate(SET, &revoke(&a, false)).expect("a revocation");
    let slowest = sim.now() - SKEW;
    assert_eq!(sim.document(SET).active(slowest).map(|key| key.id.clone()), Some(s));
}

#[test]
fn revoking_a_scheduled_key_takes_the_end_from_the_one_before() {
    let (mut sim, began) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    sim.advance_to(began + WEEK - seconds(200));
    assert!(key(&sim, &a).not_after.is_some());
    sim.operate(SET, &revoke(&s, false)).expect("a revocation");
    assert_eq!(key(&sim, &a).not_after, None);
    sim.advance(hours(48));
    assert_eq!(sim.signs_with(0), Some(a));
    healthy(&sim);
}

#[test]
fn revoking_one_of_two_scheduled_keys_gives_the_one_before_its_end_from_the_other() {
    let mut setup = setup();
    setup.rules.activation_lead = hours(30);
    setup.rules.rotation = livekit_keyd_core::rules::Rotation::Period(WEEK * 2);
    let mut sim = Sim::new(&setup);
    sim.init();
    sim.advance(hours(1));
    let (a, ids) = (active(&sim).id, standbys(&sim));
    // The first comes 30 hours from now, the second another 29 hours later.
    sim.operate(SET, &request(None, sim.now())).expect("a request");
    sim.advance(hours(29));
    sim.operate(SET, &request(None, sim.now())).expect("a request");
    sim.settle();
    let second = key(&sim, &ids[1]).commitment().expect("a commitment").not_before;
    sim.operate(SET, &revoke(&ids[0], false)).expect("a revocation");
    sim.settle();
    assert_eq!(key(&sim, &a).not_after, Some(second + OVERLAP + SKEW));
    healthy(&sim);
}

#[test]
fn revoking_without_a_proven_standby_is_refused_unless_an_outage_is_accepted() {
    let mut sim = Sim::new(&setup());
    sim.init();
    sim.advance(hours(1));
    for id in standbys(&sim) {
        sim.operate(SET, &revoke(&id, false)).expect("standbys can always go");
    }
    let a = active(&sim).id;
    assert_eq!(sim.operate(SET, &revoke(&a, false)), Err(Illegal::NoSuccessor(a.clone())));
    sim.operate(SET, &revoke(&a, true)).expect("an outage was accepted");
    sim.settle();
    assert_eq!(sim.signs_with(0), None);
    sim.advance(hours(1));
    assert!(sim.signs_with(0).is_some(), "the next key that is proven ends the outage");
    assert_eq!(unrest(&sim), None);
    healthy(&sim);
}
