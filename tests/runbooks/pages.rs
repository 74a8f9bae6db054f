//! What the pages have to know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use livekit_keyd::runbook;
use livekit_keyd_core::plan::AlarmKind;

const ALERTS: &str = include_str!("../../monitoring/alerts.yaml");

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &Path, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            let text = fs::read_to_string(&path).expect("text");
            found.push((path, text));
        }
    }
    found
}

/// The pages by their names.
pub(crate) fn pages() -> BTreeMap<String, String> {
    let name = |path: PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    files(&in_project("docs/runbooks"), "md").into_iter().map(|(path, text)| (name(path), text)).collect()
}

/// The sections of a page: heading and text.
fn sections(page: &str) -> Vec<(&str, &str)> {
    page.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

/// Kinds that the daemon's own sources find, beside those of the plan.
fn found_in_sources() -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for (_, text) in files(&in_project("src"), "rs") {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        // Both of `kind: "A"` and of `kind: if .. { "A" } else { "B" }`.
        let lines = text.lines().filter(|line| line.contains("kind: ") || line.contains("let kind = "));
        for word in lines.flat_map(|line| line.split('"').skip(1).step_by(2)) {
            if word.starts_with(|c: char| c.is_ascii_uppercase()) {
                kinds.insert(word.to_owned());
            }
        }
    }
    kinds
}

fn kinds() -> BTreeSet<String> {
    let planned = AlarmKind::ALL.map(|kind| kind.as_str().to_owned());
    found_in_sources().into_iter().chain(planned).collect()
}

#[test]
fn every_condition_has_its_section() {
    let pages = pages();
    let known: BTreeSet<String> =
        runbook::PAGES.iter().flat_map(|(_, kinds)| kinds.iter().map(|kind| (*kind).to_owned())).collect();
    assert_eq!(known, kinds(), "those that there is a page for, and those that the daemon finds");
    for (page, kinds) in runbook::PAGES {
        for kind in kinds {
            let section = sections(&pages[page]).into_iter().find(|(heading, _)| heading == kind);
            let (_, text) = section.unwrap_or_else(|| panic!("{page} has no section {kind}"));
            for part in ["**Means.**", "**Still works.**", "**Look at", "**Gone"] {
                assert!(text.contains(part), "{page}, {kind}: {part} is missing");
            }
            assert!(text.contains("**Mend.**") || text.contains("/ Mend.**"), "{page}, {kind}: no remedy");
        }
    }
    assert_eq!(runbook::section("NodeSilent").as_deref(), Some("docs/runbooks/nodes.md#nodesilent"));
    assert_eq!(runbook::section("Unheard"), None);
}

#[test]
fn every_alert_has_its_section_and_every_link_leads_somewhere() {
    let pages = pages();
    let leads = |from: &str, link: &str| {
        let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
        let page = if page.is_empty() { from } else { page };
        match pages.get(page) {
            Some(text) => {
                anchor.is_empty()
                    || sections(text).iter().any(|(heading, _)| heading.to_ascii_lowercase() == anchor)
            }
            None => in_project("docs/runbooks").join(page).exists(),
        }
    };
    for (name, text) in &pages {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(leads(name, link), "{name}: {link} leads nowhere");
        }
    }
    let index = &pages["README.md"];
    let mut alert = "";
    for line in ALERTS.lines().map(str::trim) {
        alert = line.strip_prefix("- alert: ").unwrap_or(alert);
        if let Some(url) = line.strip_prefix("runbook_url: docs/runbooks/") {
            assert!(leads("", url), "{alert}: {url} leads nowhere");
            let listed =
                index.lines().any(|line| line.contains(&format!("| {alert} |")) && line.contains(url));
            assert!(listed, "{alert} with {url} in the index");
        }
    }
    for name in pages.keys().filter(|name| *name != "README.md") {
        assert!(index.contains(&format!("({name}")), "{name} is in the index");
    }
    for kind in kinds() {
        assert!(index.contains(&kind), "{kind} is in the index");
    }
}
