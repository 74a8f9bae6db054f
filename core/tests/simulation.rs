//! Random walks through a world of rotators, signers, nodes and operators, with every invariant looked at in
//! every state; and walks with a mistake planted, which must be noticed. What each rule of the planner is for is shown in
//! `model`.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use livekit_keyd_core::plan::Rule;
use support::{Mutation, Setup, Sim, Violation};

/// How much happens in a walk.
const EVENTS: usize = 4000;
/// How many walks are walked; each is the same every time.
const SEEDS: u64 = 64;

/// A broken invariant comes with what happened before it.
fn walk(setup: &Setup) -> Result<Sim, (Violation, String)> {
    let mut sim = Sim::new(setup);
    // Two operators at once.
    sim.init();
    sim.init();
    let ended = sim.walk(EVENTS).and_then(|()| sim.comes_to_rest());
    match ended {
        Ok(()) => Ok(sim),
        Err(violation) => Err((violation, sim.trace())),
    }
}

/// Walks them all, and says how often each rule's step was done.
fn walk_all(setup: impl Fn(u64) -> Setup) -> BTreeMap<&'static str, usize> {
    let mut done = BTreeMap::<_, usize>::new();
    for seed in 0..SEEDS {
        match walk(&setup(seed)) {
            Ok(sim) => {
                sim.steps().into_iter().for_each(|(rule, count)| *done.entry(rule).or_default() += count)
            }
            Err((Violation { invariant, what }, trace)) => {
                assert_eq!(trace, "", "seed {seed} breaks invariant {invariant}: {what}");
            }
        }
    }
    done
}

#[test]
fn with_nodes_that_are_asked_no_walk_breaks_an_invariant_and_each_comes_to_rest() {
    let done = walk_all(Setup::stormy_and_proven);
    assert!(done.get("roll").is_some_and(|count| *count > 1000), "{done:?}");
}

#[test]
fn no_walk_breaks_an_invariant_and_each_comes_to_rest() {
    let done = walk_all(Setup::stormy);
    // A rule that was never needed was not tested.
    let rules = [
        "settle",
        "bound",
        "prove",
        "bootstrap",
        "fire",
        "request",
        "miss",
        "retire",
        "replenish",
        "abandon",
        "erase",
        "publish",
        "purge",
    ];
    assert_eq!(rules.iter().find(|rule| !done.contains_key(**rule)), None, "{done:?}");
}

/// Whether a mistake is noticed, and as what it is.
fn is_caught_as(mutation: Mutation, invariant: u8) {
    is_caught_in(Setup::stormy, mutation, invariant);
}

fn is_caught_in(setup: impl Fn(u64) -> Setup, mutation: Mutation, invariant: u8) {
    let mut violations = (0..SEEDS)
        .filter_map(|seed| walk(&Setup { mutation, ..setup(seed) }).err().map(|(violation, _)| violation));
    let caught = violations.any(|violation| violation.invariant == invariant);
    assert!(caught, "{mutation:?} was not noticed to break {invariant}");
}

#[test]
fn invariant_1_a_signer_that_ignores_its_lease_is_caught() {
    is_caught_as(Mutation::SignerIgnoresLease, 1);
}

#[test]
fn invariant_1_a_signer_that_forgives_a_compromise_is_caught() {
    is_caught_as(Mutation::SignerForgivesCompromise, 1);
}

#[test]
fn invariant_2_a_rotator_that_proves_what_no_node_said_is_caught() {
    is_caught_in(Setup::stormy_and_proven, Mutation::ProvesUnasked, 2);
}

#[test]
fn invariant_8_a_rotator_that_restarts_without_the_lease_is_caught() {
    is_caught_in(Setup::stormy_and_proven, Mutation::RestartsWithoutLease, 8);
}

#[test]
fn invariant_3_a_rotator_that_retires_early_is_caught() {
    is_caught_as(Mutation::RetiresEarly, 3);
}

#[test]
fn invariant_4_a_rotator_that_publishes_an_older_vector_is_caught() {
    is_caught_as(Mutation::PublishesOldLook, 4);
}

#[test]
fn invariant_4_a_store_without_check_and_set_is_caught() {
    is_caught_as(Mutation::WritesBlindly, 4);
}

#[test]
fn invariant_5_a_rotator_that_proves_early_is_caught() {
    is_caught_as(Mutation::ProvesEarly, 5);
}

#[test]
fn invariant_6_a_rotator_that_erases_before_nodes_refuse_is_caught() {
    is_caught_as(Mutation::ErasesEarly, 6);
}

#[test]
fn invariant_6_a_rotator_that_never_purges_is_caught() {
    is_caught_as(Mutation::Omits(Rule::Purge), 6);
}

#[test]
fn invariant_7_a_rotator_that_names_a_key_before_its_secret_is_written_is_caught() {
    is_caught_as(Mutation::NamesBeforeWriting, 7);
}

/// What the difference of clocks is bounded for: 0 is a rotator whose plans are refused, as another's dates lie ahead.
#[test]
fn clocks_further_apart_than_they_may_be_break_four_invariants_and_no_others() {
    let broken = |setup: fn(u64) -> Setup, forgiven| {
        let walks = (0..12).map(|seed| walk(&Setup { skews: 4, forgiven, ..setup(seed) }));
        walks.filter_map(|walk| walk.err().map(|(violation, _)| violation.invariant)).collect::<BTreeSet<_>>()
    };
    assert_eq!(broken(Setup::stormy, &[0, 5, 7]), [1].into());
    assert_eq!(broken(Setup::stormy, &[0, 1, 7]), [5].into());
    assert_eq!(broken(Setup::stormy, &[0, 1, 5]), [7].into());
    assert_eq!(broken(Setup::stormy_and_proven, &[0, 1, 5, 7]), [].into());
}
