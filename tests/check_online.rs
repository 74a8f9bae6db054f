//! `check --online` on real servers: what is well passes, what is wrong is named, and nothing is changed.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::livekit::LiveKit;
use support::openbao::OpenBao;
use support::{policies, port};

/// The policies that are printed for a configuration, and a token with some of them in its place.
fn give_token(bao: &OpenBao, daemon: &Daemon, names: &[&str]) {
    let request = json!({"policies": names, "no_default_policy": true});
    let made = bao.succeed("POST", "auth/token/create", &request);
    let token = made["auth"]["client_token"].as_str().expect("a token");
    fs::write(daemon.folder().join("token"), token).expect("the token is written");
}

fn put_policies(bao: &OpenBao) {
    let folder = tempfile::tempdir().expect("a folder");
    policies::put(bao, folder.path(), &deployment::config(bao, "rotator", QUICK_RULES), &[], &json!({}));
}

fn check(daemon: &Daemon, more: &[&str]) -> Output {
    let config = daemon.config();
    let config = config.to_str().expect("a path is text");
    daemon.run(&[&["check", "--config", config, "--online"], more].concat())
}

/// The exit code, and what was tried with its verdict and its sentence.
fn tried(daemon: &Daemon, more: &[&str]) -> (Option<i32>, BTreeMap<String, (String, String)>) {
    let output = check(daemon, &[&["--json"], more].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let told = String::from_utf8_lossy(&output.stdout);
        unexpected(&format!("{error}: {told}{errors}"))
    });
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let outcomes = answer["online"].as_array().expect("what was tried").iter();
    let outcomes = outcomes.map(|one| (text(&one["what"]), (text(&one["verdict"]), text(&one["why"]))));
    (output.status.code(), outcomes.collect())
}

#[expect(clippy::panic, reason = "the test's own failure")]
fn unexpected(what: &str) -> ! {
    panic!("{what}")
}

#[track_caller]
fn assert_says(tried: &BTreeMap<String, (String, String)>, what: &str, verdict: &str, part: &str) {
    let found = tried.get(what);
    let good = found.is_some_and(|(found, why)| found == verdict && why.contains(part));
    assert!(good, "{what} should be {verdict} and say `{part}`: {tried:#?}");
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => all.extend(files(&path)),
            false => drop(all.insert(path.display().to_string(), fs::read(&path).unwrap_or_default())),
        }
    }
    all
}

/// The metadata of every path, which has the version and the time of each write.
fn metadata(bao: &OpenBao, folder: &str) -> Vec<Value> {
    let listed = bao.call("LIST", &format!("secret/metadata/{folder}"), &Value::Null).json();
    let names = listed["data"]["keys"].as_array().cloned().unwrap_or_default();
    let paths = names.iter().map(|name| format!("{folder}{}", name.as_str().expect("a name")));
    paths
        .flat_map(|path| match path.ends_with('/') {
            true => metadata(bao, &path),
            false => {
                vec![bao.succeed("GET", &format!("secret/metadata/{path}"), &Value::Null)["data"].clone()]
            }
        })
        .collect()
}

fn asking(daemon: &Daemon, bao: &OpenBao, nodes: &[&str], more: &str) {
    let nodes = format!("nodes = {nodes:?}\nprobe_timeout = \"2s\"");
    let config = deployment::config(bao, "rotator", QUICK_RULES).replace("proof = \"disabled\"", &nodes);
    daemon.write_config(&format!("{config}{more}"));
}

/// A rotator that ran until it was steady, and has ended.
fn steady(bao: &OpenBao) -> Daemon {
    let mut daemon = deployment::start(bao, "rotator", QUICK_RULES);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    daemon.terminate();
    daemon
}

#[test]
fn a_rotator_that_has_all_it_needs_passes_and_nothing_is_changed() {
    let bao = OpenBao::start();
    put_policies(&bao);
    let daemon = steady(&bao);
    let livekit = LiveKit::start(&deployment::key_file(&daemon));
    asking(&daemon, &bao, &[&livekit.url()], "");
    give_token(&bao, &daemon, &["livekit-keyd-rotator"]);
    let before = (files(daemon.folder()), metadata(&bao, "livekit/"));
    assert!(before.1.len() >= 4, "document, standbys and nodes: {:?}", before.1);

    let (code, all) = tried(&daemon, &[]);
    assert_eq!(code, Some(0), "{all:#?}");
    assert!(all.values().all(|(verdict, _)| verdict == "pass"), "{all:#?}");
    assert_says(&all, "login", "pass", &bao.address());
    assert_says(&all, "clock", "pass", "agree");
    assert_says(&all, "permissions", "pass", "all that a rotator does");
    assert_says(&all, "document of keyset `apps`", "pass", "livekit/apps is readable and believed");
    assert_says(&all, "publication in the store", "pass", "has 3 keys");
    let key_file = deployment::key_file(&daemon);
    assert_says(&all, &format!("publisher `{}`", key_file.display()), "pass", "could be replaced");
    assert_says(&all, &format!("node {}", livekit.url()), "pass", "knows all 3 published keys");
    assert_says(&all, "admin socket", "pass", "can be written in");
    let after = files(daemon.folder());
    // By name: what they hold is secret.
    let names = before.0.keys().chain(after.keys());
    let changed: Vec<_> = names.filter(|name| before.0.get(*name) != after.get(*name)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
    assert_eq!(metadata(&bao, "livekit/"), before.1, "nothing in the store was changed");

    let page = check(&daemon, &[]);
    let page = String::from_utf8_lossy(&page.stdout);
    assert!(page.contains("no mistakes") && page.contains("pass permissions\n"), "{page}");
    let secrets = deployment::keys(&daemon);
    assert!(secrets.values().all(|secret| !page.contains(secret)), "a secret on the page");
}

#[test]
fn a_signers_rights_are_compared_with_what_it_needs() {
    let bao = OpenBao::start();
    put_policies(&bao);
    let rotator = steady(&bao);
    drop(rotator);
    let daemon = Daemon::new(&deployment::config(&bao, "signer", QUICK_RULES));
    give_token(&bao, &daemon, &["livekit-keyd-signer"]);
    let (code, all) = tried(&daemon, &[]);
    assert_eq!(code, Some(0), "{all:#?}");
    assert!(all.values().all(|(verdict, _)| verdict == "pass"), "{all:#?}");
    assert_says(&all, "permissions", "pass", "all that a signer does");

    give_token(&bao, &daemon, &["livekit-keyd-rotator"]);
    let (code, all) = tried(&daemon, &["--strict"]);
    assert_eq!(code, Some(3), "{all:#?}");
    assert_says(&all, "permissions", "pass", "");
    assert_says(&all, "least privilege", "warn", "create, update secret/data/livekit/apps;");
    assert_says(&all, "least privilege", "warn", "list secret/metadata/livekit/apps/standby");

    let narrow = "path \"sys/capabilities-self\" { capabilities = [\"update\"] }\npath \"auth/token/lookup-self\" { capabilities = [\"read\"] }";
    bao.succeed("PUT", "sys/policies/acl/narrow", &json!({ "policy": narrow }));
    give_token(&bao, &daemon, &["narrow"]);
    let (code, all) = tried(&daemon, &[]);
    assert_eq!(code, Some(1), "{all:#?}");
    assert_says(
        &all,
        "permissions",
        "fail",
        "may not update auth/token/renew-self; read secret/data/livekit/apps",
    );
    assert_says(&all, "document of keyset `apps`", "fail", "it answers 403");

    fs::write(daemon.folder().join("token"), "s.unknown").expect("a token");
    let (code, all) = tried(&daemon, &[]);
    assert_eq!(code, Some(1), "{all:#?}");
    assert_says(&all, "login", "fail", "deliver a new one");
    assert!(!all.contains_key("permissions"), "{all:#?}");
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let bao = OpenBao::start();
    let daemon = steady(&bao);
    let old = daemon.folder().join("old.yaml");
    fs::write(&old, format!("APIold: {}\n", "s".repeat(43))).expect("an old file");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).expect("a mode");
    let livekit = LiveKit::start(&old);
    let silent = format!("http://127.0.0.1:{}", port::free());
    let nothing = "dns:no..such.name:7880";
    fs::write(daemon.folder().join("bring"), "").expect("a file that is no program");
    let more = "[[publish]]\nkind = \"command\"\nname = \"brought\"\npublish = [\"./bring\"]\n\
                [[publish]]\nkind = \"command\"\nname = \"missing\"\npublish = [\"no-such-program\"]\n\
                [[publish]]\nkind = \"key_file\"\nname = \"elsewhere\"\npath = \"{dir}/nowhere/keys.yaml\"\n";
    asking(&daemon, &bao, &[&livekit.url(), &silent, nothing], more);
    let (code, all) = tried(&daemon, &[]);
    assert_eq!(code, Some(1), "{all:#?}");
    assert_says(&all, "permissions", "warn", "root");
    assert_says(&all, &format!("node {}", livekit.url()), "fail", "tokens of today's key are refused there");
    assert_says(&all, &format!("node {silent}"), "fail", "it does not answer");
    assert_says(&all, &format!("node name {nothing}"), "fail", "nothing is proven");
    assert_says(&all, "publisher `brought`", "fail", "may not be executed");
    assert_says(&all, "publisher `missing`", "fail", "the command `no-such-program` is not there");
    assert_says(&all, "publisher `elsewhere`", "fail", "create it");
    assert!(!daemon.folder().join("nowhere").exists());
}

#[test]
fn a_wrapped_secret_id_is_left_alone() {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    bao.succeed("POST", "auth/approle/role/keyd", &json!({}));
    let path = "auth/approle/role/keyd/secret-id";
    let login = format!(
        "method = \"approle\"\nrole_id_file_path = \"{{dir}}/role-id\"\nsecret_id_file_path = \"{{dir}}/secret-id\"\n\
         secret_id_response_wrapping_path = \"{path}\"\n"
    );
    let token = "method = \"token_file\"\ntoken_file_path = \"{dir}/token\"\n";
    let config = deployment::config(&bao, "rotator", QUICK_RULES).replace(token, &login);
    assert!(config.contains("wrapping"), "{config}");
    let missing = config.replace("{dir}/keys.yaml", "{dir}/nowhere/keys.yaml");
    let daemon = Daemon::new(&missing);
    let wrapped = bao.wrapped("POST", path, &json!({}), "60s");
    for (name, text) in [("role-id", "any"), ("secret-id", &wrapped)] {
        fs::write(daemon.folder().join(name), text).expect("a credential");
    }
    let (code, all) = tried(&daemon, &[]);
    assert_says(&all, "login", "warn", "which works once");
    let publisher = format!("publisher `{}`", daemon.folder().join("nowhere/keys.yaml").display());
    assert_says(&all, &publisher, "fail", "create it");
    assert_eq!(code, Some(1), "what needs no store is tried all the same: {all:#?}");
    bao.succeed("POST", "sys/wrapping/lookup", &json!({ "token": wrapped }));
}

#[test]
fn a_folder_as_the_store_is_not_made_by_looking_at_it() {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let daemon = Daemon::new(&deployment::config_on(store, "both", QUICK_RULES));
    let (code, all) = tried(&daemon, &[]);
    assert_eq!(code, Some(1), "{all:#?}");
    assert_says(&all, "login", "fail", "cannot open the store");
    assert!(!daemon.folder().join("store").exists(), "it was made");
}
