//! What to do next: a function of what was observed, and nothing else.
//!
//! A rotator observes, plans, does the plan's first step, and observes again. It
//! remembers nothing, so it may be killed between any two of these, and any
//! number of them may run. Each rule is a file: it reads the world and says
//! what it would do, what it waits for, and what worries it.

mod adopt;
mod alarm;
mod bound;
mod client;
mod commit;
mod erase;
mod fleet;
mod nodes;
mod observed;
mod proof;
mod prove;
mod publication;
mod publish;
mod purge;
mod replace;
mod replenish;
mod retire;
mod roll;
mod settle;
mod step;
mod target;
mod turn;
mod view;

use std::time::Duration;

pub use adopt::SourceKey;
pub use alarm::{Alarm, AlarmKind};
pub use client::ClientKey;
pub use fleet::{Answer, Fleet, Node, Order, Restarter, Verdict};
pub use observed::Observed;
pub use proof::Proof;
pub use publication::{Publication, Vector};
pub use step::{Action, Blocked, Forecast, Rule, Step};
pub use target::{NodeState, node_states};
pub use view::{KeysetWorld, Standby, Versions, World};

use crate::time::Time;
use view::View;

/// What a rotator would do, why it does not, and what it sees coming.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Steps that may be taken now, the first one first. After it, observe again: the others may have changed.
    pub steps: Vec<Step>,
    /// What a rule waits for.
    pub blocked: Vec<Blocked>,
    /// What an operator should know.
    pub alarms: Vec<Alarm>,
    /// When the clock alone will change this plan.
    pub wake: Option<Time>,
    /// What will happen if nothing else does, soonest first.
    pub forecast: Vec<Forecast>,
}

impl Plan {
    fn wake_at(&mut self, time: Time) {
        self.wake = Some(self.wake.map_or(time, |known| known.min(time)));
    }

    /// Foresees something at a time ahead, and wakes for it.
    fn foresee(&mut self, keyset: &str, at: Time, what: String) {
        self.wake_at(at);
        self.forecast.push(Forecast { keyset: keyset.to_owned(), at, what });
    }
}

/// How often a rotator looks again when nothing is due.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(15);

/// The plan for a world.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan::default();
    for (name, keyset) in &world.keysets {
        let document = match &keyset.document {
            Observed::Fresh(document) => document,
            Observed::Stale { since, why, .. } | Observed::Unknown { since, why } => {
                alarm::document_unreadable(&mut plan, name, *since, why);
                continue;
            }
        };
        let view = View { world, name, keyset, document };
        if alarm::clock_is_behind(&view, &mut plan) {
            continue;
        }
        settle::rules(&view, &mut plan);
        adopt::source(&view, &mut plan);
        bound::succeeded(&view, &mut plan);
        prove::standbys(&view, &mut plan);
        replace::compromised(&view, &mut plan);
        commit::next_key(&view, &mut plan);
        client::follows(&view, &mut plan);
        retire::ended(&view, &mut plan);
        replenish::standbys(&view, &mut plan);
        erase::retired(&view, &mut plan);
        purge::leftovers(&view, &mut plan);
    }
    nodes::alarms(world, &mut plan);
    publish::all(world, &mut plan);
    roll::nodes(world, &mut plan);
    plan.forecast.sort_by_key(|forecast| forecast.at);
    plan
}
