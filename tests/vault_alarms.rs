//! A login that is lost, or may be stolen, is a condition that says what to do; a signer signs on.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, RULES};
use support::eventually::{PATIENCE, eventually, value};
use support::openbao::OpenBao;
use support::policies::{self, Put};

const LOGIN: &str = "method = \"approle\"\nrole_id_file_path = \"{dir}/role-id\"\nsecret_id_file_path = \"{dir}/secret-id\"\nsecret_id_response_wrapping_path = \"auth/approle/role/signer/secret-id\"";

/// An OpenBao with a document, and a signer with a wrapped secret id, not started.
fn signer() -> (OpenBao, Daemon, Daemon, Put) {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    // A lease that lasts for the test.
    let rules = RULES.replace("overlap = \"5s\"", "overlap = \"60s\"");
    let rotator = deployment::start(&bao, "rotator", &rules);
    rotator.init("apps");
    let store = format!(
        "[store]\nkind = \"vault\"\n[store.vault]\naddress = \"{}\"\n[store.vault.auth]\n{LOGIN}\n",
        bao.address()
    );
    let config = deployment::config_on(&store, "signer", &rules);
    let signer = Daemon::new(&config);
    let put = policies::put(&bao, signer.folder(), &config, &[], &json!({}));
    assert_eq!(put.role, "auth/approle/role/signer", "the role that the wrapping path names");
    let role_id = bao.succeed("GET", &format!("{}/role-id", put.role), &Value::Null);
    let role_id = role_id["data"]["role_id"].as_str().expect("an id").to_owned();
    fs::write(signer.folder().join("role-id"), role_id).expect("a credential");
    deliver(&bao, &signer, &put);
    (bao, rotator, signer, put)
}

/// A fresh wrapped secret id; its wrapping token.
fn deliver(bao: &OpenBao, signer: &Daemon, put: &Put) -> String {
    let wrapped = bao.wrapped("POST", &format!("{}/secret-id", put.role), &json!({}), "60s");
    fs::write(signer.folder().join("secret-id"), &wrapped).expect("a credential");
    wrapped
}

fn condition(daemon: &Daemon, kind: &str) -> Option<Value> {
    let (_, status) = daemon.admin().get("/v1/status");
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind).cloned()
}

#[test]
fn a_secret_id_that_somebody_else_unwrapped_is_an_alarm_of_its_own() {
    let (bao, _rotator, mut signer, put) = signer();
    let wrapped = deliver(&bao, &signer, &put);
    let stolen = bao.call_as(&wrapped, "POST", "sys/wrapping/unwrap", &json!({}));
    assert_eq!(stolen.status, 200, "the thief has it");
    signer.start_again();
    let alarm = value(PATIENCE, "the alarm", || condition(&signer, "SecretIdIntercepted"));
    let message = alarm["message"].as_str().expect("a sentence");
    for part in
        ["may be stolen", "audit log", "vault list auth/approle/role/signer/secret-id", "deliver a new one"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains(&wrapped) && condition(&signer, "StoreLoginFailing").is_none());
    deliver(&bao, &signer, &put);
    signer.wait_until_ready();
    eventually(PATIENCE, "the alarm is over", || condition(&signer, "SecretIdIntercepted").is_none());
}

#[test]
fn a_signer_without_a_login_says_why_and_signs_on() {
    let (bao, _rotator, mut signer, put) = signer();
    signer.start_again();
    signer.wait_until_ready();
    bao.succeed("DELETE", &put.role, &Value::Null);
    bao.succeed("PUT", "sys/leases/revoke-prefix/auth/approle", &json!({}));
    let failing = value(PATIENCE, "the login fails", || condition(&signer, "StoreLoginFailing"));
    assert!(
        failing["message"].as_str().expect("a sentence").contains("put a new secret id into"),
        "{failing}"
    );
    let (status, minted) = deployment::mint(&signer);
    assert_eq!(status, 201, "{minted}");
}
