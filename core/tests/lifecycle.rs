//! What becomes of keys, told as stories with a virtual clock: one rotator, one signer, one node, no faults.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Cause, Change, Illegal, Material, apply};
use livekit_keyd_core::document::{Document, Flaw, Request, WriteId};
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::plan::{AlarmKind, Publication, plan};
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::watermark::{Watermark, WentBack};
use support::{Setup, Sim, hours, seconds};

const SET: &str = "set0";
const WEEK: Duration = hours(168);
const LEAD: Duration = seconds(300);
const OVERLAP: Duration = hours(24);
const SKEW: Duration = seconds(30);
/// How long after its publication a change counts as known: publish_delay, and the skew of the clock that dated it.
const SETTLES: Duration = seconds(630);

fn setup() -> Setup {
    let mut setup = Setup::calm();
    setup.rules.refresh_interval = seconds(60);
    setup
}

/// A keyset with its first key, and the moment at which that began.
fn steady() -> (Sim, Time) {
    let mut sim = Sim::new(&setup());
    sim.init();
    sim.advance(hours(1));
    assert_eq!(unrest(&sim), None);
    let began = active(&sim).commitment().expect("a commitment").not_before;
    (sim, began)
}

fn unrest(sim: &Sim) -> Option<String> {
    sim.shared.with(|state| state.unrest(SET))
}

fn active(sim: &Sim) -> Key {
    sim.document(SET).active(sim.now()).expect("an active key").clone()
}

fn key(sim: &Sim, id: &KeyId) -> Key {
    sim.document(SET).key(id).expect("the key").clone()
}

fn standbys(sim: &Sim) -> Vec<KeyId> {
    sim.document(SET).standbys().map(|key| key.id.clone()).collect()
}

fn published(sim: &Sim) -> Vec<KeyId> {
    sim.publisher("keys0").holds.keys.into_iter().map(|(id, _)| id).collect()
}

fn request(key: Option<&KeyId>, at: Time) -> Change {
    Change::Request(Request { by: "an operator".into(), at, key: key.cloned() })
}

fn revoke(id: &KeyId, accept_outage: bool) -> Change {
    Change::Revoke { key: id.clone(), reason: "it was in a log".into(), accept_outage }
}

fn healthy(sim: &Sim) {
    assert_eq!(sim.violation(), None, "{}", sim.trace());
}

fn alarms(sim: &Sim) -> Vec<AlarmKind> {
    plan(&sim.world()).alarms.into_iter().map(|alarm| alarm.kind).collect()
}

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
    sim.shared.with(support::State::check_rest);
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

#[test]
fn a_store_that_went_back_is_refused_by_whoever_saw_more() {
    let (sim, _) = steady();
    let old = sim.document(SET);
    let write = |name: &str| Material::none(WriteId(name.into()));
    let hold = Change::Hold { by: "me".into(), until: sim.now() + hours(1) };
    let newer = apply(&old, &hold, sim.now(), write("x")).expect("a hold");
    let other = apply(&old, &hold, sim.now(), write("y")).expect("a hold");
    let mark = Watermark::of(&newer).expect("a mark");
    assert_eq!(mark.admits(&newer), Ok(()));
    assert_eq!(mark.admits(&old), Err(WentBack::LowerSeq { known: newer.seq, found: old.seq }));
    assert_eq!(mark.admits(&other), Err(WentBack::OtherHistory { known: newer.seq }));
    let longer = apply(&other, &Change::Resume, sim.now(), write("z")).expect("its end");
    assert_eq!(mark.admits(&longer), Err(WentBack::OtherHistory { known: newer.seq }));
    let mut foreign = Document::clone(&newer);
    foreign.lineage.0 = "another".into();
    assert_eq!(mark.admits(&foreign), Err(WentBack::OtherLineage));
}

/// The keyset a rotation later, with the document of before in the store.
fn restored() -> (Sim, Arc<Document>, Arc<Document>) {
    let (mut sim, began) = steady();
    let backup = sim.document(SET);
    sim.advance_to(began + WEEK + hours(48));
    let lost = sim.document(SET);
    (sim, backup, lost)
}

#[test]
fn an_accepted_restore_signs_with_what_every_publication_holds() {
    let (sim, backup, lost) = restored();
    let held: BTreeSet<_> = published(&sim).into_iter().collect();
    let old_active = backup.active(sim.now()).expect("an active key").id.clone();
    assert!(!held.contains(&old_active), "the fleet has forgotten it");
    let accept = |seq, published: &BTreeSet<KeyId>| {
        let secrets = backup.standbys().map(|key| (key.id.clone(), Secret::new("from the backup".into())));
        let material = Material { secrets: secrets.collect(), ..Material::none(WriteId("r".into())) };
        let restore = Change::Restore { seq, published: published.clone(), taken: published.clone() };
        apply(&backup, &restore, sim.now(), material)
    };
    assert_eq!(accept(backup.seq, &held), Err(Illegal::LowSeq(backup.seq)));
    assert_eq!(accept(lost.seq + 100, &BTreeSet::new()), Err(Illegal::NoSuccessor(old_active.clone())));

    let accepted = accept(lost.seq + 100, &held).expect("accepted");
    accepted.check(SET).expect("a document as it should be");
    let heir = accepted.active(sim.now()).expect("an active key");
    assert!(held.contains(&heir.id), "every node knows it");
    assert_eq!(heir.commitment().map(|c| c.not_before), Some(sim.now() - SKEW));
    assert!(accepted.key(&old_active).is_some_and(|key| key.unpublished_at.is_some()));
    let mark = Watermark::of(&lost).expect("a mark");
    assert_eq!(mark.admits(&accepted), Ok(()), "whoever saw more goes along");
}

#[test]
fn an_accepted_restore_leaves_no_end_that_came_from_a_key_that_is_gone() {
    let (mut sim, began) = steady();
    let (a, s) = (active(&sim).id, standbys(&sim)[0].clone());
    let held: BTreeSet<_> = published(&sim).into_iter().filter(|id| *id != s).collect();
    sim.advance_to(began + WEEK - seconds(200));
    assert!(key(&sim, &a).not_after.is_some(), "the backup has a scheduled key, which publications lack");
    let restore = Change::Restore { seq: 1000, taken: held.clone(), published: held };
    let accepted = apply(&sim.document(SET), &restore, sim.now(), Material::none(WriteId("r".into())));
    let accepted = accepted.expect("accepted");
    assert!(accepted.key(&s).is_some_and(|key| key.unpublished_at.is_some()));
    assert_eq!(accepted.key(&a).and_then(|key| key.not_after), None, "or it would sign ever shorter tokens");
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

#[test]
fn documents_that_were_edited_by_hand_are_refused() {
    let (sim, _) = steady();
    let good = sim.document(SET);
    let flaw = |edit: &dyn Fn(&mut Document)| {
        let mut document = Document::clone(&good);
        edit(&mut document);
        document.check(SET).expect_err("a flaw")
    };
    let at = |id: &KeyId| good.keys.iter().position(|key| key.id == *id).expect("the key");
    let (a, s) = (at(&active(&sim).id), at(&standbys(&sim)[0]));
    assert_eq!(good.check("other"), Err(Flaw::OtherKeyset(SET.into())));
    assert_eq!(flaw(&|document| document.min_reader = 2), Flaw::Newer { min_reader: 2 });
    let edits: [&dyn Fn(&mut Document); 6] = [
        &|document| document.seq += 1,
        &|document| document.writes.reverse(),
        &|document| document.keys.push(document.keys[0].clone()),
        &|document| document.keys[a].secret = None,
        &|document| document.keys[s].secret = document.keys[a].secret.clone(),
        &|document| {
            document.rules.rotation =
                livekit_keyd_core::rules::Rotation::Schedule { cron: "never".into(), timezone: "UTC".into() };
        },
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        assert!(matches!(flaw(edit), Flaw::Edited(_)), "edit {index}");
    }
    let text = serde_json::to_string(&*good).expect("JSON").replacen("\"ordinal\":1,", "", 1);
    let torn: Document = serde_json::from_str(&text).expect("a document");
    assert!(matches!(torn.check(SET), Err(Flaw::Edited(_))), "a part of a commitment");
}
