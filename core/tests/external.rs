//! Keys that others make: what the source says, step by step, until nothing is left to be done.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Change, Illegal, Material, apply};
use livekit_keyd_core::document::{Document, Lineage, MOST_LIVE_KEYS, Made, Request, WriteId};
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::plan::{
    Action, AlarmKind, KeysetWorld, Observed, Plan, Proof, Publication, SourceKey, Versions, World, plan,
};
use livekit_keyd_core::rules::{Offline, Rotation, Rules};
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use support::Random;

const SET: &str = "cloud";
const SKEW: Duration = Duration::from_secs(30);
const SETTLES: Duration = Duration::from_secs(630);
const LEAD: Duration = Duration::from_secs(300);
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
const SECOND: Duration = Duration::from_secs(1);

/// A keyset and one rotator that does what it plans at once.
struct Cloud {
    now: Time,
    document: Document,
    source: Observed<SourceKey>,
    writes: u64,
}

fn at(id: &str) -> Observed<SourceKey> {
    Observed::Fresh(SourceKey { id: id.into(), secret: secret(id) })
}

fn secret(id: &str) -> Secret {
    Secret::new(format!("{id} has this secret and no other one"))
}

impl Cloud {
    fn new() -> Cloud {
        let now: Time = "2027-01-01T00:00:00Z".parse().expect("a time");
        let rules = Rules {
            max_token_ttl: Duration::from_secs(3600),
            clock_skew: SKEW,
            refresh_interval: SKEW,
            offline: Offline::Sign,
            server_url: None,
            rotation: Rotation::Manual,
            rotation_window: OVERLAP,
            overlap: OVERLAP,
            activation_lead: LEAD,
            publish_delay: Duration::from_secs(600),
            other: serde_json::Map::new(),
        };
        let made = Made { lineage: Lineage("one".into()), write: WriteId("1".into()), keys: Vec::new() };
        let document = Document::create_external(SET, rules, Some(1), made, now);
        Cloud { now, document, source: at("one"), writes: 1 }
    }

    /// With its first key signing.
    fn signing() -> Cloud {
        let mut cloud = Cloud::new();
        cloud.pass(SETTLES);
        assert_eq!(cloud.signs(), Some("one"));
        cloud
    }

    fn world(&self) -> World {
        let keyset = KeysetWorld {
            document: Observed::Fresh(Arc::new(self.document.clone())),
            rules: self.document.rules.clone(),
            revision: Some(1),
            standby: BTreeMap::new(),
            versions: Versions { current: self.document.seq, older: Vec::new() },
            client: None,
            source: Some(self.source.clone()),
        };
        World {
            now: self.now,
            proof: Proof::Disabled,
            keysets: BTreeMap::from([(SET.to_owned(), keyset)]),
            publications: BTreeMap::from([("nodes".to_owned(), Observed::Fresh(Publication::default()))]),
        }
    }

    fn plan(&self) -> Plan {
        plan(&self.world())
    }

    fn change(&mut self, change: &Change) -> Result<(), Illegal> {
        self.writes += 1;
        let secrets = self.world().keysets[SET].standby_secrets();
        let material = Material { secrets, ..Material::none(WriteId(self.writes.to_string())) };
        self.document = apply(&self.document, change, self.now, material)?;
        assert_eq!(self.document.check(SET), Ok(()));
        assert!(self.document.published().count() <= MOST_LIVE_KEYS);
        Ok(())
    }

    /// Does what is due. Nothing but the document is ever changed.
    fn settle(&mut self) {
        while let Some(step) = self.plan().steps.first() {
            let Action::Save { change, .. } = &step.action else {
                unreachable!("{step:?} changes something outside")
            };
            self.change(change).expect("what is planned is legal");
        }
    }

    fn source_has(&mut self, source: Observed<SourceKey>) {
        self.source = source;
        self.settle();
    }

    /// Time passes, from one wake of the rotator to the next.
    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        self.settle();
        while let Some(wake) = self.plan().wake.filter(|wake| *wake <= until) {
            self.now = wake.max(self.now + Duration::from_millis(1)).min(until);
            self.settle();
            if self.now == until {
                return;
            }
        }
        self.now = until;
        self.settle();
    }

    fn signs(&self) -> Option<&str> {
        self.document.active(self.now).map(|key| key.id.as_str())
    }

    fn key(&self, id: &str) -> &Key {
        self.document.key(&id.into()).expect("a known key")
    }

    fn phase(&self, id: &str) -> Phase {
        Phase::of(&self.document, self.key(id), self.now)
    }

    fn alarm(&self, kind: AlarmKind) -> String {
        let alarms = self.plan().alarms;
        alarms.into_iter().find(|alarm| alarm.kind == kind).map(|alarm| alarm.message).unwrap_or_default()
    }

    fn is_well(&self) -> bool {
        self.plan().alarms.iter().all(|alarm| !alarm.kind.degrades())
    }
}

#[test]
fn the_first_key_signs_when_it_is_proven_and_the_next_after_its_lead() {
    let mut cloud = Cloud::new();
    cloud.pass(SETTLES - SECOND);
    assert_eq!((cloud.signs(), cloud.phase("one")), (None, Phase::Standby));
    assert_eq!(cloud.key("one").secret, None, "it stays at the source until it is committed");
    cloud.pass(SECOND);
    assert_eq!(cloud.signs(), Some("one"));

    cloud.source_has(at("two"));
    let seen = cloud.now;
    cloud.pass(SETTLES - SECOND);
    assert_eq!(cloud.phase("two"), Phase::Standby);
    cloud.pass(SECOND);
    let commitment = cloud.key("two").commitment().expect("committed when proven");
    assert_eq!(commitment.not_before, seen + SETTLES + LEAD);
    cloud.pass(LEAD);
    assert_eq!((cloud.signs(), cloud.phase("one")), (Some("two"), Phase::Retiring));
    cloud.pass(OVERLAP + SKEW * 2 - SECOND);
    assert_eq!(cloud.phase("one"), Phase::Retiring);
    cloud.pass(SECOND);
    assert_eq!((cloud.phase("one"), &cloud.key("one").secret), (Phase::Erased, &None));
    assert!(cloud.is_well());
}

#[test]
fn a_source_that_cannot_be_read_ends_nothing() {
    let mut cloud = Cloud::signing();
    cloud.source_has(Observed::Unknown { since: cloud.now, why: "permission denied".into() });
    cloud.pass(OVERLAP * 40);
    assert_eq!(cloud.signs(), Some("one"));
    let told = cloud.alarm(AlarmKind::SourceUnreadable);
    assert!(told.contains("permission denied; one goes on signing"), "{told}");
    cloud.source_has(at("two"));
    cloud.source_has(Observed::Unknown { since: cloud.now, why: "permission denied".into() });
    cloud.pass(OVERLAP);
    assert_eq!((cloud.signs(), cloud.phase("two")), (Some("one"), Phase::Standby), "its secret is not lost");
    cloud.source_has(at("two"));
    cloud.pass(LEAD);
    assert_eq!((cloud.signs(), cloud.is_well()), (Some("two"), true));
}

#[test]
fn a_source_that_went_back_is_told_and_not_followed() {
    let mut cloud = Cloud::signing();
    cloud.source_has(at("two"));
    cloud.pass(SETTLES + LEAD);
    cloud.source_has(at("one"));
    cloud.pass(OVERLAP * 3);
    assert_eq!(cloud.signs(), Some("two"));
    assert!(cloud.alarm(AlarmKind::SourceRefused).contains("went back to one, and two was taken after it"));
}

#[test]
fn an_operator_follows_a_source_that_went_back_on_purpose() {
    let mut cloud = Cloud::signing();
    cloud.source_has(at("two"));
    cloud.pass(SETTLES + LEAD);
    cloud.source_has(at("one"));
    let revoke =
        |id: &str| Change::Revoke { key: id.into(), reason: "it does not work".into(), accept_outage: false };
    cloud.change(&revoke("two")).expect("one signs again");
    cloud.settle();
    assert_eq!(cloud.signs(), Some("one"));
    assert_eq!(cloud.key("one").not_after, None);
    assert!(cloud.is_well(), "the source has what signs");
    cloud.source_has(at("two"));
    assert!(cloud.alarm(AlarmKind::SourceRefused).contains("two, which was revoked"));
    assert_eq!(cloud.signs(), Some("one"));
}

#[test]
fn a_key_that_never_signed_may_come_again_and_waits_anew() {
    let mut cloud = Cloud::signing();
    cloud.source_has(at("two"));
    cloud.pass(SETTLES / 2);
    cloud.source_has(at("one"));
    assert_eq!((cloud.phase("two"), cloud.is_well()), (Phase::Erased, true));
    cloud.pass(SETTLES * 2);
    cloud.source_has(at("two"));
    cloud.pass(SETTLES - SECOND);
    assert_eq!(cloud.phase("two"), Phase::Standby);
    cloud.pass(SECOND + LEAD);
    assert_eq!(cloud.signs(), Some("two"));
}

#[test]
fn a_known_id_with_another_secret_is_refused() {
    let mut cloud = Cloud::signing();
    cloud.source_has(Observed::Fresh(SourceKey { id: "one".into(), secret: secret("other") }));
    let told = cloud.alarm(AlarmKind::SourceRefused);
    assert!(told.contains("another secret for one") && !told.contains("other has this"), "{told}");
    assert_eq!(cloud.key("one").secret, Some(secret("one")));
}

#[test]
fn an_owner_in_a_hurry_waits_for_the_oldest_key() {
    let mut cloud = Cloud::signing();
    for id in ["two", "three", "four", "five"] {
        cloud.source_has(at(id));
        cloud.pass(SETTLES + LEAD);
        assert_eq!(cloud.signs(), Some(id));
    }
    cloud.source_has(at("six"));
    assert!(cloud.alarm(AlarmKind::SourceRefused).contains("it is taken when the oldest is retired"));
    cloud.pass(OVERLAP + SETTLES + LEAD);
    assert_eq!(cloud.signs(), Some("six"));
    assert!(cloud.is_well());
}

#[test]
fn a_revoked_key_signs_until_its_owner_has_put_another_there() {
    let mut cloud = Cloud::signing();
    let revoke = Change::Revoke { key: "one".into(), reason: "it leaked".into(), accept_outage: false };
    assert_eq!(cloud.change(&revoke), Err(Illegal::NoSuccessor("one".into())));
    let replace = Change::Replace { key: "one".into(), reason: "it leaked".into() };
    cloud.change(&replace).expect("a mark");
    cloud.source_has(at("two"));
    cloud.pass(SETTLES - SECOND);
    assert_eq!(cloud.signs(), Some("one"));
    cloud.pass(SECOND);
    assert_eq!((cloud.signs(), cloud.phase("one")), (Some("two"), Phase::Erased), "at once, without a lead");
}

#[test]
fn a_hold_keeps_the_present_key() {
    let mut cloud = Cloud::signing();
    let until = cloud.now + OVERLAP;
    cloud.change(&Change::Hold { by: "me".into(), until }).expect("a hold");
    cloud.source_has(at("two"));
    cloud.pass(OVERLAP - SECOND);
    assert_eq!(cloud.signs(), Some("one"));
    assert!(
        cloud.alarm(AlarmKind::RotationBlocked).contains("on hold"),
        "it waits for longer than it should"
    );
    cloud.pass(SECOND * 2 + LEAD);
    assert_eq!(cloud.signs(), Some("two"));
}

#[test]
fn only_their_owner_makes_or_chooses_keys() {
    let mut cloud = Cloud::signing();
    let request = Request { by: "me".into(), at: cloud.now, key: None };
    for change in [
        Change::Request(request),
        Change::Create { count: 1 },
        Change::RevokeAll { reason: "all leaked".into() },
    ] {
        assert_eq!(cloud.change(&change), Err(Illegal::MadeByOthers), "{change:?}");
    }
}

#[test]
fn a_restored_document_follows_its_source_again() {
    let mut cloud = Cloud::signing();
    let old = cloud.document.clone();
    cloud.source_has(at("two"));
    cloud.pass(SETTLES + LEAD);
    let seq = cloud.document.seq + 10;
    cloud.document = old;
    let published = std::collections::BTreeSet::from([KeyId::new("one")]);
    let restore = Change::Restore { seq, taken: published.clone(), published };
    cloud.change(&restore).expect("it is accepted");
    assert_eq!(cloud.signs(), Some("one"));
    cloud.pass(SETTLES + LEAD);
    assert_eq!((cloud.signs(), cloud.is_well()), (Some("two"), true));
}

/// What the owner and the operators do is drawn; what must be true is looked at after every step.
#[test]
fn whatever_its_owner_does_a_key_signs_that_was_there_for_long_enough() {
    let (mut changed, mut told) = (0, 0);
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut cloud = Cloud::signing();
        let mut ids = vec!["one".to_owned()];
        for _ in 0..60 {
            let earlier = ids[random.below(ids.len())].clone();
            let before = cloud.signs().map(str::to_owned);
            match random.below(12) {
                0..3 => {
                    ids.push(format!("{seed}-{}", ids.len()));
                    cloud.source_has(at(ids.last().expect("an id")));
                }
                3 | 4 => cloud.source_has(at(&earlier)),
                5 => cloud.source_has(Observed::Unknown { since: cloud.now, why: "sealed".into() }),
                6 => {
                    let key = SourceKey { id: KeyId::new(earlier), secret: secret("another") };
                    // Of a key that never signed it is a correction.
                    let known = cloud.document.key(&key.id).is_some_and(|key| key.secret.is_some());
                    cloud.source_has(if known { Observed::Fresh(key) } else { at("one") });
                }
                7 => {
                    let (key, reason) = (KeyId::new(earlier), "it leaked".to_owned());
                    let _state_may_forbid_it =
                        cloud.change(&Change::Revoke { key, reason, accept_outage: false });
                    cloud.settle();
                }
                _ => cloud.pass(SETTLES * u32::try_from(random.below(200)).expect("few") / 2),
            }
            told += cloud.plan().alarms.iter().filter(|alarm| alarm.kind == AlarmKind::SourceRefused).count();
            let signs = cloud.document.active(cloud.now).expect("a key always signs").clone();
            assert_eq!(signs.secret, Some(secret(signs.id.as_str())), "seed {seed}");
            assert_eq!(signs.compromised_at, None, "seed {seed}");
            changed += usize::from(before.as_deref() != Some(signs.id.as_str()));
            for key in cloud.document.committed() {
                let commitment = key.commitment().expect("of a committed key");
                assert!(commitment.not_before + SKEW >= key.created_at + SETTLES, "seed {seed}: {}", key.id);
                let ended =
                    key.not_after.is_some_and(|end| end + SKEW <= cloud.now) || key.compromised_at.is_some();
                assert!(ended || key.secret.is_some(), "seed {seed}: {} may have live tokens", key.id);
            }
        }
    }
    assert!(changed > 150 && told > 150, "a walk in which nothing happens shows nothing: {changed}, {told}");
}

/// A key of others may lie in a file of ours, which is not ours to change.
#[test]
fn what_lies_in_publications_is_left_alone() {
    let cloud = Cloud::signing();
    let mut world = cloud.world();
    let held = Publication { keys: vec![(KeyId::new("one"), secret("one"))], ..Publication::default() };
    world.publications.insert("nodes".to_owned(), Observed::Fresh(held.clone()));
    assert_eq!(plan(&world).steps, []);

    let managed = Made { lineage: Lineage("two".into()), write: WriteId("1".into()), keys: Vec::new() };
    let rules = cloud.document.rules.clone();
    let document = Document::create("apps", rules, Some(1), managed, cloud.now);
    let mut keyset = world.keysets[SET].clone();
    (keyset.document, keyset.source) = (Observed::Fresh(Arc::new(document)), None);
    world.keysets.insert("apps".to_owned(), keyset);
    let wanted = Publication::wanted(&world, &held).expect("a publication");
    assert_eq!(wanted.keys, held.keys);
    assert_eq!(wanted.vector.0.keys().collect::<Vec<_>>(), ["apps"]);
}
