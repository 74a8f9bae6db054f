//! Every interleaving of two rotators, a signer and two nodes to a depth, from each moment of a key's life, with crashes,
//! late writes, old files, restored stores, dependents and operators; the same with a mistake planted, which must be found;
//! then walks by seed through larger worlds.
//!
//! `make test` runs a small form; `make model` the full one, which says how much it saw.

#[path = "model/digest.rs"]
mod digest;
#[path = "model/event.rs"]
mod event;
#[path = "model/explorer.rs"]
mod explorer;
#[path = "model/machine.rs"]
mod machine;
#[path = "model/mistakes.rs"]
mod mistakes;
#[path = "model/rotator.rs"]
mod rotator;
#[path = "model/scenario.rs"]
mod scenario;
#[path = "model/settle.rs"]
mod settle;

mod support;

use std::time::Instant;

use explorer::{Explorer, Found};
use mistakes::Mistake;
use support::{Setup, Sim};

fn is_full() -> bool {
    std::env::var("LIVEKIT_KEYD_MODEL").is_ok_and(|size| size == "full")
}

#[test]
fn no_interleaving_breaks_an_invariant_and_from_each_there_is_a_way_to_rest() {
    let (mut states, mut steps) = (0, 0);
    let began = Instant::now();
    for scenario in scenario::ALL {
        let (size, began) = (if is_full() { scenario.full } else { scenario.small }, Instant::now());
        let explorer = Explorer::new(scenario, size);
        if let Some(Found { violation, moment, events, trace }) = explorer.explore() {
            assert_eq!(trace, "", "{}, moment {moment}, {events:?}: {violation:?}", scenario.name);
        }
        let (seen, transitions, rested) = explorer.figures();
        println!(
            "{:<14} {seen:>8} states, {transitions:>9} steps, depth {} from {:>2} moments, {} disturbances at most, {rested:>5} brought to rest, {:.1} s",
            scenario.name,
            size.depth,
            size.moments,
            size.disturbances,
            began.elapsed().as_secs_f64(),
        );
        (states, steps) = (states + seen, steps + transitions);
    }
    println!("together       {states:>8} states, {steps:>9} steps, {:.1} s", began.elapsed().as_secs_f64());
    assert!(states > if is_full() { 1_000_000 } else { 10_000 }, "{states}");
}

/// Each is found, and as what it is.
fn are_found(mistakes: &[Mistake]) {
    let mut unfound = Vec::new();
    for mistake in mistakes {
        let began = Instant::now();
        let (found, worlds) = mistake.shortest();
        let took = began.elapsed().as_secs_f64();
        let Some(Found { violation, moment, events, trace }) = found else {
            println!("{:?} is not found in {worlds} worlds, {took:.1} s", mistake.mutation);
            unfound.push(mistake.mutation);
            continue;
        };
        println!(
            "{:?} breaks {} in {}, moment {moment} {events:?}, {worlds} worlds, {took:.1} s: {}",
            mistake.mutation, violation.invariant, mistake.scenario.name, violation.what
        );
        if is_full() {
            println!("{trace}\n");
        }
        if violation.invariant != mistake.breaks {
            unfound.push(mistake.mutation);
        }
    }
    assert_eq!(unfound, []);
}

#[test]
fn for_each_invariant_a_mistake_is_found_that_breaks_it() {
    are_found(&mistakes::OF_INVARIANTS);
}

#[test]
fn each_rule_that_is_left_out_is_missed() {
    are_found(&mistakes::OF_RULES);
}

/// Two rotators, three signers, three nodes and two keysets, with dependents of both.
#[test]
fn no_walk_through_a_larger_world_breaks_an_invariant() {
    let (seeds, events) = if is_full() { (400, 4000) } else { (4, 1000) };
    let mut setup = Setup::stormy_and_proven(0);
    (setup.keysets, setup.rotators, setup.signers, setup.nodes, setup.dependents) = (2, 2, 3, 3, 2);
    for seed in 0..seeds {
        let drawn = Setup::stormy_and_proven(seed + 1000);
        let setup = Setup { seed: drawn.seed, unrest: drawn.unrest, rules: drawn.rules, ..setup.clone() };
        let mut sim = Sim::new(&setup);
        sim.init();
        let ended = sim.walk(events).and_then(|()| sim.comes_to_rest());
        assert_eq!(ended, Ok(()), "seed {seed}: {}", sim.trace());
    }
    println!("{seeds} walks of {events} events, seeds 1000 on");
}
