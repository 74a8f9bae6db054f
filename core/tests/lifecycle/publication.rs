//! What nodes read: of two keysets, with strangers' keys, edited.

use std::collections::BTreeSet;

use livekit_keyd_core::change::Change;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{AlarmKind, Publication};
use livekit_keyd_core::secret::Secret;

use super::fixtures::{SET, WEEK, alarms, healthy, setup, steady};
use super::support::{Setup, Sim, hours, seconds};

#[test]
fn two_keysets_share_a_publication() {
    let mut sim = Sim::new(&Setup { keysets: 2, signers: 2, ..setup() });
    sim.init();
    sim.advance(hours(1));
    let holds = sim.publisher("keys0").holds;
    assert_eq!((holds.keys.len(), holds.vector.0.len()), (6, 2));
    sim.advance(WEEK + hours(48));
    let holds = sim.publisher("keys0").holds;
    let next: BTreeSet<_> =
        ["set0", "set1"].map(|set| sim.document(set).standbys().next().expect("a standby").id.clone()).into();
    let first: BTreeSet<_> = holds.keys[..2].iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(first, next, "what is next in each comes first");
    healthy(&sim);
}

#[test]
fn ids_that_no_document_knows_are_kept_and_listed_last() {
    let mut sim = Sim::new(&setup());
    let foreign = (KeyId::new("devkey"), Secret::new("somebody else's".into()));
    sim.shared.with(|state| state.foreign.insert(foreign.0.clone()));
    sim.overwrite_publication("keys0", Publication { keys: vec![foreign.clone()], ..Publication::default() });
    sim.init();
    sim.advance(WEEK + hours(48));
    let holds = sim.publisher("keys0").holds;
    assert_eq!((holds.keys.len(), holds.keys.last()), (4, Some(&foreign)));
    assert!(alarms(&sim).contains(&AlarmKind::ForeignKeys));
    healthy(&sim);
}

#[test]
fn a_publication_that_somebody_edits_is_put_right() {
    let (mut sim, _) = steady();
    let whole = sim.publisher("keys0").holds;
    let mut edited = whole.clone();
    edited.keys.remove(0);
    edited.vector = plan_vector(&sim);
    sim.overwrite_publication("keys0", edited);
    assert!(alarms(&sim).contains(&AlarmKind::PublicationEdited));
    sim.operate(SET, &Change::Hold { by: "me".into(), until: sim.now() + seconds(9) }).expect("a hold");
    sim.settle();
    assert!(sim.publisher("keys0").holds.same_keys(&whole));
}

/// As far as the documents have come.
fn plan_vector(sim: &Sim) -> livekit_keyd_core::plan::Vector {
    let wanted = Publication::wanted(&sim.world(), &Publication::default());
    wanted.expect("a publication").vector
}
