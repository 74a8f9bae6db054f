//! What the sockets say of themselves, against the files, the manual, and what they do.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use livekit_keyd::api::problem_type::{ALL, PREFIX};
use serde_json::Value;
use support::daemon::Daemon;
use support::deployment::{RULES, config_on};
use support::http;
use support::socket::Socket;

fn daemon() -> Daemon {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    Daemon::start(&config_on(store, "both", RULES))
}

/// `make openapi` sets the variable: then the files are written instead.
fn assert_is_file(socket: &Socket, name: &str) {
    let served = socket.send(&http::request("GET", "/openapi.json", &[], b"")).expect("an answer");
    assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi").join(name);
    if std::env::var_os("LIVEKIT_KEYD_WRITE_OPENAPI").is_some() {
        return fs::write(&file, &served.body).expect("the file is written");
    }
    let kept = fs::read_to_string(&file).expect("the file is there");
    assert!(served.text() == kept, "docs/openapi/{name} is not what is served: run `make openapi`");
}

#[test]
fn the_files_are_what_is_served() {
    let daemon = daemon();
    assert_is_file(&daemon.sign(), "signing.json");
    assert_is_file(&daemon.admin(), "admin.json");
}

fn document(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi").join(name);
    serde_json::from_slice(&fs::read(file).expect("the file is there")).expect("JSON")
}

fn paths(document: &Value) -> BTreeSet<String> {
    document["paths"].as_object().expect("paths").keys().cloned().collect()
}

#[test]
fn every_path_is_served_and_every_served_path_described() {
    let daemon = daemon();
    let (signing, admin) = (document("signing.json"), document("admin.json"));
    for (socket, document) in [(daemon.sign(), &signing), (daemon.admin(), &admin)] {
        for path in paths(document) {
            let real = path.replace("{keyset}", "apps").replace("{key}", "k").replace("{node}", "n");
            let answer = socket.send(&http::request("DELETE", &real, &[], b"")).expect("an answer");
            let allowed = answer.header("allow").map(str::to_lowercase);
            assert_eq!(answer.status, 405, "{path}");
            let described = document["paths"][&path].as_object().expect("methods").keys().next();
            assert_eq!(allowed.as_ref(), described, "{path}");
        }
    }
    let (_, nowhere) = daemon.sign().get("/nowhere");
    let told = nowhere["detail"].as_str().expect("a sentence").split("there is /").last().expect("a list");
    let told: BTreeSet<String> = format!("/{told}")
        .split([' ', ','])
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect();
    assert_eq!(told, paths(&signing));
}

#[test]
fn every_problem_type_has_its_section_and_its_place_in_a_document() {
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/problems.md"));
    let manual = manual.expect("the manual");
    let sections = manual.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    let sections: Vec<_> = sections.collect();
    let known: Vec<_> = ALL.iter().map(|known| known.name).collect();
    let set = |names: &[&'static str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(sections.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), set(&known));
    assert_eq!(sections.len(), known.len(), "a section is there twice");
    let documents = format!("{}{}", document("signing.json"), document("admin.json"));
    for name in &known {
        // What is said of other methods than those that a document has is in none.
        let is_there = documents.contains(&format!("\"{PREFIX}{name}\""));
        assert_eq!(is_there, *name != "method", "{name}");
    }
}

#[test]
fn every_denial_in_the_code_is_a_listed_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rules = BTreeSet::new();
    for folder in ["src", "core/src"] {
        collect_rules(&root.join(folder), &mut rules);
    }
    assert!(rules.contains("allowed_rooms") && rules.contains("issuer.rule"), "{rules:?}");
    for rule in rules {
        assert!(ALL.iter().any(|known| known.name == format!("denied:{rule}")), "{rule} is not listed");
    }
}

fn collect_rules(folder: &Path, rules: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect_rules(&path, rules);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        let named = text.split("denied(\"").skip(1).filter_map(|rest| rest.split('"').next());
        rules.extend(named.map(str::to_owned));
    }
}
