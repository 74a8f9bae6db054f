//! The servers that other tests lean on do what those tests assume.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use support::daemon::Daemon;
use support::eventually::{PATIENCE, eventually};
use support::forged;
use support::kubernetes::Kubernetes;
use support::livekit::LiveKit;
use support::openbao::OpenBao;
use support::verifier::Verifier;

#[test]
fn openbao_keeps_its_data_over_a_stop_a_freeze_and_a_seal() {
    let mut bao = OpenBao::start();
    bao.succeed("POST", "secret/data/a", &json!({"data": {"b": 1}, "options": {"cas": 0}}));
    let read = |bao: &OpenBao| bao.succeed("GET", "secret/data/a", &json!(null))["data"]["data"]["b"].clone();
    bao.stop();
    bao.start_again();
    assert_eq!(read(&bao), json!(1), "after a stop");
    bao.freeze();
    bao.thaw();
    assert_eq!(read(&bao), json!(1), "after a freeze");
    bao.seal();
    assert_eq!(bao.call("GET", "secret/data/a", &json!(null)).status, 503, "while sealed");
    bao.unseal();
    assert_eq!(read(&bao), json!(1), "after a seal");
}

const SECRET: &str = "an-example-of-a-secret-that-is-long-enough";

fn write_keys(file: &Path, ids: &[&str]) {
    let lines: String = ids.iter().map(|id| format!("{id}: {SECRET}\n")).collect();
    fs::write(file, lines).expect("the key file is written");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("the key file gets its mode");
}

fn token_of(id: &str) -> String {
    forged::forge(id, SECRET)
}

#[test]
fn livekit_reads_its_key_file_at_a_start_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let key_file = folder.path().join("keys.yaml");
    write_keys(&key_file, &["APIone"]);
    let mut livekit = LiveKit::start(&key_file);
    assert!(livekit.accepts(&token_of("APIone")));
    assert!(!livekit.accepts(&token_of("APItwo")));
    let rooms = livekit.twirp("RoomService/ListRooms", &token_of("APIone"), r#"{"names":["b"]}"#);
    assert_eq!(rooms.expect("an answer").status, 200);

    write_keys(&key_file, &["APItwo"]);
    assert!(livekit.accepts(&token_of("APIone")), "before a restart");
    livekit.restart();
    assert!(livekit.accepts(&token_of("APItwo")), "after a restart");
    let refused = livekit.validate(&token_of("APIone")).expect("an answer");
    assert_eq!(refused.status, 401, "after a restart");

    livekit.stop();
    assert!(livekit.validate(&token_of("APItwo")).is_err(), "while stopped");
}

#[test]
fn each_verifier_reads_a_good_token_and_refuses_a_bad_one() {
    let token = token_of("APIone");
    for verifier in Verifier::ALL {
        let good = verifier.verify(&[&token, "a.b.c"], "APIone", SECRET);
        let claims = good[0].as_ref().expect("a good token").to_string();
        // Each language spells a field its own way.
        let claims = claims.replace('_', "").to_lowercase();
        assert!(claims.contains(r#""roomjoin":true"#), "{verifier:?}: {claims}");
        good[1].as_ref().expect_err("not a token");
        let forged = verifier.verify(&[&token], "APIone", "another-secret-that-is-also-long-enough");
        forged[0].as_ref().expect_err("another secret");
    }
}

#[test]
fn kubernetes_knows_its_accounts_and_what_they_may() {
    let kubernetes = Kubernetes::start();
    kubernetes.create_namespace("media");
    let rules =
        json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"]}]);
    kubernetes.create_account("media", "keyd", &rules);
    kubernetes.bind_cluster_role("system:auth-delegator", "media", "keyd");

    let review = |token: &str| {
        let spec = json!({"spec": {"token": token, "audiences": ["vault"]}});
        kubernetes.succeed("POST", "/apis/authentication.k8s.io/v1/tokenreviews", &spec)["status"].clone()
    };
    let good = review(&kubernetes.token("media", "keyd", &["vault"]));
    assert_eq!(good["authenticated"], true, "{good}");
    assert_eq!(good["user"]["username"], "system:serviceaccount:media:keyd");
    let other_audience = review(&kubernetes.token("media", "keyd", &[]));
    assert_ne!(other_audience["authenticated"], true, "{other_audience}");

    let may = |resource: &str, name: &str| {
        let attributes = json!({"namespace": "media", "verb": "get", "resource": resource, "name": name});
        let spec = json!({"user": "system:serviceaccount:media:keyd", "resourceAttributes": attributes});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        kubernetes.succeed("POST", path, &json!({"spec": spec}))["status"]["allowed"] == true
    };
    // The roles that the server makes at its start are read a moment later.
    eventually(PATIENCE, "the account may read its Secret", || may("secrets", "keys"));
    assert!(!may("secrets", "other") && !may("configmaps", "keys"));
}

/// Rotates and signs on files, for whoever runs the test.
fn on_files() -> String {
    format!(
        r#"role = "both"
        livekit.proof = "disabled"
        [store]
        kind = "file"
        file.dir = "{{dir}}/store"
        [[keyset]]
        name = "default"
        publish_delay = "0s"
        rotation_period = "168h"
        [[publish]]
        kind = "key_file"
        path = "{{dir}}/keys.yaml"
        [[caller]]
        name = "tests"
        uid = {}
        keyset = "default"
        allowed_grants = ["*"]
        allowed_rooms = ["*"]
        allowed_identities = ["*"]"#,
        rustix::process::getuid().as_raw()
    )
}

#[test]
fn a_daemon_keeps_its_keys_over_a_kill() {
    let mut daemon = Daemon::start(&on_files());
    daemon.init("default");
    daemon.wait_until_ready();
    let keys = |daemon: &Daemon| {
        let status = daemon.admin().get("/v1/status").1;
        let keys = status["keysets"][0]["keys"].as_array().expect("keys").clone();
        keys.iter().map(|key| key["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let before = keys(&daemon);
    assert_eq!(before.len(), 3);

    daemon.kill();
    daemon.start_again();
    daemon.wait_until_ready();
    assert_eq!(keys(&daemon), before);
    assert!(daemon.telemetry("/metrics").contains("livekit_keyd_build_info"));
    assert!(daemon.run(&["keys"]).status.success());
    daemon.hang_up();
    daemon.wait_for_log("was read anew");
    assert!(daemon.terminate().success());
}
