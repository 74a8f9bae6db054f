//! Reads `cases.md`.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

/// A process's user and groups.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

impl Who {
    /// The primary group, then the others.
    pub(crate) fn gids(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.gid).chain(self.groups.iter().copied())
    }
}

/// What a row expects.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// 201
    Token { caller: String, says: Value },
    /// Anything else.
    Refusal { status: u16, pointer: String, says: String },
}

/// A row.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) rule: String,
    pub(crate) who: Who,
    pub(crate) asks: String,
    pub(crate) gets: Expected,
}

impl Case {
    pub(crate) fn is_about_ttl(&self) -> bool {
        self.rule == "ttl"
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} asks for {} (rule {})", self.who.name, self.asks, self.rule)
    }
}

/// The cells of each row below a heading of that first cell.
fn rows<'a>(text: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let mut rows = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ") else {
            within = false;
            continue;
        };
        let cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
        if cells[0] == heading {
            within = true;
        } else if within && !cells[0].starts_with("---") {
            rows.push(cells);
        }
    }
    rows
}

fn number(cell: &str) -> u32 {
    cell.parse().unwrap_or_else(|_| panic!("`{cell}` is no number"))
}

fn who(cells: &[&str]) -> Who {
    let [name, uid, gid, groups] = cells else { panic!("four cells: {cells:?}") };
    let groups = groups.trim_end_matches('|').split_whitespace().map(number).collect();
    Who { name: (*name).to_owned(), uid: number(uid), gid: number(gid), groups }
}

fn expected(cell: &str) -> Expected {
    let mut words = cell.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_else(|| panic!("three parts: {cell}"));
    match (next(), next(), next()) {
        ("201", caller, says) => Expected::Token {
            caller: caller.to_owned(),
            says: serde_json::from_str(says).unwrap_or_else(|error| panic!("{says}: {error}")),
        },
        (status, pointer, says) => Expected::Refusal {
            status: status.parse().unwrap_or_else(|_| panic!("a status: {cell}")),
            pointer: if pointer == "-" { String::new() } else { pointer.to_owned() },
            says: says.to_owned(),
        },
    }
}

/// All rows.
pub(crate) fn read(text: &str) -> Vec<Case> {
    let people: HashMap<String, Who> =
        rows(text, "who").iter().map(|cells| (cells[0].to_owned(), who(cells))).collect();
    let case = |cells: Vec<&str>| {
        let [rule, name, asks, gets] = cells[..] else { panic!("four cells: {cells:?}") };
        let who = people.get(name).unwrap_or_else(|| panic!("nobody is called `{name}`")).clone();
        Case { rule: rule.to_owned(), who, asks: asks.trim_matches('`').to_owned(), gets: expected(gets) }
    };
    rows(text, "rule").into_iter().map(case).collect()
}
