//! A store that went back, or that somebody edited.

use std::collections::BTreeSet;
use std::sync::Arc;

use livekit_keyd_core::change::{Change, Illegal, Material, apply};
use livekit_keyd_core::document::{Document, Flaw, WriteId};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::watermark::{Watermark, WentBack};

use super::fixtures::{SET, SKEW, WEEK, active, key, published, standbys, steady};
use super::support::{Sim, hours, seconds};

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
