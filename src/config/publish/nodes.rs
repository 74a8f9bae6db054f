//! Which nodes read a publication, and the command that restarts one of them.

use std::path::Path;
use std::time::Duration;

use super::super::reader::{Reader, Reported, Written};
use crate::publish::{NodeRestart, Program};

/// `restart`, `nodes` and `restart_timeout`, at the place of the first.
pub(super) fn restart(section: &mut Reader<'_>) -> Result<Written<Option<NodeRestart>>, Reported> {
    let argv = argv(section, "restart", None);
    let nodes = section.list::<String>("nodes");
    let limit = section.optional::<Duration>("restart_timeout");
    let spot = section.spot_of("restart");
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

/// A program with its arguments. One that is named by a path with a slash lies in relation to the configuration.
pub(super) fn argv(
    section: &mut Reader<'_>,
    name: &'static str,
    required: Option<&str>,
) -> Result<Option<Written<Vec<String>>>, Reported> {
    let written = section.list::<String>(name)?;
    let spot = section.spot_of(name);
    let Some(written) = written else {
        return required.map_or(Ok(None), |hint| Err(section.missing(name, hint)));
    };
    let mut argv: Vec<String> = written.into_iter().map(|argument| argument.value).collect();
    let Some(program) = argv.first_mut() else {
        return Err(section.context.report(&spot, "names no program: write it, and its arguments after it"));
    };
    if program.contains('/') {
        *program = section.context.resolve(Path::new(&*program)).display().to_string();
    }
    Ok(Some(Written { value: argv, spot }))
}
