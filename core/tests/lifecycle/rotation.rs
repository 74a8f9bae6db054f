//! From a new keyset through a change of key.

use livekit_keyd_core::change::{Cause, Change};
use livekit_keyd_core::plan::{AlarmKind, plan};

use super::fixtures::{
    LEAD, OVERLAP, SET, SETTLES, SKEW, WEEK, active, healthy, key, published, setup, standbys, steady, unrest,
};
use super::support::{Sim, hours, seconds};

#[test]
fn nothing_signs_before_the_first_key_is_proven() {
    let mut sim = Sim::new(&setup());
    sim.init();
    sim.advance(seconds(20));
    let start = sim.now();
    assert_eq!(published(&sim).len(), 3, "published at once");
    sim.advance(SETTLES - seconds(60));
    assert_eq!((sim.document(SET).newest(), sim.signs_with(0)), (None, None));
    sim.advance(hours(1));
    let document = sim.document(SET);
    assert_eq!(document.keys.iter().filter(|key| key.proven_at.is_some()).count(), 3);
    assert!(active(&sim).proven_at.is_some_and(|at| at <= start + SETTLES));
    assert_eq!(sim.signs_with(0), Some(active(&sim).id));
    healthy(&sim);
}

#[test]
fn a_rotation_goes_as_the_design_draws_it() {
    let (mut sim, began) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    let fire = began + WEEK;
    sim.advance_to(fire - LEAD - seconds(1));
    assert_eq!(key(&sim, &s).commitment(), None);

    sim.advance(seconds(1));
    let commitment = key(&sim, &s).commitment().expect("committed ahead of the firing");
    assert_eq!((commitment.ordinal, commitment.not_before, commitment.overlap), (2, fire, OVERLAP));
    assert_eq!(sim.document(SET).served, Some(fire));
    let end = fire + OVERLAP + SKEW;
    assert_eq!(key(&sim, &a).not_after, Some(end), "and its predecessor's end is known");
    assert_eq!(sim.signs_with(0), Some(a.clone()));

    sim.advance_to(fire);
    assert_eq!(sim.signs_with(0), Some(s.clone()), "by the signer's own clock");
    sim.advance_to(end + SKEW - seconds(1));
    assert!(published(&sim).contains(&a) && standbys(&sim).len() == 1);

    sim.advance(seconds(1));
    assert_eq!(key(&sim, &a).unpublished_at, Some(sim.now()));
    assert!(!published(&sim).contains(&a));
    let fresh = standbys(&sim)[1].clone();
    assert!(published(&sim).contains(&fresh), "the next standby comes with the same change");
    assert_eq!(sim.publisher("keys0").changes, 2);

    sim.advance(SETTLES - seconds(1));
    assert!(key(&sim, &a).secret.is_some() && key(&sim, &fresh).proven_at.is_none());
    sim.advance(seconds(1));
    assert!(key(&sim, &fresh).proven_at.is_some(), "known to every node");
    assert_eq!(
        (key(&sim, &a).secret, key(&sim, &a).erased_at),
        (None, Some(sim.now())),
        "refused by every node"
    );
    assert_eq!(unrest(&sim), None);
    sim.shared.with(super::support::State::check_rest);
    assert_eq!(sim.publisher("keys0").changes, 2, "one restart of the nodes for the whole rotation");
    healthy(&sim);
}

#[test]
fn the_next_key_is_listed_first_then_the_active_one() {
    let (mut sim, began) = steady();
    sim.advance_to(began + WEEK + hours(48));
    let standbys = standbys(&sim);
    assert_eq!(published(&sim), [standbys[0].clone(), active(&sim).id, standbys[1].clone()]);
}

#[test]
fn missed_windows_do_not_pile_up() {
    let (mut sim, began) = steady();
    sim.rotators_are_down_for(WEEK * 3 + hours(30));
    sim.advance(WEEK * 3 + hours(100));
    let ordinals = sim.document(SET).committed().count();
    assert_eq!(ordinals, 1, "three firings were missed and none is made up for");
    sim.advance_to(began + WEEK * 4 + hours(1));
    assert_eq!(sim.document(SET).committed().count(), 2, "the next one counts again");
    healthy(&sim);
}

#[test]
fn a_late_rotation_serves_all_firings_that_it_overtakes() {
    let mut setup = setup();
    setup.rules.rotation =
        livekit_keyd_core::rules::Rotation::Schedule { cron: "0 */12 * * *".into(), timezone: "UTC".into() };
    (setup.rules.overlap, setup.rules.rotation_window) = (hours(4), hours(48));
    let mut sim = Sim::new(&setup);
    sim.init();
    sim.advance(hours(1));
    sim.rotators_are_down_for(hours(40));
    sim.advance(hours(42));
    assert_eq!(sim.document(SET).committed().count(), 2, "once for three firings");
    healthy(&sim);
}

#[test]
fn a_commitment_that_lands_late_gives_its_predecessor_a_late_end() {
    let (mut sim, _) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    let planned = sim.now();
    sim.advance(hours(5));
    let commit = Change::Commit { key: s, not_before: planned + LEAD, cause: Cause::Request };
    sim.operate_at(SET, &commit, planned).expect("a commitment");
    sim.settle();
    assert_eq!(key(&sim, &a).not_after, Some(sim.now() + OVERLAP + SKEW), "counted from when it was read");
}

#[test]
fn nothing_is_dated_by_a_clock_that_was_set_back() {
    let (mut sim, began) = steady();
    sim.rotators_are_down_for(WEEK * 2);
    sim.advance_to(began + WEEK - LEAD);
    let mut world = sim.world();
    assert!(!plan(&world).steps.is_empty());
    world.now = began - hours(1);
    let plan = plan(&world);
    assert!(plan.steps.is_empty());
    assert!(plan.alarms.iter().any(|alarm| alarm.kind == AlarmKind::ClockBehind));
}
