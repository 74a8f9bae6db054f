//! Dependents that read one key: they are given the newest, and the key before it outlives what they made with it.

mod support;

use std::time::Duration;

use livekit_keyd_core::change::Change;
use livekit_keyd_core::document::{Document, Lineage};
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::plan::{Action, AlarmKind, ClientKey, Observed, Plan, Rule, World, plan};
use livekit_keyd_core::time::Time;
use support::{Setup, Sim, hours, seconds};

const SET: &str = "set0";
/// What a key is kept for after its successor was seen: overlap and two skews.
const KEPT: Duration = seconds(24 * 3600 + 60);

/// A keyset whose first key, which is returned, was succeeded so long ago that no signer's token of it is left.
fn succeeded() -> (World, KeyId) {
    let mut sim = Sim::new(&Setup::calm());
    sim.init();
    sim.advance(hours(1));
    let first = sim.document(SET).active(sim.now()).expect("an active key").id.clone();
    sim.advance(hours(168));
    sim.rotators_are_down_for(hours(1000));
    sim.advance(hours(30));
    let world = sim.world();
    assert!(world.keysets[SET].client.is_none());
    assert_eq!(retired(&plan(&world)), Some(first.clone()), "without dependents it goes now");
    (world, first)
}

fn document(world: &World) -> &Document {
    world.keysets[SET].document.fresh().expect("a document")
}

fn given(document: &Document, key: &Key, changed_at: Option<Time>) -> ClientKey {
    ClientKey {
        key: Some((key.id.clone(), key.secret.clone().expect("a committed key"))),
        document: Some((document.lineage.clone(), document.seq)),
        changed_at,
    }
}

fn with(world: &World, client: Observed<ClientKey>) -> Plan {
    let mut world = world.clone();
    world.keysets.get_mut(SET).expect("the keyset").client = Some(client);
    plan(&world)
}

fn retired(plan: &Plan) -> Option<KeyId> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::Save { change: Change::Retire { key, .. }, .. } => Some(key.clone()),
        _ => None,
    })
}

fn to_publish(plan: &Plan) -> Option<ClientKey> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::PublishClient { wanted, .. } => Some(wanted.clone()),
        _ => None,
    })
}

fn waits(plan: &Plan) -> Vec<(Rule, &str)> {
    plan.blocked.iter().filter(|blocked| blocked.reason == "client").map(|b| (b.rule, &*b.message)).collect()
}

#[test]
fn the_newest_key_is_given_then_dated_then_left_alone() {
    let (world, _) = succeeded();
    let document = document(&world);
    let newest = document.newest().expect("a key");
    let wanted = given(document, newest, None);
    let planned = with(&world, Observed::Fresh(ClientKey::default()));
    assert_eq!(to_publish(&planned), Some(wanted.clone()), "whoever changes it cannot date it");
    let dated = ClientKey { changed_at: Some(world.now), ..wanted.clone() };
    assert_eq!(to_publish(&with(&world, Observed::Fresh(wanted))), Some(dated.clone()));
    assert_eq!(to_publish(&with(&world, Observed::Fresh(dated))), None);
}

#[test]
fn a_key_is_kept_until_dependents_had_its_successor_for_long_enough() {
    let (world, first) = succeeded();
    let document = document(&world);
    let (old, newest) = (document.key(&first).expect("the first"), document.newest().expect("a key"));
    let ago = |age: Duration| Some(world.now - age);

    let before = with(&world, Observed::Fresh(given(document, old, ago(KEPT * 9))));
    assert_eq!(retired(&before), None, "they still have it");
    let undated = with(&world, Observed::Fresh(given(document, newest, None)));
    assert_eq!(retired(&undated), None, "nobody has seen when that began");
    let too_early = with(&world, Observed::Fresh(given(document, newest, ago(KEPT - seconds(1)))));
    assert_eq!(retired(&too_early), None);
    assert_eq!(too_early.wake, Some(world.now + seconds(1)), "the clock alone ends that");
    let on_time = with(&world, Observed::Fresh(given(document, newest, ago(KEPT))));
    assert_eq!(retired(&on_time), Some(first.clone()));

    for plan in [before, undated] {
        assert!(matches!(waits(&plan)[..], [(Rule::Retire, _)]), "{:?}", plan.blocked);
    }
}

#[test]
fn what_cannot_be_read_or_is_newer_is_left_alone_and_keeps_keys() {
    let (world, _) = succeeded();
    let document = document(&world);
    let newest = document.newest().expect("a key");
    let unknown = with(&world, Observed::Unknown { since: world.now, why: "permission denied".into() });
    assert_eq!((to_publish(&unknown), retired(&unknown)), (None, None));
    assert!(
        unknown.alarms.iter().any(|alarm| alarm.kind == AlarmKind::PublicationUnreadable
            && alarm.message.contains("permission denied"))
    );

    let ahead = Some((document.lineage.clone(), document.seq + 1));
    let ahead = ClientKey { document: ahead, key: None, changed_at: None };
    let planned = with(&world, Observed::Fresh(ahead));
    assert_eq!((to_publish(&planned), retired(&planned)), (None, None));
    assert!(planned.alarms.iter().any(|alarm| alarm.kind == AlarmKind::PublicationAhead));

    // Of a document that was created anew nothing older comes back: what lies beside it follows it.
    let other = Some((Lineage("another".into()), document.seq + 1));
    let other = ClientKey { document: other, key: None, changed_at: None };
    let planned = with(&world, Observed::Fresh(other));
    assert_eq!(to_publish(&planned), Some(given(document, newest, None)));
}

#[test]
fn a_compromised_key_goes_at_once_and_its_secret_when_nobody_is_given_it() {
    let mut sim = Sim::new(&Setup::calm());
    sim.init();
    sim.advance(hours(1));
    let bad = sim.document(SET).active(sim.now()).expect("an active key").clone();
    let revoke =
        Change::Revoke { key: bad.id.clone(), reason: "it was in a log".into(), accept_outage: false };
    sim.operate(SET, &revoke).expect("a proven standby takes over");
    let world = sim.world();
    let still = given(document(&world), &bad, Some(world.now));
    let planned = with(&world, Observed::Fresh(still.clone()));
    assert_eq!(retired(&planned), Some(bad.id.clone()));
    let newest = document(&world).newest().expect("the next").id.clone();
    assert_eq!(to_publish(&planned).and_then(|wanted| wanted.key).map(|(id, _)| id), Some(newest));

    sim.advance(seconds(1));
    sim.rotators_are_down_for(hours(1000));
    sim.advance(hours(2));
    let world = sim.world();
    let erases = |plan: &Plan| plan.steps.iter().any(|step| step.rule == Rule::Erase);
    let unpublished = document(&world).key(&bad.id).expect("the key").unpublished_at;
    assert!(unpublished.is_some(), "it was taken out");
    let planned = with(&world, Observed::Fresh(still));
    assert!(!erases(&planned), "{planned:?}");
    assert!(waits(&planned).iter().any(|(rule, _)| *rule == Rule::Erase), "{:?}", planned.blocked);
}
