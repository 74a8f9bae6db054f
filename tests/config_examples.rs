//! The shipped examples and the reference are true and complete: both are held against what the program asks for.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use livekit_keyd::config::Config;
use livekit_keyd::config::review::{Verdict, review};
use proptest::prelude::*;
use proptest::sample::Index;

const EXAMPLES: [&str; 4] = ["access.toml", "both.toml", "rotator.toml", "signer.toml"];
/// Ways to log in that no example takes.
const OTHER_LOGINS: [&str; 4] = ["token", "kubernetes", "jwt", "cert"];
/// Ways to publish that no example takes.
const OTHER_PUBLISHERS: &str =
    "role = \"rotator\"\n[[publish]]\nkind = \"command\"\n[[publish]]\nkind = \"kubernetes_secret\"";

/// Keys that no example has others make.
const KEYS_OF_OTHERS: &str = "role = \"both\"\n[[keyset]]\nmode = \"external\"";

fn file(path: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

fn examples() -> impl Iterator<Item = (PathBuf, String)> {
    EXAMPLES.into_iter().map(|name| file(&format!("config/{name}")))
}

/// Every setting there is, with what applies when it is left out.
fn settings() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let logins = OTHER_LOGINS.map(|method| {
        format!("role = \"signer\"\nstore.kind = \"vault\"\nstore.vault.auth.method = \"{method}\"")
    });
    let others = logins
        .into_iter()
        .chain([OTHER_PUBLISHERS, KEYS_OF_OTHERS].map(str::to_owned))
        .map(|text| (PathBuf::new(), text));
    for (setting, default) in examples().chain(others).flat_map(|(path, text)| Config::settings(&text, &path))
    {
        // `proof` is asked of rotators only, and a command must be named where a file need not be.
        let known: &mut String = all.entry(setting).or_insert_with(|| default.clone());
        if default == "required" {
            *known = default;
        }
    }
    assert!(all.len() > 80, "{all:?}");
    all
}

#[test]
fn the_examples_have_no_mistakes_and_no_surprising_warnings() {
    let expected = [
        // Whoever lists rooms sees all of them.
        ("access.toml", &["least privilege"][..]),
        ("both.toml", &["storage"]),
        ("rotator.toml", &[]),
        ("signer.toml", &[]),
    ];
    for (name, warned) in expected {
        let (path, text) = file(&format!("config/{name}"));
        let config = Config::parse(&text, &path).unwrap_or_else(|errors| panic!("{errors}"));
        let findings = review(&config);
        let warnings: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Warn).collect();
        let whats: Vec<_> = warnings.iter().map(|finding| finding.what).collect();
        assert_eq!(whats, warned, "{name}: {warnings:#?}");
    }
}

/// A default is shown behind `#` without a space.
fn without_mark(line: &str) -> &str {
    let setting = line.strip_prefix('#').filter(|rest| rest.starts_with(char::is_alphabetic));
    setting.unwrap_or(line)
}

#[test]
fn what_the_examples_show_as_a_default_is_the_default() {
    for (path, text) in examples() {
        let written_out: Vec<&str> = text.lines().map(without_mark).collect();
        let written_out = written_out.join("\n");
        assert!(written_out.lines().ne(text.lines()), "{} shows a default", path.display());
        let parse = |text: &str| Config::parse(text, &path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(parse(&written_out), parse(&text), "{}", path.display());
    }
}

#[test]
fn every_setting_is_shown_in_an_example() {
    let texts: String = examples().map(|(_, text)| text).collect();
    let is_shown = |name: &str| {
        let mut words = texts.lines().map(|line| line.trim_start_matches(['#', ' ', '[']));
        words.any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(" =")))
            || texts.contains(&format!("[profile.{name}]"))
            || texts.lines().any(|line| line.starts_with("#   sip, ") && line.contains(name))
    };
    for setting in settings().keys() {
        let name = setting.rsplit('.').next().unwrap_or_default();
        assert!(is_shown(name), "no example shows {setting}");
    }
}

/// Rows of the reference: the setting with its section, and the default column.
fn reference() -> BTreeMap<String, String> {
    let (_, text) = file("docs/configuration.md");
    let mut section = String::new();
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let named = heading.trim_matches('`');
            section = match (named.strip_prefix("[["), named.strip_prefix('[')) {
                (Some(list), _) => format!("{}[].", list.trim_end_matches(']').replace('.', "[].")),
                (None, Some(table)) => format!("{}.", table.trim_end_matches(']')),
                (None, None) => String::new(),
            };
        }
        if let Some(row) = line.strip_prefix("| `") {
            let mut cells = row.split(" | ");
            let name = cells.next().expect("a name").trim_end_matches('`');
            let default = cells.next().expect("a default").trim_matches('`');
            let twice = rows.insert(format!("{section}{name}"), default.to_owned());
            assert_eq!(twice, None, "{section}{name}");
        }
    }
    rows
}

#[test]
fn the_reference_has_every_setting_with_its_default_and_no_other() {
    let said = reference();
    let true_ones = settings();
    assert_eq!(said.keys().collect::<Vec<_>>(), true_ones.keys().collect::<Vec<_>>());
    for (setting, default) in &true_ones {
        // Defaults that follow from something else are told in words.
        let words = [
            "keyset[].path",
            "publish[].restart_timeout",
            "caller[].keyset",
            "issuer[].rule[].keyset",
            "store.vault.auth.mount_path",
        ]
        .contains(&setting.as_str());
        let said = &said[setting];
        match default.as_str() {
            "" if words => assert_ne!(said, "–", "{setting}"),
            "" => assert_eq!(said, "–", "{setting}"),
            default => assert_eq!(said, default, "{setting}"),
        }
    }
}

proptest! {
    /// However an example is cut and spliced, it is read or refused with a place, and nothing falls over.
    #[test]
    fn a_mangled_example_is_read_or_refused_with_places(
        which in 0..EXAMPLES.len(),
        cuts in proptest::collection::vec((any::<Index>(), 0..40_usize, "[\\[\\]{}=\"'.,#a-z0-9 \n\u{fc}]{0,6}"), 1..6),
    ) {
        let (path, text) = file(&format!("config/{}", EXAMPLES[which]));
        let mut letters: Vec<char> = text.chars().collect();
        for (place, length, put) in cuts {
            let from = place.index(letters.len());
            let to = letters.len().min(from + length);
            letters.splice(from..to, put.chars());
        }
        let mangled: String = letters.into_iter().collect();
        if let Err(errors) = Config::parse(&mangled, &path) {
            prop_assert!(!errors.problems().is_empty(), "refused for nothing:\n{mangled}");
            let lines = mangled.lines().count() + 1;
            for problem in errors.problems() {
                let place = problem.place.expect("a place");
                prop_assert!((1..=lines).contains(&place.line), "{problem:?}");
                prop_assert!(!problem.sentence.is_empty());
            }
        }
    }
}
