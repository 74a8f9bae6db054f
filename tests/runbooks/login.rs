//! login.md

use std::fs;

use serde_json::{Value, json};

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::openbao::OpenBao;
use super::support::policies;

const WHEN: Id<'_> =
    Id("login.md", "StoreLoginFailing", "When the credential was delivered. Its content stays unseen.");
const NEW_TOKEN: Id<'_> =
    Id("login.md", "StoreLoginFailing", "A new token for the daemon, put in place in one step.");
const NEW_SECRET_ID: Id<'_> = Id("login.md", "StoreLoginFailing", "A new wrapped secret id for the daemon.");
const SECRET_IDS: Id<'_> = Id("login.md", "SecretIdIntercepted", "The secret ids that the role has.");
const DESTROY: Id<'_> = Id(
    "login.md",
    "SecretIdIntercepted",
    "Destroy all of the role's secret ids, and the logins that were made with them.",
);

/// What these tests run.
pub(crate) const BLOCKS: [Id<'_>; 5] = [WHEN, NEW_TOKEN, NEW_SECRET_ID, SECRET_IDS, DESTROY];

const LOGIN: &str = "method = \"approle\"\nrole_id_file_path = \"{dir}/role-id\"\nsecret_id_file_path = \"{dir}/secret-id\"\nsecret_id_response_wrapping_path = \"auth/approle/role/signer/secret-id\"";

#[test]
fn a_token_that_has_ended() {
    let bao = OpenBao::start();
    let rules = QUICK_RULES.replace("overlap = \"1300ms\"", "overlap = \"60s\"");
    let config = deployment::config(&bao, "both", &rules);
    let mut daemon = deployment::with_token(&bao, &config);
    let printed = policies::printed(daemon.folder(), &config, &[]);
    for policy in printed["policies"].as_array().expect("policies") {
        let path = format!("sys/policies/acl/{}", policy["name"].as_str().expect("a name"));
        bao.succeed("PUT", &path, &json!({ "policy": policy["policy"] }));
    }
    let wanted = json!({"policies": ["livekit-keyd-rotator"], "no_parent": true});
    let token = bao.succeed("POST", "auth/token/create", &wanted)["auth"]["client_token"].clone();
    let file = daemon.folder().join("token");
    fs::write(&file, token.as_str().expect("a token")).expect("a credential");
    daemon.start_again();
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);

    bao.succeed("POST", "auth/token/revoke", &json!({"token": token}));
    let mut operator = Operator::at(&daemon, &[WHEN, NEW_TOKEN]).with_store(&bao);
    operator.set_path("CREDENTIAL_FILE", &file);
    operator.set("POLICY", "livekit-keyd-rotator");
    operator.sees("StoreLoginFailing", "");
    assert_eq!(deployment::mint(&daemon).0, 201, "signing goes on");
    assert!(operator.run(WHEN).contains(file.to_str().expect("text")));
    operator.run(NEW_TOKEN);
    operator.sees_no_more("StoreLoginFailing");
    operator.sees_no_more("StoreUnreadable");
}

#[test]
fn a_secret_id_that_a_thief_has_used() {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let rules = QUICK_RULES.replace("overlap = \"1300ms\"", "overlap = \"60s\"");
    let rotator = deployment::start(&bao, "rotator", &rules);
    rotator.init("apps");
    let store = format!(
        "[store]\nkind = \"vault\"\n[store.vault]\naddress = \"{}\"\n[store.vault.auth]\n{LOGIN}\n",
        bao.address()
    );
    let config = deployment::config_on(&store, "signer", &rules);
    let mut signer = Daemon::new(&config);
    let put = policies::put(&bao, signer.folder(), &config, &[], &json!({}));
    let role_id =
        bao.succeed("GET", &format!("{}/role-id", put.role), &Value::Null)["data"]["role_id"].clone();
    fs::write(signer.folder().join("role-id"), role_id.as_str().expect("an id")).expect("a credential");
    let wrapped = bao.wrapped("POST", &format!("{}/secret-id", put.role), &json!({}), "60s");
    fs::write(signer.folder().join("secret-id"), &wrapped).expect("a credential");

    let stolen = bao.call_as(&wrapped, "POST", "sys/wrapping/unwrap", &json!({})).json()["data"].clone();
    let login = json!({"role_id": role_id, "secret_id": stolen["secret_id"]});
    let log_in = || bao.call_as("", "POST", "auth/approle/login", &login);
    let session = log_in().json()["auth"]["client_token"].as_str().expect("the thief is in").to_owned();
    signer.start_again();
    let mut operator = Operator::at(&signer, &[WHEN, NEW_SECRET_ID, SECRET_IDS, DESTROY]).with_store(&bao);
    operator.set_path("CREDENTIAL_FILE", &signer.folder().join("secret-id"));
    operator.set("ROLE", "signer");
    operator.sees("SecretIdIntercepted", "");
    operator.run(WHEN);
    assert!(operator.run(SECRET_IDS).contains('-'), "an accessor");
    operator.run(DESTROY);
    let of_the_thief = bao.call_as(&session, "GET", "auth/token/lookup-self", &Value::Null);
    assert_eq!(of_the_thief.status, 403, "the thief is out");
    assert_eq!(log_in().status, 400, "and cannot come in again");
    operator.run(NEW_SECRET_ID);
    operator.sees_no_more("SecretIdIntercepted");
    eventually(PATIENCE, "it signs", || deployment::mint(&signer).0 == 201);
}
