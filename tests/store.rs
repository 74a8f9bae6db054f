//! One suite that both stores pass, and what only one of them can be asked.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd::store::vault::{VaultAuth, VaultConfig};
use livekit_keyd::store::{Backend, Expected, FileStore, Found, Health, Store, StoreError, VaultStore};
use serde_json::{Value, json};
use support::openbao::OpenBao;

fn store(backend: Backend) -> Store {
    Store::new(backend, Health::register(&prometheus::Registry::new()).expect("metrics"))
}

fn config(bao: &OpenBao, auth: VaultAuth) -> VaultConfig {
    VaultConfig {
        address: bao.address(),
        mount: "secret".into(),
        namespace: None,
        ca_cert: None,
        tls_server_name: None,
        timeout: Duration::from_secs(5),
        auth,
    }
}

fn file_with(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a credential");
    path
}

/// A token with the newline that an editor leaves.
fn by_token(bao: &OpenBao, folder: &Path) -> VaultAuth {
    VaultAuth::TokenFile { path: file_with(folder, "token", &format!("{}\n", bao.token())) }
}

async fn value(store: &Store, path: &str) -> Found<Value> {
    store.read::<Value>(path).await.expect("a read")
}

/// What every store does.
async fn conforms(store: Arc<Store>) {
    assert_eq!(value(&store, "a/doc").await, Found::Absent);
    assert_eq!(store.list("a").await.expect("a list"), Vec::<String>::new());
    let lost = store.write("a/doc", &json!({}), Expected::Version(1)).await;
    assert_eq!(lost, Err(StoreError::Conflict), "nothing is there to replace");

    let first = store.write("a/doc", &json!({"n": 1, "later": {"x": [1, null]}}), Expected::Absent).await;
    let first = first.expect("a first write");
    assert_eq!(store.write("a/doc", &json!({"n": 9}), Expected::Absent).await, Err(StoreError::Conflict));
    let found = Found::Value { version: first, value: json!({"n": 1, "later": {"x": [1, null]}}) };
    assert_eq!(value(&store, "a/doc").await, found, "what is not known is kept");

    let second =
        store.write("a/doc", &json!({"n": 2}), Expected::Version(first)).await.expect("a second write");
    assert!(second > first);
    assert_eq!(
        store.write("a/doc", &json!({"n": 9}), Expected::Version(first)).await,
        Err(StoreError::Conflict)
    );

    let big = json!({ "text": "x".repeat(200_000) });
    store.write("a/doc/standby/APIx", &big, Expected::Absent).await.expect("a big write");
    store.write("a/doc/standby/APIy", &json!({"secret": "y"}), Expected::Absent).await.expect("a write");
    assert_eq!(store.list("a/doc/standby").await.expect("a list"), ["APIx", "APIy"]);
    assert!(matches!(value(&store, "a/doc/standby/APIx").await, Found::Value { value, .. } if value == big));

    let wrong = store.read::<Vec<u8>>("a/doc").await.expect_err("no list of numbers");
    assert!(matches!(&wrong, StoreError::Malformed { .. }) && !wrong.is_retryable(), "{wrong}");
    assert!(!wrong.to_string().contains("\"n\""), "no content in {wrong}");

    one_winner(&store, second).await;
    store.destroy("a/doc", &store.older_versions("a/doc").await.expect("versions")).await.expect("destroyed");
    assert_eq!(store.older_versions("a/doc").await.expect("versions"), Vec::<u64>::new());
    assert!(matches!(value(&store, "a/doc").await, Found::Value { .. }), "the current one is not touched");

    store.remove("a/doc/standby/APIx").await.expect("removed");
    store.remove("a/doc/standby/APIx").await.expect("removed again");
    assert_eq!(value(&store, "a/doc/standby/APIx").await, Found::Absent);
    assert_eq!(store.list("a/doc/standby").await.expect("a list"), ["APIy"]);
}

async fn one_winner(store: &Arc<Store>, version: u64) {
    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                store.write("a/doc", &json!({ "writer": writer }), Expected::Version(version)).await
            })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.expect("a writer") {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error, StoreError::Conflict),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn files_conform() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = FileStore::open(&folder.path().join("store")).expect("a store");
    conforms(Arc::new(store(Backend::File(files)))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vault_conforms() {
    let (bao, folder) = (OpenBao::start(), tempfile::tempdir().expect("a folder"));
    let vault = VaultStore::open(config(&bao, by_token(&bao, folder.path()))).expect("a store");
    let store = Arc::new(store(Backend::Vault(Box::new(vault))));
    conforms(Arc::clone(&store)).await;

    store.write("b/doc", &json!({"n": 1}), Expected::Absent).await.expect("a write");
    let warning = store.unprotected("b/doc").await.expect("metadata").expect("it is unsafe");
    assert!(warning.contains("vault kv metadata put -mount=secret -cas-required=true"), "{warning}");
    store.protect("b/doc").await.expect("protected");
    assert_eq!(store.unprotected("b/doc").await.expect("metadata"), None);
    let blind = bao.call("POST", "secret/data/b/doc", &json!({"data": {"n": 2}}));
    assert_eq!(blind.status, 400, "a write without check-and-set is refused");

    bao.succeed("DELETE", "secret/data/b/doc", &Value::Null);
    assert_eq!(value(&store, "b/doc").await, Found::Deleted { version: 1 });
    store
        .write("b/doc", &json!({"n": 3}), Expected::Version(1))
        .await
        .expect("a write over a deleted version");
}

#[tokio::test]
async fn a_folder_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o750)).expect("a mode");
    let error = FileStore::open(folder.path()).expect_err("others can read it");
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[tokio::test]
async fn no_path_leaves_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = FileStore::open(&folder.path().join("store")).expect("a store");
    let store = store(Backend::File(files));
    for path in ["../x", "a/../../x", "/etc/x", "a//b", ".lock", "a/.b", ""] {
        let error = store.write(path, &json!({}), Expected::Absent).await.expect_err(path);
        assert!(matches!(error, StoreError::Refused { .. }), "{path}: {error}");
    }
    assert!(!folder.path().join("x.json").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn app_roles_log_in_and_wrapped_secret_ids_work_once() {
    let (bao, folder) = (OpenBao::start(), tempfile::tempdir().expect("a folder"));
    bao.succeed("POST", "sys/auth/approle", &json!({"type": "approle"}));
    let policy =
        "path \"secret/*\" { capabilities = [\"create\", \"read\", \"update\", \"list\", \"delete\"] }";
    bao.succeed("PUT", "sys/policies/acl/keyd", &json!({ "policy": policy }));
    let role = json!({"token_policies": "keyd", "token_ttl": "2s", "token_max_ttl": "4s"});
    bao.succeed("POST", "auth/approle/role/keyd", &role);
    let role_id = bao.succeed("GET", "auth/approle/role/keyd/role-id", &Value::Null);
    let role_id = role_id["data"]["role_id"].as_str().expect("a role id").to_owned();
    let secret_id = bao.succeed("POST", "auth/approle/role/keyd/secret-id", &json!({}));
    let secret_id = secret_id["data"]["secret_id"].as_str().expect("a secret id").to_owned();
    let app_role = |secret_id: PathBuf, wrapping: Option<&str>| VaultAuth::AppRole {
        mount_path: "auth/approle".into(),
        role_id: file_with(folder.path(), "role-id", &format!("{role_id}\n")),
        secret_id,
        wrapping_path: wrapping.map(str::to_owned),
    };

    // Its tokens live for two seconds, four with renewals: several logins have to follow each other.
    let plain = app_role(file_with(folder.path(), "secret-id", &secret_id), None);
    let plain = store(Backend::Vault(Box::new(VaultStore::open(config(&bao, plain)).expect("a store"))));
    let began = std::time::Instant::now();
    let mut version = plain.write("c/doc", &json!({"n": 0}), Expected::Absent).await.expect("a write");
    while began.elapsed() < Duration::from_secs(9) {
        version = plain
            .write("c/doc", &json!({ "n": version }), Expected::Version(version))
            .await
            .expect("a write");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let path = "auth/approle/role/keyd/secret-id";
    let wrapped = bao.wrapped("POST", path, &json!({}), "60s");
    let file = file_with(folder.path(), "wrapped", &wrapped);
    let first = VaultStore::open(config(&bao, app_role(file.clone(), Some(path)))).expect("a store");
    let first = store(Backend::Vault(Box::new(first)));
    assert!(matches!(value(&first, "c/doc").await, Found::Value { .. }));
    let second = VaultStore::open(config(&bao, app_role(file, Some(path)))).expect("a store");
    let error =
        store(Backend::Vault(Box::new(second))).read::<Value>("c/doc").await.expect_err("unwrapped before");
    assert!(
        matches!(&error, StoreError::Refused { sentence } if sentence.contains("somebody else")),
        "{error}"
    );

    let elsewhere = bao.wrapped("POST", "sys/wrapping/wrap", &json!({"secret_id": "mine"}), "60s");
    let file = file_with(folder.path(), "forged", &elsewhere);
    let forged = VaultStore::open(config(&bao, app_role(file, Some(path)))).expect("a store");
    let error =
        store(Backend::Vault(Box::new(forged))).read::<Value>("c/doc").await.expect_err("made elsewhere");
    assert!(error.to_string().contains("was made at"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_sealed_and_stopped_are_told_apart() {
    let (mut bao, folder) = (OpenBao::start(), tempfile::tempdir().expect("a folder"));
    let vault = VaultStore::open(config(&bao, by_token(&bao, folder.path()))).expect("a store");
    let store_ = store(Backend::Vault(Box::new(vault)));
    store_.write("d/doc", &json!({"n": 1}), Expected::Absent).await.expect("a write");

    let wrong = VaultAuth::TokenFile { path: file_with(folder.path(), "wrong", "no-such-token") };
    let wrong = store(Backend::Vault(Box::new(VaultStore::open(config(&bao, wrong)).expect("a store"))));
    let error = wrong.read::<Value>("d/doc").await.expect_err("a wrong token");
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");

    let missing = VaultConfig { mount: "nowhere".into(), ..config(&bao, by_token(&bao, folder.path())) };
    let missing = store(Backend::Vault(Box::new(VaultStore::open(missing).expect("a store"))));
    let error = missing.read::<Value>("d/doc").await.expect_err("no such mount");
    assert!(error.to_string().contains("nowhere") && !error.is_retryable(), "{error}");

    bao.seal();
    let error = store_.read::<Value>("d/doc").await.expect_err("sealed");
    assert!(error.is_retryable() && error.to_string().contains("sealed"), "{error}");
    bao.unseal();
    bao.stop();
    let error = store_.read::<Value>("d/doc").await.expect_err("stopped");
    assert!(error.is_retryable() && error.to_string().contains("refused"), "{error}");
}

/// A server that answers every connection with the same bytes, or not at all.
fn impostor(answer: Option<&'static str>) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            if let Some(answer) = answer {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            } else {
                kept.push(stream);
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_vault_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = file_with(folder.path(), "token", "t");
    let at = |address: String| {
        let auth = VaultAuth::TokenFile { path: token.clone() };
        let config = VaultConfig {
            address,
            mount: "secret".into(),
            namespace: None,
            ca_cert: None,
            tls_server_name: None,
            timeout: Duration::from_millis(400),
            auth,
        };
        VaultStore::open(config).map(|vault| store(Backend::Vault(Box::new(vault))))
    };
    let html =
        impostor(Some("HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>"));
    let error = at(html).expect("a store").read::<Value>("a").await.expect_err("HTML");
    assert!(error.to_string().contains("is this the address of a Vault"), "{error}");
    let silent = impostor(None);
    let error = at(silent).expect("a store").read::<Value>("a").await.expect_err("silence");
    assert!(error.is_retryable(), "{error}");
    for address in ["", "vault:8200", "ftp://vault", "https://"] {
        let error = at(address.into()).err().expect("no address");
        assert!(error.to_string().contains("is no address of a Vault"), "{error}");
    }
}
