//! What docs/security.md promises is shown by tests that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DOCUMENT: &str = include_str!("../docs/security.md");

/// Every `file::test` that a text names.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|quoted| quoted.split_once(".rs::"))
}

/// Whether a file of the tree has a test of that name.
fn is_there(file: &str, test: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{file}.rs"));
    let text = fs::read_to_string(path).unwrap_or_default();
    let head = format!("fn {test}(");
    let mut before = text
        .lines()
        .take_while(|line| {
            let line = line.trim_start();
            !line.strip_prefix("async ").unwrap_or(line).starts_with(&head)
        })
        .collect::<Vec<_>>();
    if before.len() == text.lines().count() {
        return false;
    }
    while let Some(line) = before.pop().map(str::trim) {
        match line {
            line if line.starts_with("#[test") || line.starts_with("#[tokio::test") => return true,
            line if line.starts_with('#') || line.starts_with("//") => {}
            _ => return false,
        }
    }
    false
}

#[test]
fn every_test_that_the_document_names_is_in_the_tree() {
    assert!(is_there("tests/security", "every_test_that_the_document_names_is_in_the_tree"));
    assert!(!is_there("tests/security", "is_there"), "a function is no test");
    assert!(!is_there("tests/security", "nobody_wrote_this"));
    let all: BTreeSet<_> = named(DOCUMENT).collect();
    assert!(all.len() > 50, "{} tests are named", all.len());
    let missing: Vec<_> = all.iter().filter(|(file, test)| !is_there(file, test)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_threat_has_a_number_a_mitigation_and_a_test() {
    let (_, threats) = DOCUMENT.split_once("\n## Threats\n").expect("a section");
    let (threats, _) = threats.split_once("\n## ").expect("another section behind it");
    let threats: Vec<_> = threats.split("\n### ").skip(1).collect();
    assert!(threats.len() >= 15, "{} threats", threats.len());
    for (index, threat) in threats.iter().enumerate() {
        let title = threat.lines().next().unwrap_or_default();
        assert!(title.starts_with(&format!("{}. ", index + 1)), "number {} is: {title}", index + 1);
        let (said, shown) = threat.split_once("\nShown by ").unwrap_or_default();
        assert!(said.lines().count() > 1, "{title}: no mitigation");
        assert!(named(shown).next().is_some(), "{title}: no test");
    }
}

#[test]
fn every_attack_has_a_test() {
    let rows = rows("Attacks");
    assert!(rows.len() >= 20, "{} attacks", rows.len());
    for [attack, _, shown] in rows {
        assert!(named(&shown).next().is_some(), "{attack}: no test");
    }
}

/// The three cells of each row of a section's table.
fn rows(section: &str) -> Vec<[String; 3]> {
    let (_, rest) = DOCUMENT.split_once(&format!("\n## {section}\n")).expect("a section");
    let (table, _) = rest.split_once("\n## ").expect("another section behind it");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
        let cells = <[String; 3]>::try_from(cells.collect::<Vec<_>>()).expect("three cells");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{row}");
        cells
    })
    .collect()
}

#[test]
fn every_rule_of_good_practice_says_what_is_left_to_the_user() {
    assert!(rows("Good practice").len() >= 10);
}
