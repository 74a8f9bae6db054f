//! Which nodes read a publication, and the command that restarts one of them.

use std::time::Duration;

use super::super::command;
use super::super::reader::{Reader, Reported, Written};
use crate::publish::{NodeRestart, Program};

/// `restart`, `nodes` and `restart_timeout`, at the place of the first.
pub(super) fn restart(section: &mut Reader<'_>) -> Result<Written<Option<NodeRestart>>, Reported> {
    let argv = command::argv(section, "restart", None);
    let nodes = section.list::<String>("nodes");
    let limit = section.optional::<Duration>("restart_timeout");
    let spot = section.place_of("restart");
    let (argv, nodes, limit) = (argv?, nodes?, limit?);
    let nodes = nodes.map(|nodes| nodes.into_iter().map(|node| node.value).collect());
    Ok(match argv {
        None => Written { value: None, spot },
        Some(argv) => argv.map(|argv| {
            let limit = limit.map_or(Duration::ZERO, |limit| limit.value);
            Some(NodeRestart { program: Program { argv, limit }, nodes })
        }),
    })
}
