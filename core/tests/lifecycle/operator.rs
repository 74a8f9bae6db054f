//! What operators ask for: a key, a hold, other rules.

use livekit_keyd_core::change::{Change, Illegal};
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::plan::{AlarmKind, plan};

use super::fixtures::{LEAD, SET, WEEK, active, alarms, healthy, key, request, standbys, steady, unrest};
use super::support::{hours, seconds};

#[test]
fn activating_beside_a_scheduled_key_overtakes_it() {
    let (mut sim, began) = steady();
    let ids = standbys(&sim);
    let fire = began + WEEK;
    sim.advance_to(fire - seconds(200));
    assert_eq!(Phase::of(&sim.document(SET), &key(&sim, &ids[0]), sim.now()), Phase::Scheduled);
    sim.operate(SET, &request(Some(&ids[1]), sim.now())).expect("a request");
    sim.advance_to(fire);
    assert_eq!(sim.signs_with(0), Some(ids[0].clone()), "the scheduled one comes on time");
    sim.advance(LEAD);
    assert_eq!(sim.signs_with(0), Some(ids[1].clone()), "and the requested one is the last word");
    sim.advance(hours(30));
    assert_eq!(unrest(&sim), None);
    healthy(&sim);
}

#[test]
fn a_request_waits_for_one_at_a_time() {
    let (mut sim, _) = steady();
    sim.operate(SET, &Change::Hold { by: "me".into(), until: sim.now() + hours(1) }).expect("a hold");
    assert!(matches!(sim.operate(SET, &request(None, sim.now())), Err(Illegal::Held { .. })));
    sim.operate(SET, &Change::Resume).expect("its end");
    let first = request(None, sim.now());
    sim.operate(SET, &first).expect("a request");
    assert!(matches!(sim.operate(SET, &first), Err(Illegal::RequestWaits { .. })));
}

#[test]
fn a_hold_stops_a_rotation_and_its_end_lets_it_go_on() {
    let (mut sim, began) = steady();
    let a = active(&sim).id;
    sim.advance_to(began + WEEK - hours(1));
    sim.operate(SET, &Change::Hold { by: "me".into(), until: sim.now() + hours(9) }).expect("a hold");
    sim.advance(hours(3));
    assert_eq!(sim.signs_with(0), Some(a.clone()));
    assert!(alarms(&sim).contains(&AlarmKind::RotationBlocked));
    sim.operate(SET, &Change::Resume).expect("its end");
    sim.advance(LEAD);
    assert_ne!(sim.signs_with(0), Some(a), "made up for within the window");
    assert_eq!(sim.operate(SET, &Change::Resume), Err(Illegal::NothingHeld));
    healthy(&sim);
}

#[test]
fn a_hold_ends_by_itself() {
    let (mut sim, began) = steady();
    let a = active(&sim).id;
    sim.advance_to(began + WEEK - hours(1));
    let until = sim.now() + hours(3);
    sim.operate(SET, &Change::Hold { by: "me".into(), until }).expect("a hold");
    sim.advance_to(until + LEAD + seconds(1));
    assert_ne!(sim.signs_with(0), Some(a));
}

#[test]
fn rules_change_under_a_higher_revision_only() {
    let (mut sim, _) = steady();
    sim.shared.with(|state| state.rules.overlap = hours(30));
    assert!(alarms(&sim).contains(&AlarmKind::RulesDiffer));
    assert!(plan(&sim.world()).steps.is_empty(), "with equal numbers the document's rules stand");
    let mut world = sim.world();
    world.keysets.get_mut(SET).expect("the keyset").revision = Some(0);
    assert!(plan(&world).steps.is_empty(), "an old replica does not fight");

    sim.shared.with(|state| state.revision = 2);
    let Change::SetRules { rules, revision } = (match plan(&sim.world()).steps.remove(0).action {
        livekit_keyd_core::plan::Action::Save { change, .. } => change,
        action => unreachable!("{action:?}"),
    }) else {
        unreachable!("another change than the rules'")
    };
    let set = Change::SetRules { rules, revision };
    sim.operate(SET, &set).expect("new rules");
    assert_eq!(sim.document(SET).rules.overlap, hours(30));
    assert_eq!(sim.operate(SET, &set), Err(Illegal::OldRevision { document: 2 }));
    assert!(!alarms(&sim).contains(&AlarmKind::RulesDiffer));
}
