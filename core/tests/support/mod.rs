//! A small world in which the shipped planner, changes and snapshots run.
//!
//! There is a store with check-and-set and versions, publications, rotators that
//! observe, plan and do the first step, signers, nodes and operators. Each read
//! and each write is an event of its own; between any two of them the others may
//! act, time may pass, and the process may die. What happens next is drawn from a
//! seed, so a failure comes with its seed and is found again.

#![allow(dead_code, reason = "each test binary uses a part of the simulator")]

mod at_rest;
mod by_hand;
mod checks;
pub(crate) mod dependents;
mod execute;
pub(crate) mod fleet;
pub(crate) mod mutant;
mod observe;
pub(crate) mod operator;
mod random;
mod rest;
pub(crate) mod restored;
mod rotator;
pub(crate) mod shared;
pub(crate) mod signer;
mod sim;
pub(crate) mod state;
mod walk;
pub(crate) mod write;

use std::time::Duration;

use livekit_keyd_core::rules::{Offline, Rotation, Rules};
use livekit_keyd_core::time::Time;

#[allow(unused_imports, reason = "each test binary uses a part of the simulator")]
pub(crate) use self::{
    mutant::Mutation,
    random::Random,
    sim::Sim,
    state::{State, Violation},
};

/// What a world is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) keysets: usize,
    pub(crate) publishers: usize,
    pub(crate) rotators: usize,
    pub(crate) signers: usize,
    pub(crate) nodes: usize,
    /// How many read one key, each of another keyset.
    pub(crate) dependents: usize,
    /// Whether what nodes read lies in the store.
    pub(crate) nodes_in_store: bool,
    /// Whether nodes are asked and restarted; else they read a publication by themselves, in time.
    pub(crate) proven: bool,
    /// Whether writes are lost or late, reads fail, processes die and clocks differ.
    pub(crate) faults: bool,
    /// How busy operators and accidents are, in a thousand.
    pub(crate) unrest: u64,
    /// Whether rotators sleep until their plan's wake however far it is, so that a missing one shows.
    pub(crate) trusts_wakes: bool,
    pub(crate) mutation: Mutation,
    /// By how many times clock_skew clocks differ, where there are faults.
    pub(crate) skews: i64,
    /// Invariants that are expected to break.
    pub(crate) forgiven: &'static [u8],
    pub(crate) rules: Rules,
    pub(crate) start: Time,
}

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

pub(crate) fn time(text: &str) -> Time {
    text.parse().expect("a time as RFC 3339 writes it")
}

impl Setup {
    /// One of everything, no faults, equal clocks, and the rules that a configuration has when little is said.
    pub(crate) fn calm() -> Setup {
        Setup {
            seed: 0,
            keysets: 1,
            publishers: 1,
            rotators: 1,
            signers: 1,
            nodes: 1,
            dependents: 0,
            nodes_in_store: false,
            proven: false,
            faults: false,
            unrest: 0,
            trusts_wakes: true,
            mutation: Mutation::None,
            skews: 1,
            forgiven: &[],
            rules: Rules {
                max_token_ttl: hours(1),
                clock_skew: seconds(30),
                refresh_interval: seconds(30),
                offline: Offline::Sign,
                server_url: None,
                rotation: Rotation::Period(hours(168)),
                rotation_window: hours(24),
                overlap: hours(24),
                activation_lead: seconds(300),
                publish_delay: seconds(600),
                other: serde_json::Map::new(),
            },
            start: time("2027-01-01T00:00:00Z"),
        }
    }

    /// How far a clock is from the true time at most, in milliseconds.
    fn clock_error(&self) -> i64 {
        if self.faults { self.rules.clock_skew.as_millis() as i64 / 2 * self.skews } else { 0 }
    }

    /// Everything small and close together, so that a short walk sees many lives of keys.
    pub(crate) fn stormy(seed: u64) -> Setup {
        let mut random = Random::new(seed ^ 0xABCD);
        let mut setup = Setup::calm();
        setup.seed = seed;
        setup.keysets = 1 + random.below(2);
        setup.publishers = 1 + random.below(2);
        setup.rotators = 1 + random.below(3);
        setup.signers = 2 + random.below(2);
        setup.nodes = 2;
        setup.faults = true;
        setup.unrest = [0, 100, 1000][random.below(3)];
        setup.trusts_wakes = false;
        setup.rules = Rules {
            max_token_ttl: seconds(60),
            clock_skew: seconds(6),
            refresh_interval: seconds(10),
            rotation: if random.chance(850) { Rotation::Period(seconds(420)) } else { Rotation::Manual },
            rotation_window: seconds([100, 300, 1500][random.below(3)]),
            overlap: seconds(90),
            activation_lead: seconds([0, 5, 40][random.below(3)]),
            publish_delay: seconds([0, 30, 30][random.below(3)]),
            ..setup.rules
        };
        setup
    }

    /// As [`Setup::stormy`], with nodes that are asked.
    pub(crate) fn stormy_and_proven(seed: u64) -> Setup {
        let mut setup = Setup::stormy(seed);
        let mut random = Random::new(seed ^ 0x5EED);
        setup.proven = true;
        setup.nodes = 2 + random.below(2);
        setup
    }
}
