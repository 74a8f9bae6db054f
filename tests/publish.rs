//! What the store holds for nodes and for dependents that read one key, seen by who reads it there.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::UNIX_EPOCH;

use livekit_keyd_core::time::Time;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually, value};
use support::openbao::OpenBao;

const NODES: &str = "secret/data/livekit/deployment/nodes";
const CLIENT: &str = "secret/data/livekit/apps/client";

fn read(bao: &OpenBao, path: &str) -> Value {
    bao.call("GET", path, &Value::Null).json()["data"]["data"].clone()
}

/// Writes as a stranger would that looks first, since a write without check-and-set is refused.
fn overwrite(bao: &OpenBao, path: &str, data: &Value) {
    let blind = bao.call("POST", path, &json!({"data": data}));
    assert_eq!(blind.status, 400, "a blind write of {path} was taken: {}", blind.text());
    eventually(PATIENCE, "a write goes through", || {
        let version = bao.call("GET", path, &Value::Null).json()["data"]["metadata"]["version"].clone();
        bao.call("POST", path, &json!({"data": data, "options": {"cas": version}})).status == 200
    });
}

/// The ids of `keys.yaml` in the store, in its order.
fn ids(bao: &OpenBao) -> Vec<String> {
    let nodes = read(bao, NODES);
    let lines = nodes["keys.yaml"].as_str().unwrap_or_default().lines();
    lines.filter_map(|line| Some(line.split_once(": ")?.0.trim_matches('"').to_owned())).collect()
}

fn key_file_ids(daemon: &Daemon) -> BTreeSet<String> {
    deployment::keys(daemon).into_keys().collect()
}

/// A daemon whose keyset gives dependents a key and notes when they were told.
fn started(bao: &OpenBao) -> Daemon {
    let rules = format!(
        "{QUICK_RULES}publish_client = true\non_change = [\"sh\", \"-c\", \"sleep 0.4; echo $LIVEKIT_KEYD_OPERATION >> {{dir}}/told\"]\n"
    );
    let daemon = deployment::start(bao, "both", &rules);
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    daemon
}

fn told(daemon: &Daemon) -> Vec<String> {
    let text = fs::read_to_string(daemon.folder().join("told")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_node_reads_its_keys_with_a_token_that_may_read_nothing_else() {
    let bao = OpenBao::start();
    let daemon = started(&bao);
    let policy = format!("path \"{NODES}\" {{ capabilities = [\"read\"] }}");
    bao.succeed("PUT", "sys/policies/acl/livekit-node", &json!({"policy": policy}));
    let token = bao.succeed("POST", "auth/token/create", &json!({"policies": ["livekit-node"]}));
    let token = token["auth"]["client_token"].as_str().expect("a token").to_owned();
    let as_node = |path: &str| bao.call_as(&token, "GET", path, &Value::Null);

    let answer = as_node(NODES);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.json()["data"]["data"]["keys.yaml"].as_str().expect("keys.yaml").to_owned();
    let secrets = deployment::keys(&daemon);
    assert_eq!(secrets.len(), 3);
    for (id, secret) in &secrets {
        assert!(text.contains(&format!("\"{id}\": \"{secret}\"")), "{id} is not in it as in the key file");
    }
    for path in ["secret/data/livekit/apps", CLIENT, "secret/metadata/livekit/deployment/nodes"] {
        assert_eq!(as_node(path).status, 403, "{path}");
    }
}

#[test]
fn a_rotation_reaches_nodes_and_dependents_and_leaves_nothing_old() {
    let bao = OpenBao::start();
    let daemon = started(&bao);
    let first = deployment::active(&daemon).expect("an active key");
    let secret = deployment::keys(&daemon)[&first].clone();
    eventually(PATIENCE, "dependents have the first key", || read(&bao, CLIENT)["api_key"] == first);
    assert_eq!(read(&bao, CLIENT)["api_secret"], secret);
    eventually(PATIENCE, "dependents were told", || told(&daemon).len() == 1);

    let (status, answer) = daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{answer}");
    let next = answer["key_id"].as_str().expect("the next key").to_owned();
    assert_ne!(next, first);
    let gone = || {
        let nodes = ids(&bao);
        // Looked at in this order: a key leaves the nodes only long after dependents had its successor.
        let client = read(&bao, CLIENT);
        assert!(nodes.contains(&first) || client["api_key"] == next, "{client}");
        !nodes.is_empty() && !nodes.contains(&first)
    };
    eventually(PATIENCE, "the first key leaves the nodes", gone);
    let dated: Time = read(&bao, CLIENT)["changed_at"].as_str().expect("a date").parse().expect("a time");
    let told_at =
        fs::metadata(daemon.folder().join("told")).and_then(|file| file.modified()).expect("a file");
    let told_at = told_at.duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    assert!(dated.as_millis() >= told_at, "what they made with the first key until they were told counts");
    let told = told(&daemon);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_ne!(told[0], told[1]);

    let erased = || {
        let keyset = deployment::keyset(&daemon);
        let key = keyset["keys"].as_array()?.iter().find(|key| key["id"] == first.as_str())?.clone();
        (key["phase"] == "erased").then_some(key)
    };
    let key = value(PATIENCE, "the first key is erased", erased);
    eventually(PATIENCE, "no version of any path has its secret", || {
        !deployment::all_versions(&bao).contains(&secret)
    });
    assert!(!key["unpublished_at"].is_null());
    assert_eq!(ids(&bao).into_iter().collect::<BTreeSet<_>>(), key_file_ids(&daemon));
}

#[test]
fn a_stranger_s_edit_is_mended_and_an_unknown_id_kept() {
    let bao = OpenBao::start();
    let daemon = started(&bao);
    let ours = key_file_ids(&daemon);
    let edited = format!("\"APIstranger\": \"{}\"\n", "s".repeat(43));
    overwrite(&bao, NODES, &json!({"keys.yaml": edited}));
    daemon.admin().post("/v1/refresh", &json!({}));
    eventually(PATIENCE, "our keys are back, and the stranger's last", || {
        let mut ids = ids(&bao);
        ids.pop().as_deref() == Some("APIstranger") && ids.into_iter().collect::<BTreeSet<_>>() == ours
    });
    let conditions = daemon.admin().get("/v1/status").1["conditions"].to_string();
    assert!(conditions.contains("ForeignKeys") && conditions.contains("`store`"), "{conditions}");
    overwrite(&bao, CLIENT, &json!({"api_key": "APIstranger", "api_secret": "mine"}));
    daemon.admin().post("/v1/refresh", &json!({}));
    let active = deployment::active(&daemon).expect("an active key");
    eventually(PATIENCE, "dependents are given our key again", || read(&bao, CLIENT)["api_key"] == active);
}
