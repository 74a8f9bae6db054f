//! Mistakes that a test plants, to see that the checks notice them.

use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::change::{Change, Material, apply};
use livekit_keyd_core::document::{self, Document, WriteId};
use livekit_keyd_core::plan::{Action, KeysetWorld, Observed, Plan, Rule, World, plan};

use super::write::Write;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// As shipped.
    None,
    /// A signer counts its lease from now, not from its last read.
    SignerIgnoresLease,
    /// A signer goes on with a key that it has seen compromised.
    SignerForgivesCompromise,
    /// A signer believes a document that is older than one it has seen.
    SignerForgetsMark,
    /// A rotator takes a succeeded key out before its end.
    RetiresEarly,
    /// A rotator publishes what it derived from the documents of its look before.
    PublishesOldLook,
    /// A rotator writes the document whatever was written meanwhile.
    WritesBlindly,
    /// A rotator replaces a publication whatever was published meanwhile.
    PublishesBlindly,
    /// A rotator takes each publication for older than it is, and so for known to the nodes.
    ProvesEarly,
    /// A rotator erases a secret as soon as its key is retired.
    ErasesEarly,
    /// A rotator names a standby before its secret is written.
    NamesBeforeWriting,
    /// A rotator takes a node that it did not hear of for one that accepts.
    ProvesUnasked,
    /// A rotator restarts nodes whatever the lease says.
    RestartsWithoutLease,
    /// Dependents are given the next standby, before it is committed.
    GivesBeforeCommitting,
    /// Dependents are taken for told since the look that found them untold.
    DatesBeforeTelling,
    /// A key is retired whatever dependents have.
    ForgetsDependents,
    /// A restored store is accepted without asking the nodes which keys they take.
    AcceptsUnasked,
    /// A rotator replaces what was derived from newer documents than it sees.
    IgnoresVector,
    /// A rotator's plans lack the steps of a rule.
    Omits(Rule),
}

/// The shipped plan, or what a mistake makes of it.
pub(crate) fn plan_with(mutation: Mutation, world: &World) -> Plan {
    match mutation {
        Mutation::Omits(rule) => {
            let mut plan = plan(world);
            plan.steps.retain(|step| step.rule != rule);
            plan
        }
        Mutation::ProvesEarly => proves_early(world),
        Mutation::ForgetsDependents => forgets_dependents(world),
        Mutation::IgnoresVector => ignores_vector(world),
        Mutation::GivesBeforeCommitting => gives_before_committing(world),
        _ => plan(world),
    }
}

fn proves_early(world: &World) -> Plan {
    let mut lied_to = world.clone();
    let lie = |world: &World| {
        let rules = world.keysets.values().map(|keyset| keyset.rules.publish_delay + keyset.rules.clock_skew);
        rules.max().unwrap_or(Duration::ZERO)
    };
    let lie = lie(world);
    for there in lied_to.publications.values_mut() {
        if let Observed::Fresh(there) = there {
            there.changed_at = there.changed_at.map(|at| at - lie);
        }
    }
    let mut plan = plan(&lied_to);
    for step in &mut plan.steps {
        if let Action::Publish { there, wanted, .. } = &mut step.action
            && there.changed_at.is_some()
        {
            for publication in [there, wanted] {
                publication.changed_at = publication.changed_at.map(|at| at + lie);
            }
        }
    }
    plan
}

fn forgets_dependents(world: &World) -> Plan {
    let mut alone = world.clone();
    alone.keysets.values_mut().for_each(|keyset| keyset.client = None);
    let mut steps = plan(world).steps;
    steps.retain(|step| step.rule == Rule::Client);
    let mut plan = plan(&alone);
    plan.steps.extend(steps);
    plan
}

fn ignores_vector(world: &World) -> Plan {
    let mut vectorless = world.clone();
    for there in vectorless.publications.values_mut() {
        if let Observed::Fresh(there) = there {
            there.vector.0.clear();
        }
    }
    let mut plan = plan(&vectorless);
    for step in &mut plan.steps {
        if let Action::Publish { publisher, there, .. } = &mut step.action
            && let Some(seen) = world.publications[publisher].fresh()
        {
            there.clone_from(seen);
        }
    }
    plan
}

fn gives_before_committing(world: &World) -> Plan {
    let mut plan = plan(world);
    for (keyset, seen) in &world.keysets {
        let (Some(there), Some(document)) =
            (seen.client.as_ref().and_then(Observed::fresh), seen.document.fresh())
        else {
            continue;
        };
        let next = document.standbys().find(|key| key.is_proven_standby());
        let next = next.and_then(|key| Some((key.id.clone(), seen.standby_secret(&key.id)?.clone())));
        if next.is_some() && there.key != next {
            let mut wanted = there.clone();
            (wanted.key, wanted.changed_at) = (next, None);
            wanted.document = Some((document.lineage.clone(), document.seq));
            let action = Action::PublishClient { keyset: keyset.clone(), there: there.clone(), wanted };
            let why = "dependents are given the next key ahead of time".to_owned();
            plan.steps.insert(0, livekit_keyd_core::plan::Step { rule: Rule::Client, action, why });
        }
    }
    plan
}

/// What a broken rotator writes beside its plan.
pub(crate) fn write(mutation: Mutation, world: &World, name: impl Fn() -> WriteId) -> Option<Write> {
    if !matches!(mutation, Mutation::RetiresEarly | Mutation::ErasesEarly) {
        return None;
    }
    let now = world.now;
    world.keysets.iter().find_map(|(keyset, seen)| {
        let document = seen.document.fresh()?;
        let next = if mutation == Mutation::RetiresEarly {
            let mut next = Document::clone(document);
            let mut keys = next.keys.iter_mut();
            let early = |key: &&mut livekit_keyd_core::key::Key| {
                key.not_after.is_some_and(|end| now < end) && key.unpublished_at.is_none()
            };
            keys.find(early)?.unpublished_at = Some(now);
            next.seq += 1;
            next.writes.push(document::Write { seq: next.seq, id: name() });
            next
        } else {
            let mut keys = document.keys.iter();
            let id = keys.find(|key| key.unpublished_at.is_some() && key.erased_at.is_none())?.id.clone();
            apply(document, &Change::Erase { key: id }, now, at_hand(seen, name())).ok()?
        };
        Some(Write::Document {
            keyset: keyset.clone(),
            expected: seen.versions.current,
            document: Arc::new(next),
            what: format!("{mutation:?}"),
        })
    })
}

/// What a change may need, of what was read.
pub(crate) fn at_hand(seen: &KeysetWorld, write: WriteId) -> Material {
    let known = seen.standby.iter().filter_map(|(id, standby)| Some((id.clone(), standby.secret.clone()?)));
    Material { secrets: known.collect(), ..Material::none(write) }
}
