//! One suite that every store passes.

mod support;

use std::sync::Arc;

use livekit_keyd::store::{Expected, Found, Store, StoreError};
use serde_json::{Value, json};
use support::openbao::OpenBao;
use support::stores::{self, value};

async fn conforms(store: Arc<Store>) {
    check_and_set(&store).await;
    values_and_folders(&store).await;
    versions(&store).await;
    paths(&store).await;
    assert!(store.status().reachable, "{:?}", store.status());
}

async fn check_and_set(store: &Arc<Store>) {
    assert_eq!(value(store, "a/doc").await, Found::Absent);
    let lost = store.write("a/doc", &json!({}), Expected::Version(1)).await;
    assert_eq!(lost, Err(StoreError::Conflict), "nothing is there to replace");

    let first = json!({"n": 1, "later": {"x": [1, null]}});
    let version = store.write("a/doc", &first, Expected::Absent).await.expect("a first write");
    assert_eq!(store.write("a/doc", &json!({"n": 9}), Expected::Absent).await, Err(StoreError::Conflict));
    assert_eq!(value(store, "a/doc").await, Found::Value { version, value: first }, "all of it is kept");

    let second = store.write("a/doc", &json!({"n": 2}), Expected::Version(version)).await;
    let second = second.expect("a second write");
    assert!(second > version);
    let lost = store.write("a/doc", &json!({"n": 9}), Expected::Version(version)).await;
    assert_eq!(lost, Err(StoreError::Conflict));
    one_winner(store, "a/doc", Expected::Version(second)).await;
    one_winner(store, "a/new", Expected::Absent).await;
}

async fn one_winner(store: &Arc<Store>, path: &'static str, expected: Expected) {
    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let store = Arc::clone(store);
            tokio::spawn(
                async move { (writer, store.write(path, &json!({ "writer": writer }), expected).await) },
            )
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        match writer.await.expect("a writer") {
            (writer, Ok(version)) => winners.push((writer, version)),
            (_, Err(error)) => assert_eq!(error, StoreError::Conflict),
        }
    }
    assert_eq!(winners.len(), 1, "one winner: {winners:?}");
    let (winner, version) = winners[0];
    assert_eq!(value(store, path).await, Found::Value { version, value: json!({ "writer": winner }) });
}

async fn values_and_folders(store: &Store) {
    assert_eq!(store.list("b/doc/standby").await.expect("a list"), Vec::<String>::new());
    store.write("b/doc", &json!({"secret": "marigold"}), Expected::Absent).await.expect("a write");
    let big = json!({ "text": "x".repeat(200_000), "letters": "ä\u{0}\u{1f511}\n\"" });
    store.write("b/doc/standby/APIx", &big, Expected::Absent).await.expect("a big write");
    store.write("b/doc/standby/APIy", &json!({"secret": "y"}), Expected::Absent).await.expect("a write");
    store.write("b/doc/standby/deeper/z", &json!({}), Expected::Absent).await.expect("a write");
    assert_eq!(store.list("b/doc/standby").await.expect("a list"), ["APIx", "APIy"]);
    assert!(matches!(value(store, "b/doc/standby/APIx").await, Found::Value { value, .. } if value == big));

    let many = json!({"keys": (0..2000).map(|n| json!({"id": n.to_string()})).collect::<Vec<_>>()});
    store.write("b/many", &many, Expected::Absent).await.expect("a document of a long life");
    assert!(matches!(value(store, "b/many").await, Found::Value { value, .. } if value == many));

    #[derive(serde::Deserialize)]
    struct Other {
        #[expect(dead_code, reason = "it is never there")]
        secret: u64,
    }
    let wrong = store.read::<Other>("b/doc").await.err().expect("a secret is no number");
    assert!(matches!(&wrong, StoreError::Malformed { .. }) && !wrong.is_retryable(), "{wrong}");
    assert!(wrong.to_string().contains("b/doc") && !wrong.to_string().contains("marigold"), "{wrong}");

    store.remove("b/doc/standby/APIx").await.expect("removed");
    store.remove("b/doc/standby/APIx").await.expect("removed again");
    assert_eq!(value(store, "b/doc/standby/APIx").await, Found::Absent);
    assert_eq!(store.list("b/doc/standby").await.expect("a list"), ["APIy"]);
    store.write("b/doc/standby/APIx", &json!({"n": 1}), Expected::Absent).await.expect("as if it never was");
}

async fn versions(store: &Store) {
    assert_eq!(store.older_versions("c/doc").await.expect("of nothing"), Vec::<u64>::new());
    assert_eq!(store.unprotected("c/doc").await.expect("of nothing"), None);
    store.protect("c/doc").await.expect("protected before it is there");
    assert_eq!(value(store, "c/doc").await, Found::Absent, "settings alone are no document");
    let mut expected = Expected::Absent;
    for n in 0..3 {
        let version = store.write("c/doc", &json!({ "n": n }), expected).await.expect("a write");
        expected = Expected::Version(version);
    }
    assert_eq!(store.unprotected("c/doc").await.expect("settings"), None);
    let older = store.older_versions("c/doc").await.expect("versions");
    store.destroy("c/doc", &older).await.expect("destroyed");
    store.destroy("c/doc", &older).await.expect("destroyed again");
    assert_eq!(store.older_versions("c/doc").await.expect("versions"), Vec::<u64>::new());
    let current = value(store, "c/doc").await;
    assert!(matches!(current, Found::Value { ref value, .. } if *value == json!({"n": 2})), "{current:?}");
}

async fn paths(store: &Store) {
    for path in ["../x", "a/../../x", "/etc/x", "a//b", ".lock", "a/.b", "", "a.json/b", "a?b", "a b", "ä"] {
        let write = store.write(path, &json!({}), Expected::Absent).await.expect_err(path);
        let read = store.read::<Value>(path).await.expect_err(path);
        let remove = store.remove(path).await.expect_err(path);
        for error in [write, read, remove] {
            assert!(matches!(error, StoreError::Refused { .. }), "{path}: {error}");
        }
    }
    let path = format!("A-b_c.d/{}", "x".repeat(200));
    store.write(&path, &json!({}), Expected::Absent).await.expect("a path as odd as they may be");
    assert!(matches!(value(store, &path).await, Found::Value { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_conform() {
    let folder = tempfile::tempdir().expect("a folder");
    conforms(stores::files(&folder.path().join("store"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vault_conforms() {
    let (bao, folder) = (OpenBao::start(), tempfile::tempdir().expect("a folder"));
    let auth = stores::token_file(folder.path(), bao.token());
    conforms(stores::vault(stores::config(&bao, auth))).await;
}
