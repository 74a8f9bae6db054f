//! Every block is shell that parses, asks the daemon for what it knows, and is run or listed with a reason.

use std::collections::BTreeSet;
use std::process::Command;

use clap::Parser;
use livekit_keyd::cli::Arguments;

use super::block::{self, Id, NAMES};
use super::{
    clocks, compromise, config, leaving, login, lost, nodes, publications, restored, rollouts, rotation,
    signing, source, store,
};

/// Blocks that no test runs, and why.
const NOT_RUN: [(Id<'_>, &str); 1] = [(
    Id("leaving.md", "", "Stop the daemon for good."),
    "no test has a systemd to ask; the one that leaves ends the daemon by a signal, as systemd does",
)];

fn run() -> BTreeSet<Id<'static>> {
    let scenarios: [&[Id<'static>]; 15] = [
        &[NAMES],
        &clocks::BLOCKS,
        &compromise::BLOCKS,
        &config::BLOCKS,
        &leaving::BLOCKS,
        &login::BLOCKS,
        &lost::BLOCKS,
        &nodes::BLOCKS,
        &publications::BLOCKS,
        &restored::BLOCKS,
        &rollouts::BLOCKS,
        &rotation::BLOCKS,
        &signing::BLOCKS,
        &source::BLOCKS,
        &store::BLOCKS,
    ];
    scenarios.concat().into_iter().collect()
}

#[test]
fn every_block_is_run_or_listed_with_the_reason_why_not() {
    let run = run();
    let left: BTreeSet<_> = NOT_RUN.iter().map(|(id, _)| *id).collect();
    let blocks = block::all();
    let there: BTreeSet<_> = blocks.iter().map(block::Block::id).collect();
    assert_eq!(there.len(), blocks.len(), "no two blocks of a section begin alike");
    assert_eq!(run.intersection(&left).collect::<Vec<_>>(), Vec::<&Id<'_>>::new(), "run, and listed");
    let covered: BTreeSet<_> = run.union(&left).copied().collect();
    let missing: Vec<_> = there.difference(&covered).collect();
    let gone: Vec<_> = covered.difference(&there).collect();
    assert!(missing.is_empty(), "neither run nor listed: {missing:#?}");
    assert!(gone.is_empty(), "on no page: {gone:#?}");
}

#[test]
fn every_block_is_shell_and_every_command_of_ours_in_it_exists() {
    let mut commands = 0;
    for block in block::all() {
        let parsed = Command::new("sh").args(["-n", "-c", &block.text]).output().expect("sh");
        assert!(parsed.status.success(), "{:?}: {}", block.id(), String::from_utf8_lossy(&parsed.stderr));
        for line in block.text.lines().filter(|line| !line.starts_with('#')) {
            let parts = line.split([';', '|', '>', '&', '(', ')']).map(str::trim);
            for command in parts.filter_map(|part| part.strip_prefix("livekit-keyd ")) {
                commands += 1;
                let words = words(command);
                let arguments = std::iter::once("livekit-keyd".to_owned()).chain(words);
                if let Err(error) = Arguments::try_parse_from(arguments) {
                    panic!("{:?}: {error}", block.id());
                }
            }
        }
    }
    assert!(commands > 40, "only {commands} commands were found");
}

/// As the shell would hand them on, with something for each name.
fn words(text: &str) -> Vec<String> {
    let names = "KEYSET=apps KEY=APIkey KEY_FILE=keys.yaml NODE=http://10.0.0.1:7880";
    let script = format!("{names}; printf '%s\\n' {text}");
    let output = Command::new("sh").args(["-eu", "-c", &script]).output().expect("sh");
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}
