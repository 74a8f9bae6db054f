//! The worlds that are explored, the moments that are begun from, and what may disturb them.

use std::rc::Rc;
use std::time::Duration;

use livekit_keyd_core::plan::Rule;
use livekit_keyd_core::rules::Rotation;

use super::event::{Command, Event};
use crate::support::{Mutation, Random, Setup, Sim, State, seconds};

/// How much is explored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// How many moments are begun from.
    pub(crate) moments: usize,
    /// How many events ahead.
    pub(crate) depth: usize,
    /// How many of them at most are none of a healthy world's.
    pub(crate) disturbances: usize,
    /// Of so many worlds one is asked to come to rest; 0 for none.
    pub(crate) one_in: u64,
}

/// What goes wrong once all is steady, until the first moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// No rotator is at work.
    Neglected,
    /// Dependents cannot be given the next key.
    Untold,
}

/// When all is steady, after `init`.
const STEADY: Duration = seconds(200);

/// A world to begin from.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is special about it.
    setup: fn(&mut Setup),
    /// When its moments begin, after `init`, and how long they go on.
    from: Duration,
    lasts: Duration,
    trouble: Trouble,
    pub(crate) accidents: &'static [Event],
    pub(crate) commands: &'static [Command],
    /// How far clocks are from the true time at most, in milliseconds: of two, one is so slow and one so fast.
    pub(crate) error: i64,
    pub(crate) small: Size,
    pub(crate) full: Size,
}

/// How many of a scenario's moments come of no write.
const NOW_AND_THEN: u32 = 12;
const COMMANDS: &[Command] = &[Command::Rotate, Command::Revoke, Command::Replace, Command::RevokeAll];
const SMALL: Size = Size { moments: 6, depth: 4, disturbances: 1, one_in: 500 };
const FULL: Size = Size { moments: 24, depth: 6, disturbances: 2, one_in: 2000 };

/// A change of key by schedule, from before its commitment until all is steady again.
pub(crate) const ROTATION: Scenario = Scenario {
    name: "rotation",
    setup: |_| {},
    from: seconds(390),
    lasts: seconds(300),
    trouble: Trouble::None,
    accidents: &[],
    commands: COMMANDS,
    // Half of clock_skew.
    error: 3000,
    small: SMALL,
    full: FULL,
};

/// Keys change on an operator's word only.
pub(crate) const BY_HAND: Scenario = Scenario {
    name: "by hand",
    setup: |setup| setup.rules.rotation = Rotation::Manual,
    from: seconds(200),
    lasts: seconds(20),
    accidents: &[Event::Loses],
    commands: &[Command::Rotate, Command::Revoke, Command::Replace, Command::RevokeAll, Command::Configure],
    small: Size { moments: 1, depth: 5, ..SMALL },
    full: Size { moments: 2, depth: 7, ..FULL },
    ..ROTATION
};

/// The first two minutes.
pub(crate) const BEGINNING: Scenario = Scenario {
    name: "beginning",
    from: Duration::ZERO,
    lasts: seconds(120),
    small: Size { moments: 3, ..SMALL },
    full: Size { moments: 12, ..FULL },
    ..ROTATION
};

/// Nobody asks the nodes.
pub(crate) const UNPROVEN: Scenario = Scenario {
    name: "unproven",
    from: Duration::ZERO,
    lasts: seconds(690),
    setup: |setup| (setup.proven, setup.rules.publish_delay) = (false, seconds(30)),
    small: Size { moments: 4, ..SMALL },
    full: Size { moments: 16, ..FULL },
    ..ROTATION
};

/// Somebody reads one key.
pub(crate) const DEPENDENTS: Scenario = Scenario {
    name: "dependents",
    setup: |setup| setup.dependents = 1,
    small: Size { moments: 4, ..SMALL },
    full: Size { moments: 8, ..FULL },
    ..ROTATION
};

/// Somebody reads one key, and could not be given the next one until the key before had ended.
pub(crate) const UNTOLD: Scenario = Scenario {
    name: "untold",
    from: seconds(560),
    lasts: seconds(160),
    trouble: Trouble::Untold,
    small: Size { moments: 2, ..SMALL },
    full: Size { moments: 4, ..FULL },
    ..DEPENDENTS
};

/// The store goes back to what it was at the first moment.
pub(crate) const RESTORED: Scenario = Scenario {
    name: "restored",
    accidents: &[Event::GoesBack],
    commands: &[],
    small: Size { moments: 4, ..SMALL },
    full: Size { moments: 16, ..FULL },
    ..ROTATION
};

/// The store goes back, and with it what nodes read.
pub(crate) const RESTORED_WHOLE: Scenario =
    Scenario { name: "restored whole", setup: |setup| setup.nodes_in_store = true, ..RESTORED };

/// Clocks differ by three times what they may.
pub(crate) const SKEWED: Scenario = Scenario {
    name: "skewed",
    setup: |setup| setup.forgiven = &[1, 5, 7],
    error: 9000,
    small: Size { moments: 4, ..SMALL },
    full: Size { moments: 8, ..FULL },
    ..ROTATION
};

/// No rotator was at work while a window went by.
pub(crate) const NEGLECTED: Scenario = Scenario {
    name: "neglected",
    from: seconds(1000),
    lasts: seconds(60),
    trouble: Trouble::Neglected,
    small: Size { moments: 1, ..SMALL },
    full: Size { moments: 4, ..FULL },
    ..ROTATION
};

/// What is explored without a mistake.
pub(crate) const ALL: [&Scenario; 10] = [
    &ROTATION,
    &BY_HAND,
    &BEGINNING,
    &UNPROVEN,
    &DEPENDENTS,
    &UNTOLD,
    &RESTORED,
    &RESTORED_WHOLE,
    &SKEWED,
    &NEGLECTED,
];

impl Scenario {
    fn setup(&self, mutation: Mutation) -> Setup {
        let mut setup = Setup::stormy(0);
        (setup.keysets, setup.publishers, setup.rotators, setup.signers, setup.nodes) = (1, 1, 1, 1, 2);
        setup.proven = true;
        setup.faults = false;
        setup.rules.rotation = Rotation::Period(seconds(420));
        setup.rules.rotation_window = seconds(300);
        setup.rules.activation_lead = seconds(5);
        (self.setup)(&mut setup);
        setup.mutation = mutation;
        setup
    }

    /// A healthy world at moments of its life: after each write, and now and then. The mistake begins with them.
    pub(crate) fn moments(&self, count: usize, mutation: Mutation) -> Vec<State> {
        let mut sim = Sim::new(&self.setup(Mutation::None));
        sim.init();
        match self.trouble {
            Trouble::None => {}
            Trouble::Neglected => {
                sim.advance(STEADY);
                sim.rotators_are_down_for(self.from + self.lasts);
            }
            Trouble::Untold => {
                sim.advance(STEADY);
                sim.mistake(Mutation::Omits(Rule::Client));
            }
        }
        sim.advance_to(sim.start() + self.from);
        sim.shared.with(State::back_up);
        sim.mistake(Mutation::None);
        let mut moments = Vec::new();
        for _ in 0..NOW_AND_THEN {
            moments.push(sim.shared.with(|state| state.clone()));
            sim.watch(self.lasts / NOW_AND_THEN, &mut |state| moments.push(state.clone()));
        }
        let chosen = (0..count).map(|number| moments[number * moments.len() / count].clone());
        chosen.map(|moment| self.begin(moment, mutation)).collect()
    }

    /// Nothing is left to chance from here on, and clocks are as far apart as they may be.
    fn begin(&self, mut state: State, mutation: Mutation) -> State {
        state.setup = Rc::new(self.setup(mutation));
        state.random = Random::least();
        state.quiet = true;
        state.trace.clear();
        // The slowest signer, a slow node and a quick one.
        state.signers[0].offset = -self.error;
        state.nodes[0].offset = -self.error;
        state.nodes[1].offset = self.error;
        state.dependents.iter_mut().for_each(|dependent| dependent.offset = self.error);
        state
    }
}
