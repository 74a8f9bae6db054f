//! The programs of docs/clients.md get tokens, in the languages that the gate has at hand.

mod support;

use std::fs;
use std::process::{Command, Output};

use support::daemon::Daemon;
use support::deployment;

const PAGE: &str = include_str!("../docs/clients.md");

/// A section's heading, the name of its program, and what runs it.
const RUN: [(&str, &str, &[&str]); 4] = [
    ("Shell", "token.sh", &["sh"]),
    ("JavaScript", "token.mjs", &["node"]),
    ("Python", "token.py", &["python3"]),
    ("Go", "token.go", &["go", "run"]),
];
/// The page says of these that no test runs them.
const NOT_RUN: [&str; 6] = ["Java", "Kotlin", "Ruby", "PHP", "C#", "Swift"];

fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGE.split("\n## ").skip(1).map(|section| section.split_once('\n').expect("a heading"))
}

/// The program in a section.
fn program(section: &str) -> &str {
    let (_, fenced) = section.split_once("```").expect("a program");
    let (_, program) = fenced.split_once('\n').expect("its language");
    program.split_once("\n```").expect("its end").0
}

#[test]
fn each_program_gets_a_token_and_is_told_why_it_gets_none() {
    let mut daemon = Daemon::start(&deployment::config_on(
        "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n",
        "both",
        deployment::QUICK_RULES,
    ));
    daemon.init("apps");
    daemon.wait_until_ready();
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, text: &str, command: &[&str]| -> Output {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a program is written");
        let mut program = Command::new(command[0]);
        program.args(&command[1..]).arg(&path).env("LIVEKIT_KEYD_SOCKET", daemon.sign().path());
        program.output().expect("it starts")
    };
    for (heading, name, command) in RUN {
        let (_, section) = sections().find(|(known, _)| *known == heading).expect("a section");
        let program = program(section);
        let minted = run(name, program, command);
        let (said, mistakes) = (text(&minted.stdout), text(&minted.stderr));
        assert!(minted.status.success() && said.contains("eyJ"), "{heading}: {said}{mistakes}");
        let refused = run(name, &program.replace("\"alice\"", "\"\"").replace("'alice'", "''"), command);
        let said = text(&refused.stdout) + &text(&refused.stderr);
        assert!(!refused.status.success() && said.contains("`identity` is empty"), "{heading}: {said}");
    }
}

#[test]
fn every_program_is_run_or_said_not_to_be() {
    let known: Vec<_> = RUN.iter().map(|(heading, ..)| *heading).chain(NOT_RUN).collect();
    let mut shown: Vec<_> = sections().map(|(heading, _)| heading).collect();
    shown.sort_by_key(|heading| known.iter().position(|one| one == heading));
    assert_eq!(shown, known);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
