//! What `vault-policy` prints is enough for everybody, and OpenBao refuses each of them everything else.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::cache;
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;
use support::policies;

const LOGIN: &str =
    "method = \"approle\"\nrole_id_file_path = \"{dir}/role-id\"\nsecret_id_file_path = \"{dir}/secret-id\"";

fn config(role: &str, store: &str, login: &str) -> String {
    let store = format!("[store]\nkind = \"vault\"\n[store.vault]\n{store}\n[store.vault.auth]\n{login}\n");
    let rules = format!("rotation_period = \"1000h\"\npublish_client = true\n{QUICK_RULES}");
    let text = deployment::config_on(&store, role, &rules);
    let command = "[[publish]]\nkind = \"command\"\nname = \"consul\"\npublish = [\"sh\", \"-c\", \"cat > {dir}/brought\"]\n";
    if role == "rotator" { text + command } else { text }
}

fn address(bao: &OpenBao) -> String {
    format!("address = \"{}\"", bao.address())
}

/// A daemon that logs in as an AppRole with the policy that is printed for it.
fn start(bao: &OpenBao, role: &str) -> Daemon {
    let config = config(role, &address(bao), LOGIN);
    let mut daemon = Daemon::new(&config);
    let put = policies::put(bao, daemon.folder(), &config, &[], &json!({}));
    let id = |path: &str, field: &str, method: &str| {
        let answer = bao.succeed(method, &format!("{}/{path}", put.role), &json!({}));
        let text = answer["data"][field].as_str().expect("an id").to_owned();
        fs::write(daemon.folder().join(path), text).expect("a credential");
    };
    id("role-id", "role_id", "GET");
    id("secret-id", "secret_id", "POST");
    daemon.start_again();
    daemon
}

#[test]
fn a_rotator_and_a_signer_live_on_what_is_printed_for_them() {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let rotator = start(&bao, "rotator");
    rotator.init("apps");
    deployment::wait_until_steady(&rotator);
    let mut signer = start(&bao, "signer");
    signer.wait_until_ready();
    let old = deployment::active(&rotator).expect("an active key");
    let secret = deployment::keys(&rotator)[&old].clone();
    let (status, answer) = rotator.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{answer}");
    eventually(PATIENCE, "the signer signs with the next key", || {
        let (status, minted) = deployment::mint(&signer);
        assert_eq!(status, 201, "{minted}");
        minted["key_id"] == answer["key_id"]
    });
    eventually(PATIENCE, "the old key is out", || !deployment::keys(&rotator).contains_key(&old));
    deployment::wait_until_steady(&rotator);
    eventually(PATIENCE, "its secret is in no version of any path", || {
        !deployment::all_versions(&bao).contains(&secret)
    });
    for daemon in [&rotator, &signer] {
        let log = daemon.log().text();
        assert!(!log.contains("it answers 403") && !log.contains("permission denied"), "{log}");
        let (_, status) = daemon.admin().get("/v1/status");
        let conditions = status["conditions"].as_array().expect("conditions");
        assert!(conditions.iter().all(|condition| condition["degraded"] == false), "{status}");
    }
}

/// Who may do what: each name may do what is listed, and of all that is listed nothing else.
const CALLS: [(&str, &str, &[&str]); 36] = [
    ("GET", "auth/token/lookup-self", &["signer", "rotator"]),
    ("POST", "auth/token/renew-self", &["signer", "rotator"]),
    ("POST", "sys/capabilities-self", &["signer", "rotator"]),
    ("GET", "secret/data/livekit/apps", &["signer", "rotator"]),
    ("POST", "secret/data/livekit/apps", &["rotator"]),
    ("DELETE", "secret/data/livekit/apps", &[]),
    ("GET", "secret/metadata/livekit/apps", &["rotator"]),
    ("POST", "secret/metadata/livekit/apps", &["rotator"]),
    ("DELETE", "secret/metadata/livekit/apps", &[]),
    ("PUT", "secret/destroy/livekit/apps", &["rotator"]),
    ("PUT", "secret/delete/livekit/apps", &[]),
    ("PUT", "secret/undelete/livekit/apps", &[]),
    ("LIST", "secret/metadata/livekit", &[]),
    ("LIST", "secret/metadata/livekit/apps", &[]),
    ("LIST", "secret/metadata/livekit/apps/standby", &["rotator"]),
    ("GET", "secret/data/livekit/apps/standby/one", &["rotator"]),
    ("POST", "secret/data/livekit/apps/standby/one", &[]),
    ("POST", "secret/data/livekit/apps/standby/new", &["rotator"]),
    ("GET", "secret/metadata/livekit/apps/standby/one", &[]),
    ("DELETE", "secret/metadata/livekit/apps/standby/new", &["rotator"]),
    ("GET", "secret/data/livekit/apps/client", &["client-apps", "rotator"]),
    ("POST", "secret/data/livekit/apps/client", &["rotator"]),
    ("PUT", "secret/destroy/livekit/apps/client", &["rotator"]),
    ("GET", "secret/data/livekit/deployment/nodes", &["nodes", "rotator"]),
    ("POST", "secret/data/livekit/deployment/nodes", &["rotator"]),
    ("PUT", "secret/destroy/livekit/deployment/nodes", &["rotator"]),
    ("GET", "secret/data/livekit/deployment/rollout", &["rotator"]),
    ("POST", "secret/data/livekit/deployment/rollout", &["rotator"]),
    ("GET", "secret/metadata/livekit/deployment/rollout", &[]),
    ("POST", "secret/data/livekit/deployment/published/consul", &["rotator"]),
    ("POST", "secret/data/livekit/deployment/published/other", &[]),
    ("GET", "secret/data/livekit/other", &[]),
    ("GET", "secret/config", &[]),
    ("GET", "sys/policies/acl/livekit-keyd-signer", &[]),
    ("POST", "auth/token/create", &[]),
    ("GET", "auth/token/accessors", &[]),
];

#[test]
fn each_call_beyond_a_policy_is_refused() {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let folder = tempfile::tempdir().expect("a folder");
    policies::put(&bao, folder.path(), &config("rotator", &address(&bao), LOGIN), &[], &json!({}));
    let value = json!({"data": {"n": 1}, "versions": [9], "paths": ["secret/data/livekit/apps"]});
    for path in ["apps", "apps/standby/one", "apps/client", "deployment/nodes", "deployment/rollout", "other"]
    {
        bao.succeed("POST", &format!("secret/data/livekit/{path}"), &value);
    }
    let names = ["signer", "rotator", "nodes", "client-apps"];
    let tokens: BTreeMap<&str, String> = names
        .into_iter()
        .map(|name| {
            let request = json!({"policies": [format!("livekit-keyd-{name}")], "no_default_policy": true});
            let made = bao.succeed("POST", "auth/token/create", &request);
            (name, made["auth"]["client_token"].as_str().expect("a token").to_owned())
        })
        .collect();
    let mut wrong = Vec::new();
    for (method, path, allowed) in CALLS {
        for (name, token) in &tokens {
            let body = if ["GET", "LIST"].contains(&method) { &Value::Null } else { &value };
            let status = bao.call_as(token, method, path, body).status;
            let as_it_should =
                if allowed.contains(name) { (200..300).contains(&status) } else { status == 403 };
            if !as_it_should {
                wrong.push(format!("{name} {method} {path}: {status}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_script_works_as_it_is_in_a_namespace_and_on_another_mount() {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/namespaces/team", &json!({}));
    bao.succeed("POST", "team/sys/mounts/kv/live", &json!({"type": "kv", "options": {"version": "2"}}));
    bao.succeed("POST", "team/sys/auth/k8s", &json!({"type": "kubernetes"}));
    let store = format!("{}\nnamespace = \"team\"\nmount = \"kv/live\"", address(&bao));
    let login = "method = \"kubernetes\"\nmount_path = \"auth/k8s\"\nrole = \"signer\"";
    let config = config("signer", &store, login);
    let folder = tempfile::tempdir().expect("a folder");
    let unbound = policies::print(folder.path(), &config, &[]);
    let why = String::from_utf8_lossy(&unbound.stderr).into_owned();
    assert!(unbound.status.code() == Some(2) && why.contains("--bound-to NAMESPACE/SERVICEACCOUNT"), "{why}");

    let options = ["--bound-to", "livekit/keyd", "--prefix", "prod"];
    let script = policies::print(folder.path(), &config, &options);
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    symlink(cache::path("bao"), folder.path().join("vault")).expect("a link");
    fs::write(folder.path().join("script"), &script.stdout).expect("the script");
    let run = Command::new("sh")
        .arg(folder.path().join("script"))
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("VAULT_TOKEN", bao.token())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let role = bao.succeed("GET", "team/auth/k8s/role/signer", &Value::Null)["data"].clone();
    assert_eq!(role["bound_service_account_names"], json!(["keyd"]));
    assert_eq!(role["bound_service_account_namespaces"], json!(["livekit"]));
    assert_eq!((&role["audience"], &role["token_policies"]), (&json!("vault"), &json!(["prod-signer"])));
    let policy = bao.succeed("GET", "team/sys/policies/acl/prod-signer", &Value::Null);
    let policy = policy["data"]["policy"].as_str().expect("a policy").to_owned();
    assert!(policy.contains("path \"kv/live/data/livekit/apps\""), "{policy}");
    let alone = policies::print(folder.path(), &config, &["--prefix", "prod", "--policy", "prod-signer"]);
    assert_eq!(String::from_utf8_lossy(&alone.stdout).trim(), policy.trim());
}
