//! How this process logs in to Vault, stays logged in, and says why it cannot.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_keyd::store::vault::VaultAuth;
use livekit_keyd::store::{Expected, Found, Store, StoreError};
use serde_json::{Value, json};
use support::eventually::PATIENCE;
use support::openbao::OpenBao;
use support::stores::{self, file_with, token_file, value};

const ROLE: &str = "auth/approle/role/keyd";

/// A server with an AppRole whose policy allows all of `secret/open`, and a folder for credentials.
fn with_role(role: &Value) -> (OpenBao, tempfile::TempDir) {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let policy = "path \"secret/+/open/*\" { capabilities = [\"create\", \"read\", \"update\", \"list\", \"delete\"] }";
    bao.succeed("PUT", "sys/policies/acl/keyd", &json!({ "policy": policy }));
    let mut settings = json!({"token_policies": "keyd"});
    if let (Some(settings), Some(role)) = (settings.as_object_mut(), role.as_object()) {
        settings.extend(role.clone());
    }
    bao.succeed("POST", ROLE, &settings);
    (bao, tempfile::tempdir().expect("a folder"))
}

fn new_secret_id(bao: &OpenBao) -> String {
    let made = bao.succeed("POST", &format!("{ROLE}/secret-id"), &json!({}));
    made["data"]["secret_id"].as_str().expect("a secret id").to_owned()
}

fn app_role(bao: &OpenBao, folder: &Path, secret_id: PathBuf, wrapping: Option<&str>) -> VaultAuth {
    let role_id = bao.succeed("GET", &format!("{ROLE}/role-id"), &Value::Null);
    let role_id = role_id["data"]["role_id"].as_str().expect("a role id");
    VaultAuth::AppRole {
        mount_path: "auth/approle".into(),
        role_id: file_with(folder, "role-id", &format!("{role_id}\n")),
        secret_id,
        wrapping_path: wrapping.map(str::to_owned),
    }
}

fn open(bao: &OpenBao, auth: VaultAuth) -> Arc<Store> {
    stores::vault(stores::config(bao, auth))
}

fn new_token(bao: &OpenBao, request: &Value) -> String {
    let made = bao.succeed("POST", "auth/token/create", request);
    made["auth"]["client_token"].as_str().expect("a token").to_owned()
}

/// Asks again and again until `wanted`; each answer must be as `allowed` says.
async fn until<T>(
    mut ask: impl AsyncFnMut() -> T,
    wanted: impl Fn(&T) -> bool,
    allowed: impl Fn(&T) -> bool,
) -> T
where
    T: std::fmt::Debug,
{
    let began = Instant::now();
    loop {
        let answer = ask().await;
        if wanted(&answer) {
            return answer;
        }
        assert!(allowed(&answer), "{answer:?}");
        assert!(began.elapsed() < PATIENCE, "still {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_follow_each_other_without_a_call_refused() {
    // Two seconds, four with renewals.
    let (bao, folder) = with_role(&json!({"token_ttl": "2s", "token_max_ttl": "4s"}));
    let secret_id = file_with(folder.path(), "secret-id", &format!("{}\n", new_secret_id(&bao)));
    let store = open(&bao, app_role(&bao, folder.path(), secret_id, None));
    let mut version = store.write("open/doc", &json!({"n": 0}), Expected::Absent).await.expect("a write");
    let mut seen = BTreeSet::new();
    let mut ends = BTreeSet::new();
    let write = async || {
        let written = store.write("open/doc", &json!({ "n": version }), Expected::Version(version)).await;
        version = *written.as_ref().expect("never refused");
        let listed = bao.succeed("LIST", "auth/token/accessors", &Value::Null);
        let accessors = listed["data"]["keys"].as_array().expect("accessors").iter();
        seen.extend(accessors.map(|accessor| accessor.as_str().expect("text").to_owned()));
        ends.insert(store.session().expect("a login").expires_at.expect("it ends"));
        (seen.len(), ends.len())
    };
    // Root's, and three logins'; some of which were renewed.
    until(write, |(tokens, ends)| *tokens >= 4 && ends > tokens, |_| true).await;
    assert_eq!(store.session().expect("a login").failure, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_costs_no_call_and_a_refusing_policy_no_login() {
    // Each login uses the secret id up by one: there is one to begin with, one after the revocation, and none to waste.
    let (bao, folder) = with_role(&json!({"token_ttl": "1h", "secret_id_num_uses": 2}));
    let secret_id = file_with(folder.path(), "secret-id", &new_secret_id(&bao));
    let store = open(&bao, app_role(&bao, folder.path(), secret_id, None));
    store.write("open/doc", &json!({}), Expected::Absent).await.expect("a write");
    for _ in 0..5 {
        let error = store.read::<Value>("closed/doc").await.expect_err("the policy does not allow it");
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("vault token capabilities"), "{error}");
    }
    let revoke_all = || bao.succeed("PUT", "sys/leases/revoke-prefix/auth/approle", &json!({}));
    revoke_all();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { value(&store, "open/doc").await })
        })
        .collect();
    for reader in readers {
        assert!(matches!(reader.await.expect("a reader"), Found::Value { .. }), "one login for all of them");
    }
    // The secret id is used up; the same file with a new one mends it.
    revoke_all();
    let read = async || store.read::<Value>("open/doc").await;
    let refused =
        |answer: &Result<Found<Value>, StoreError>| matches!(answer, Err(StoreError::Refused { .. }));
    let why = until(read, |answer| format!("{answer:?}").contains("secret id"), refused).await;
    assert!(refused(&why), "{why:?}");
    assert!(store.status().message.is_some_and(|message| message.contains("put a new secret id into")));
    file_with(folder.path(), "secret-id", &new_secret_id(&bao));
    until(read, Result::is_ok, refused).await.expect("a new secret id mends it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrapped_secret_id_works_once_and_from_its_own_maker_only() {
    let (bao, folder) = with_role(&json!({"token_ttl": "1h"}));
    let path = format!("{ROLE}/secret-id");
    let wrapped = bao.wrapped("POST", &path, &json!({}), "60s");
    let file = file_with(folder.path(), "wrapped", &wrapped);
    let auth = app_role(&bao, folder.path(), file, Some(&path));
    let first = open(&bao, auth.clone());
    first.write("open/doc", &json!({}), Expected::Absent).await.expect("a write");
    // What came out of it is remembered for the next login of this process.
    bao.succeed("PUT", "sys/leases/revoke-prefix/auth/approle", &json!({}));
    assert!(matches!(value(&first, "open/doc").await, Found::Value { .. }));

    let error = open(&bao, auth).read::<Value>("open/doc").await.expect_err("unwrapped before");
    assert!(matches!(&error, StoreError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("may be stolen"), "{error}");

    let elsewhere = bao.wrapped("POST", "sys/wrapping/wrap", &json!({"secret_id": "mine"}), "60s");
    let file = file_with(folder.path(), "forged", &elsewhere);
    let forged = open(&bao, app_role(&bao, folder.path(), file, Some(&path)));
    let error = forged.read::<Value>("open/doc").await.expect_err("made elsewhere");
    assert!(error.to_string().contains("was made at") && !error.to_string().contains(&elsewhere), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_is_read_anew_when_its_token_ends() {
    let (bao, folder) = with_role(&json!({}));
    let short = json!({"policies": ["keyd"], "ttl": "2s", "renewable": false});
    let store = open(&bao, token_file(folder.path(), &new_token(&bao, &short)));
    store.write("open/doc", &json!({}), Expected::Absent).await.expect("a write");
    let read = async || store.read::<Value>("open/doc").await;
    let refused = until(read, Result::is_err, Result::is_ok).await.expect_err("it has ended");
    assert!(matches!(refused, StoreError::Refused { .. }), "{refused}");
    let no = |answer: &Result<Found<Value>, StoreError>| matches!(answer, Err(StoreError::Refused { .. }));
    let why = until(read, |answer| format!("{answer:?}").contains("deliver a new one"), no).await;
    assert!(!format!("{why:?}").contains(bao.token()), "{why:?}");
    let long = json!({"policies": ["keyd"], "ttl": "1h"});
    token_file(folder.path(), &new_token(&bao, &long));
    until(read, Result::is_ok, no).await.expect("a new token mends it");
    assert_eq!(store.session().expect("a login").failure, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_late_is_waited_for() {
    let (mut bao, folder) = with_role(&json!({}));
    bao.stop();
    let store = open(&bao, token_file(folder.path(), bao.token()));
    let error = store.read::<Value>("open/doc").await.expect_err("there is no server");
    assert!(error.is_retryable() && error.to_string().contains("cannot log in to Vault"), "{error}");
    bao.start_again();
    let read = async || store.read::<Value>("open/doc").await;
    let answer =
        until(read, Result::is_ok, |answer| answer.as_ref().is_err_and(StoreError::is_retryable)).await;
    assert_eq!(answer, Ok(Found::Absent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_cannot_be_used_are_named() {
    let (bao, folder) = with_role(&json!({}));
    let variable = VaultAuth::Token { env: "TEST_NO_SUCH_VARIABLE".into() };
    let missing = VaultAuth::TokenFile { path: folder.path().join("missing") };
    let cases = [
        (variable, "TEST_NO_SUCH_VARIABLE"),
        (missing, "missing cannot be used"),
        (VaultAuth::TokenFile { path: file_with(folder.path(), "empty", "\n") }, "it is empty"),
        (VaultAuth::TokenFile { path: file_with(folder.path(), "odd", "tök\u{feff}en") }, "not ASCII"),
        (VaultAuth::TokenFile { path: file_with(folder.path(), "wrong", "s.marigold") }, "deliver a new one"),
    ];
    for (auth, said) in cases {
        let error = open(&bao, auth).read::<Value>("open/doc").await.expect_err("no login");
        assert!(matches!(error, StoreError::Refused { .. }) && error.to_string().contains(said), "{error}");
        assert!(!error.to_string().contains("marigold") && !error.to_string().contains("tök"), "{error}");
    }
}
