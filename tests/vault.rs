//! What a Vault can be asked, and a folder of files cannot: its settings, its silence, its certificates.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_keyd::store::vault::{VaultAuth, VaultConfig};
use livekit_keyd::store::{Expected, Found, Store, StoreError, VaultStore};
use serde_json::{Value, json};
use support::again;
use support::eventually::{self, PATIENCE};
use support::openbao::OpenBao;
use support::openssl;
use support::port;
use support::stores::{self, token_file, value};

/// A store over a server of its own, with the folder of its credential.
fn with_root() -> (OpenBao, tempfile::TempDir, Arc<Store>) {
    let (bao, folder) = (OpenBao::start(), tempfile::tempdir().expect("a folder"));
    let config = stores::config(&bao, token_file(folder.path(), bao.token()));
    let store = stores::vault(config);
    (bao, folder, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_made_safe_and_what_is_unsafe_is_said() {
    let (bao, _folder, store) = with_root();
    store.write("a/doc", &json!({"n": 1}), Expected::Absent).await.expect("a write");
    bao.succeed(
        "POST",
        "secret/metadata/a/doc",
        &json!({"custom_metadata": {"team": "x"}, "max_versions": 7}),
    );
    let warning = store.unprotected("a/doc").await.expect("settings").expect("it is unsafe");
    let command = "vault kv metadata put -mount=secret -cas-required=true -delete-version-after=0s a/doc";
    assert!(warning.contains(command) && warning.contains("without check-and-set"), "{warning}");
    store.protect("a/doc").await.expect("protected");
    assert_eq!(store.unprotected("a/doc").await.expect("settings"), None);
    let kept = &bao.succeed("GET", "secret/metadata/a/doc", &Value::Null)["data"];
    assert_eq!((&kept["custom_metadata"]["team"], &kept["max_versions"]), (&json!("x"), &json!(7)));
    let blind = bao.call("POST", "secret/data/a/doc", &json!({"data": {"n": 2}}));
    assert_eq!(blind.status, 400, "a write without check-and-set is refused");

    bao.succeed("POST", "secret/metadata/a/doc", &json!({"delete_version_after": "1h"}));
    let warning = store.unprotected("a/doc").await.expect("settings").expect("it vanishes");
    assert!(warning.contains("vanishes 1h") && warning.contains(command), "{warning}");
    store.protect("a/doc").await.expect("protected");

    bao.succeed("POST", "secret/config", &json!({"delete_version_after": "2h"}));
    store.write("a/doc", &json!({"n": 2}), Expected::Version(1)).await.expect("a write");
    let warning = store.unprotected("a/doc").await.expect("settings").expect("its mount lets it vanish");
    assert!(warning.contains("vault write secret/config delete_version_after=0s"), "{warning}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_told_from_what_never_was() {
    let (bao, _folder, store) = with_root();
    let first = store.write("b/doc", &json!({"n": 1}), Expected::Absent).await.expect("a write");
    let second = store.write("b/doc", &json!({"n": 2}), Expected::Version(first)).await.expect("a write");
    assert_eq!(store.older_versions("b/doc").await.expect("versions"), [first]);
    bao.succeed("DELETE", "secret/data/b/doc", &Value::Null);
    assert_eq!(value(&store, "b/doc").await, Found::Deleted { version: second });
    assert_eq!(store.write("b/doc", &json!({}), Expected::Absent).await, Err(StoreError::Conflict));
    let third = store.write("b/doc", &json!({"n": 3}), Expected::Version(second)).await.expect("over it");
    // What was deleted can be had back until it is destroyed.
    let older = store.older_versions("b/doc").await.expect("versions");
    assert_eq!(older, [first, second]);
    store.destroy("b/doc", &older).await.expect("destroyed");
    let gone = bao.call("GET", &format!("secret/data/b/doc?version={first}"), &Value::Null);
    assert_eq!(gone.status, 404);
    bao.succeed("PUT", "secret/destroy/b/doc", &json!({"versions": [third]}));
    assert_eq!(value(&store, "b/doc").await, Found::Deleted { version: third });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_sealed_silent_and_stopped_are_told_apart() {
    let (mut bao, folder, store) = with_root();
    store.write("c/doc", &json!({"n": 1}), Expected::Absent).await.expect("a write");
    assert!(store.status().reachable);

    let mount = |mount: &str| VaultConfig {
        mount: mount.into(),
        ..stores::config(&bao, token_file(folder.path(), bao.token()))
    };
    let error = stores::vault(mount("nowhere")).read::<Value>("c/doc").await.expect_err("no such mount");
    assert!(error.to_string().contains("nowhere/c/doc") && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("[store.vault] mount"), "{error}");
    bao.succeed("POST", "sys/mounts/old", &json!({"type": "kv", "options": {"version": "1"}}));
    let old = stores::vault(mount("old"));
    let write = old.write("c/doc", &json!({}), Expected::Absent).await.expect_err("it knows no versions");
    let read = old.read::<Value>("c/doc").await.expect_err("it knows no versions");
    for error in [write, read] {
        assert!(!error.is_retryable() && error.to_string().contains("of version 2"), "{error}");
    }

    let impatient = VaultConfig { timeout: Duration::from_millis(300), ..mount("secret") };
    let impatient = stores::vault(impatient);
    assert!(matches!(value(&impatient, "c/doc").await, Found::Value { .. }));
    bao.freeze();
    let began = Instant::now();
    let error = loop {
        // The signal takes a moment to reach every thread of the server.
        match impatient.read::<Value>("c/doc").await {
            Err(error) => break error,
            Ok(_) => assert!(began.elapsed() < PATIENCE, "it is halted and answers"),
        }
    };
    assert!(error.is_retryable() && error.to_string().contains("no answer within 300ms"), "{error}");
    assert!(!impatient.status().reachable);
    let error = impatient.write("c/doc", &json!({"n": 2}), Expected::Version(1)).await.expect_err("silence");
    assert!(error.is_retryable() && error.to_string().contains("may or may not have landed"), "{error}");
    bao.thaw();
    assert!(matches!(value(&store, "c/doc").await, Found::Value { .. }));

    bao.seal();
    let error = store.read::<Value>("c/doc").await.expect_err("sealed");
    assert!(error.is_retryable() && error.to_string().contains("unseal it"), "{error}");
    assert!(!store.status().reachable && store.status().last_success.is_some());
    bao.unseal();
    bao.stop();
    let error = store.write("c/doc", &json!({}), Expected::Version(1)).await.expect_err("stopped");
    assert!(error.is_retryable() && error.to_string().contains("refused"), "{error}");
    assert!(!error.to_string().contains("landed"), "it was never sent: {error}");
    bao.start_again();
    assert!(matches!(value(&store, "c/doc").await, Found::Value { .. }), "the login outlives a restart");
}

/// A server that answers every connection with the same bytes, or not at all.
fn impostor(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            match answer {
                Some(answer) => {
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => kept.push(stream),
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_vault_is_said_to_be_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |address: String| VaultConfig {
        timeout: Duration::from_millis(400),
        ..stores::at(address, token_file(folder.path(), "t"))
    };
    let cases = [
        (
            Some("HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>"),
            "is this the address of a Vault",
            false,
        ),
        (
            Some("HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>"),
            "is this the address of a Vault",
            false,
        ),
        (
            Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>"),
            "a proxy before it may be down",
            true,
        ),
        (
            Some(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            ),
            "redirects elsewhere",
            false,
        ),
        (Some("SSH-2.0-OpenSSH_9.2\r\n"), "cannot log in to Vault", true),
        (None, "no answer within 400ms", true),
    ];
    for (answer, said, retryable) in cases {
        let store = stores::vault(at(impostor(answer)));
        let error = loop {
            let error = store.read::<Value>("a").await.expect_err("no Vault");
            if !error.to_string().contains("still under way") {
                break error;
            }
        };
        assert!(error.to_string().contains(said), "{answer:?}: {error}");
        assert_eq!(error.is_retryable(), retryable, "{answer:?}: {error}");
        assert!(!error.to_string().contains("<html>"), "{error}");
    }
    for address in ["", "vault:8200", "ftp://vault", "https://"] {
        let error = VaultStore::open(at(address.into())).err().expect("no address");
        assert!(error.to_string().contains("is no address of a Vault"), "{error}");
    }
    let namespace = VaultConfig { namespace: Some("a\nb".into()), ..at("http://127.0.0.1:9".into()) };
    let error = VaultStore::open(namespace).err().expect("no namespace");
    assert!(error.to_string().contains("is no namespace"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_is_one_of_the_server() {
    let (bao, folder, store) = with_root();
    bao.succeed("POST", "sys/namespaces/team", &json!({}));
    bao.succeed("POST", "team/sys/mounts/secret", &json!({"type": "kv", "options": {"version": "2"}}));
    let auth = token_file(folder.path(), bao.token());
    let team = VaultConfig { namespace: Some("team".into()), ..stores::config(&bao, auth) };
    let team = stores::vault(team);
    eventually::eventually(PATIENCE, "the mount is ready", || {
        bao.call("GET", "team/secret/config", &Value::Null).status == 200
    });
    let document = json!({"in": "team"});
    let version = team.write("d/doc", &document, Expected::Absent).await.expect("a write");
    assert_eq!(value(&store, "d/doc").await, Found::Absent, "it is not in the root namespace");
    assert_eq!(value(&team, "d/doc").await, Found::Value { version, value: document });
}

/// Tells a process of its own where the server is, and its token.
const SERVER: &str = "TEST_STORE_SERVER";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_of_other_tools_is_not_heeded() {
    if let Some(told) = again::told(SERVER) {
        let (address, folder) = told.split_once(' ').expect("an address and a folder");
        let auth = VaultAuth::TokenFile { path: Path::new(folder).join("token") };
        let plain = stores::vault(stores::at(address.to_owned(), auth.clone()));
        plain.write("e/doc", &json!({"n": 1}), Expected::Absent).await.expect("a write");
        return;
    }
    let (bao, folder) = (OpenBao::start(), tempfile::tempdir().expect("a folder"));
    token_file(folder.path(), bao.token());
    let name = "the_environment_of_other_tools_is_not_heeded";
    let mut child = again::command(name, SERVER, format!("{} {}", bao.address(), folder.path().display()));
    let hostile = [
        ("VAULT_ADDR", "http://127.0.0.1:9"),
        ("VAULT_TOKEN", "wrong"),
        ("VAULT_NAMESPACE", "nowhere"),
        ("VAULT_CACERT", "/nonexistent"),
        ("VAULT_CAPATH", "/nonexistent"),
        ("VAULT_CLIENT_CERT", "/nonexistent"),
        ("VAULT_CLIENT_KEY", "/nonexistent"),
        ("VAULT_WRAP_TTL", "60s"),
        ("http_proxy", "http://127.0.0.1:9"),
        ("ALL_PROXY", "http://127.0.0.1:9"),
    ];
    child.envs(hostile);
    again::passes(child);
    bao.succeed("GET", "secret/data/e/doc", &Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_checked_for_the_name_that_is_wanted() {
    if let Some(told) = again::told(SERVER) {
        let (address, folder) = told.split_once(' ').expect("an address and a folder");
        return check_certificates(address, Path::new(folder)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    openssl::authority(folder.path(), "ca");
    openssl::certificate(folder.path(), "ca", "vault", "DNS:vault.example.com", "serverAuth");
    let (port, place) = (port::free(), folder.path().display());
    let bao = OpenBao::start_with(&format!(
        "listener \"tcp\" {{ address = \"127.0.0.1:{port}\", tls_cert_file = \"{place}/vault.pem\", tls_key_file = \"{place}/vault.key\" }}"
    ));
    token_file(folder.path(), bao.token());
    let name = "certificates_are_checked_for_the_name_that_is_wanted";
    let mut child = again::command(name, SERVER, format!("https://127.0.0.1:{port} {place}"));
    // What other tools take as leave to trust anybody.
    child.env("VAULT_SKIP_VERIFY", "true");
    again::passes(child);
}

async fn check_certificates(address: &str, folder: &Path) {
    let with = |ca_cert: Option<&str>, tls_server_name: Option<&str>| VaultConfig {
        ca_cert: ca_cert.map(|name| folder.join(name)),
        tls_server_name: tls_server_name.map(str::to_owned),
        ..stores::at(address.to_owned(), VaultAuth::TokenFile { path: folder.join("token") })
    };
    let trusted = stores::vault(with(Some("ca.pem"), Some("vault.example.com")));
    trusted.write("f/doc", &json!({}), Expected::Absent).await.expect("the name and the CA are right");
    let untrusted = [
        with(Some("ca.pem"), None),
        with(Some("ca.pem"), Some("other.example.com")),
        with(None, Some("vault.example.com")),
    ];
    for config in untrusted {
        let error = stores::vault(config).read::<Value>("f/doc").await.expect_err("not to be trusted");
        assert!(error.to_string().contains("ca_cert and tls_server_name"), "{error}");
    }
    std::fs::write(folder.join("none.pem"), "no certificate").expect("a file");
    for (ca_cert, name, said) in [
        (Some("none.pem"), None, "no certificate in it"),
        (Some("missing.pem"), None, "missing.pem cannot be used"),
        (Some("ca.pem"), Some("127.0.0.2"), "is no host name"),
        (Some("ca.pem"), Some("a b"), "is no host name"),
    ] {
        let error = VaultStore::open(with(ca_cert, name)).err().expect("it cannot be used");
        assert!(error.to_string().contains(said) && !error.is_retryable(), "{error}");
    }
}
