//! A daemon on a real OpenBao with durations that a test can wait for, and what it keeps there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::eventually::{PATIENCE, eventually};
use super::openbao::OpenBao;

/// A rotation's durations: the shortest that leave LiveKit the time to restart.
pub(crate) const RULES: &str = "\
    max_token_ttl = \"3s\"\n\
    clock_skew = \"200ms\"\n\
    refresh_interval = \"500ms\"\n\
    overlap = \"5s\"\n\
    activation_lead = \"2s\"\n\
    publish_delay = \"5s\"\n";

/// The shortest that the configuration takes: a rotation lasts two seconds.
pub(crate) const QUICK_RULES: &str = "\
    max_token_ttl = \"1s\"\n\
    clock_skew = \"50ms\"\n\
    refresh_interval = \"100ms\"\n\
    overlap = \"1300ms\"\n\
    activation_lead = \"200ms\"\n\
    publish_delay = \"100ms\"\n";

/// A daemon by itself: its store and its key file in `{dir}`, and a keyset `default` that can sign soon.
pub(crate) const ALONE: &str = r#"
role = "both"
livekit.proof = "disabled"
[store]
kind = "file"
file.dir = "{dir}/store"
[[keyset]]
name = "default"
publish_delay = "0s"
rotation_period = "168h"
[[publish]]
kind = "key_file"
path = "{dir}/keys.yaml"
"#;

/// A configuration of keyset `apps` in OpenBao, whose token lies in `{dir}/token`.
pub(crate) fn config(bao: &OpenBao, role: &str, rules: &str) -> String {
    let store = format!(
        "[store]\nkind = \"vault\"\n[store.vault]\naddress = \"{}\"\nmount = \"secret\"\n\
         [store.vault.auth]\nmethod = \"token_file\"\ntoken_file_path = \"{{dir}}/token\"\n",
        bao.address(),
    );
    config_on(&store, role, rules)
}

/// As [`config`], with the sections of another store.
pub(crate) fn config_on(store: &str, role: &str, rules: &str) -> String {
    let publish = "[[publish]]\nkind = \"key_file\"\npath = \"{dir}/keys.yaml\"\nmode = \"0600\"\n";
    let publish = if role == "signer" { "" } else { publish };
    let caller = "[[caller]]\nname = \"test\"\nuid = UID\nkeyset = \"apps\"\nallowed_rooms = [\"*\"]\nallowed_identities = [\"*\"]\nallowed_grants = [\"*\"]\n";
    let caller = if role == "rotator" { "" } else { caller };
    format!(
        "role = \"{role}\"\n\
         [livekit]\nproof = \"disabled\"\n\
         {store}\
         [[keyset]]\nname = \"apps\"\npath = \"livekit/apps\"\n{rules}\n{publish}{}",
        caller.replace("UID", &rustix::process::getuid().as_raw().to_string()),
    )
}

/// A daemon with that configuration, its token in place, started.
pub(crate) fn start(bao: &OpenBao, role: &str, rules: &str) -> Daemon {
    let mut daemon = with_token(bao, &config(bao, role, rules));
    daemon.start_again();
    daemon
}

/// A daemon with its token in place, not started.
pub(crate) fn with_token(bao: &OpenBao, config: &str) -> Daemon {
    let daemon = Daemon::new(config);
    fs::write(daemon.folder().join("token"), bao.token()).expect("the token is written");
    daemon
}

/// Where it publishes its keys.
pub(crate) fn key_file(daemon: &Daemon) -> PathBuf {
    daemon.folder().join("keys.yaml")
}

/// The ids and secrets in its key file.
pub(crate) fn keys(daemon: &Daemon) -> BTreeMap<String, String> {
    keys_in(&key_file(daemon))
}

/// The ids and secrets in a key file.
pub(crate) fn keys_in(key_file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(key_file).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (id, secret) = line.split_once(": ")?;
        Some((id.trim_matches('"').to_owned(), secret.trim_matches('"').to_owned()))
    };
    lines.filter_map(pair).collect()
}

/// The keyset as the daemon's status has it.
pub(crate) fn keyset(daemon: &Daemon) -> Value {
    daemon.admin().get("/v1/status").1["keysets"][0].clone()
}

/// Waits until one key signs, two proven ones stand by, and nothing is left over.
pub(crate) fn wait_until_steady(daemon: &Daemon) {
    eventually(PATIENCE, "the keyset is steady", || {
        let keyset = keyset(daemon);
        let phases = &keyset["phases"];
        let none = |phase: &str| phases[phase].as_u64().unwrap_or(0) == 0;
        let keys = keyset["keys"].as_array().cloned().unwrap_or_default();
        let proven = keys.iter().filter(|key| key["phase"] == "standby" && !key["proven_at"].is_null());
        phases["active"] == 1
            && proven.count() == 2
            && none("scheduled")
            && none("retiring")
            && none("retired")
    });
}

/// The id of the key that signs now.
pub(crate) fn active(daemon: &Daemon) -> Option<String> {
    let keyset = keyset(daemon);
    let active =
        keyset["keys"].as_array()?.iter().find(|key| key["phase"] == "active")?["id"].as_str()?.to_owned();
    Some(active)
}

/// The id of a key that stands by.
pub(crate) fn standby(daemon: &Daemon) -> String {
    let keyset = keyset(daemon);
    let mut keys = keyset["keys"].as_array().expect("keys").iter();
    let standby = keys.find(|key| key["phase"] == "standby").expect("a standby");
    standby["id"].as_str().expect("an id").to_owned()
}

/// A token that may join, as the signing socket answers it.
pub(crate) fn mint(daemon: &Daemon) -> (u16, Value) {
    let request = json!({"identity": "alice", "room": "demo", "grants": {"video": {"roomJoin": true}}});
    daemon.sign().post("/v1/tokens", &request)
}

/// Everything that OpenBao still gives of every version of every path below `livekit/`, as text.
pub(crate) fn all_versions(bao: &OpenBao) -> String {
    let mut text = String::new();
    let mut folders = vec!["livekit/".to_owned()];
    while let Some(folder) = folders.pop() {
        let listed = bao.call("LIST", &format!("secret/metadata/{folder}"), &Value::Null).json();
        for name in listed["data"]["keys"].as_array().cloned().unwrap_or_default() {
            let path = format!("{folder}{}", name.as_str().expect("a name"));
            if path.ends_with('/') {
                folders.push(path);
                continue;
            }
            let metadata = bao.call("GET", &format!("secret/metadata/{path}"), &Value::Null);
            // Removed since it was listed, by a daemon that is running.
            if metadata.status == 404 {
                continue;
            }
            for version in metadata.json()["data"]["versions"].as_object().expect("versions").keys() {
                let read = bao.call("GET", &format!("secret/data/{path}?version={version}"), &Value::Null);
                text.push_str(&read.text());
            }
        }
    }
    text
}
