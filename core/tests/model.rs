//! Every interleaving of two rotators, a signer and two nodes to a depth, from each moment of a key's life, with crashes,
//! late writes, old files and operators; then walks by seed through larger worlds.
//!
//! `make test` runs a small form; `make model` the full one, which says how much it saw.

#[path = "model/explorer.rs"]
mod explorer;
#[path = "model/machine.rs"]
mod machine;

mod support;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use explorer::Explorer;
use livekit_keyd_core::rules::Rotation;
use machine::Machine;
use support::{Random, Setup, Sim, State};

/// How much is explored.
#[derive(Clone, Copy)]
struct Size {
    depth: usize,
    disturbances: usize,
    /// How many moments of the life of a key are begun from.
    moments: usize,
    one_in: usize,
    seeds: u64,
    events: usize,
}

const SMALL: Size = Size { depth: 5, disturbances: 1, moments: 6, one_in: 500, seeds: 4, events: 1000 };
const FULL: Size = Size { depth: 8, disturbances: 2, moments: 24, one_in: 2000, seeds: 400, events: 4000 };

fn size() -> Size {
    if std::env::var("LIVEKIT_KEYD_MODEL").is_ok_and(|size| size == "full") { FULL } else { SMALL }
}

fn setup() -> Setup {
    let mut setup = Setup::stormy(0);
    setup.keysets = 1;
    setup.publishers = 1;
    setup.rotators = 1;
    setup.signers = 1;
    setup.nodes = 2;
    setup.proven = true;
    setup.faults = false;
    setup.rules.rotation = Rotation::Period(Duration::from_secs(420));
    setup.rules.rotation_window = Duration::from_secs(300);
    setup.rules.activation_lead = Duration::from_secs(5);
    setup
}

/// A healthy world at moments of a rotation, from before the commitment until all is steady again.
fn moments(count: usize) -> Vec<State> {
    let mut sim = Sim::new(&setup());
    sim.init();
    sim.advance(Duration::from_secs(390));
    let step = Duration::from_secs(300) / u32::try_from(count).expect("a few");
    let take = |_| {
        sim.advance(step);
        let mut state = sim.shared.with(|state| state.clone());
        state.random = Random::least();
        state.quiet = true;
        state.trace.clear();
        // The slowest signer, a slow node and a quick one.
        state.signers[0].offset = -3000;
        state.nodes[0].offset = -3000;
        state.nodes[1].offset = 3000;
        state
    };
    (0..count).map(take).collect()
}

#[test]
fn no_interleaving_breaks_an_invariant_and_from_each_there_is_a_way_to_rest() {
    let size = size();
    // Worlds are of one thread; two threads share the moments.
    let explored = [0, 1].map(|half| {
        std::thread::spawn(move || {
            let mut explorer = Explorer {
                depth: size.depth,
                most_disturbances: size.disturbances,
                one_in: size.one_in,
                seen: HashMap::new(),
                transitions: 0,
                rested: 0,
            };
            for (number, state) in moments(size.moments).into_iter().enumerate() {
                if number % 2 != half {
                    continue;
                }
                let found = explorer.explore(&Machine::new(state)).err();
                let told =
                    found.map(|found| format!("moment {number}, {:?}: {:?}", found.events, found.violation));
                assert_eq!(told, None);
            }
            (explorer.seen.into_keys().collect::<HashSet<_>>(), explorer.transitions, explorer.rested)
        })
    });
    let (mut states, mut transitions, mut rested) = (HashSet::new(), 0, 0);
    for explored in explored {
        let (seen, steps, rests) = explored.join().expect("no invariant is broken");
        states.extend(seen);
        transitions += steps;
        rested += rests;
    }
    println!(
        "{} distinct states, {transitions} transitions: all to depth {} from {} moments, with {} disturbances at most; {rested} states brought to rest",
        states.len(),
        size.depth,
        size.moments,
        size.disturbances
    );
    assert!(states.len() > 10_000, "{}", states.len());
    if size.depth == FULL.depth {
        assert!(states.len() > 1_000_000, "{}", states.len());
    }
}

/// Two rotators, three signers, three nodes and two keysets.
#[test]
fn no_walk_through_a_larger_world_breaks_an_invariant() {
    let size = size();
    let mut setup = Setup::stormy_and_proven(0);
    (setup.keysets, setup.rotators, setup.signers, setup.nodes) = (2, 2, 3, 3);
    for seed in 0..size.seeds {
        let drawn = Setup::stormy_and_proven(seed + 1000);
        let setup = Setup { seed: drawn.seed, unrest: drawn.unrest, rules: drawn.rules, ..setup.clone() };
        let mut sim = Sim::new(&setup);
        sim.init();
        let ended = sim.walk(size.events).and_then(|()| sim.comes_to_rest());
        assert_eq!(ended, Ok(()), "seed {seed}: {}", sim.trace());
    }
    println!("{} walks of {} events, seeds 1000 on", size.seeds, size.events);
}
