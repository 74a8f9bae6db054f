//! Which nodes read a publication, and the command that restarts one of them.

use std::time::Duration;

use toml::de::DeValue;

use super::super::command;
use super::super::reader::{Reader, Reported, Written};
use super::super::setting::Setting;
use crate::fleet::Source;
use crate::publish::{NodeRestart, Program};

/// `nodes`: the addresses of some, spelled as the fleet's own are.
pub(super) fn addresses(section: &mut Reader<'_>) -> Result<Option<Vec<String>>, Reported> {
    let nodes = section.list::<Address>("nodes")?;
    Ok(nodes.map(|nodes| nodes.into_iter().map(|node| node.value.0).collect()))
}

struct Address(String);

impl Setting for Address {
    fn read(value: &DeValue<'_>) -> Result<Address, String> {
        match String::read(value)?.parse()? {
            Source::Node(node) => Ok(Address(node.address)),
            Source::Name(name) => Err(format!(
                "must be a node's own address, as status names it, like \"http://10.0.0.1:7880\"; this is `{}`, which may stand for many",
                name.written
            )),
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// `restart`, `nodes` and `restart_timeout`, at the place of the first.
pub(super) fn restart(section: &mut Reader<'_>) -> Result<Written<Option<NodeRestart>>, Reported> {
    let argv = command::argv(section, "restart", None);
    let nodes = addresses(section);
    let limit = section.optional::<Duration>("restart_timeout");
    let spot = section.place_of("restart");
    let (argv, nodes, limit) = (argv?, nodes?, limit?);
    Ok(match argv {
        None => Written { value: None, spot },
        Some(argv) => argv.map(|argv| {
            let limit = limit.map_or(Duration::ZERO, |limit| limit.value);
            Some(NodeRestart { program: Program { argv, limit }, nodes })
        }),
    })
}
