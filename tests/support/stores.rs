//! Stores to try, and how to ask them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd::store::vault::{VaultAuth, VaultConfig};
use livekit_keyd::store::{Backend, FileStore, Found, Health, Store, VaultStore};
use serde_json::Value;

use super::openbao::OpenBao;

/// The sections of a configuration whose store is a folder of files.
pub(crate) const FILES: &str = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";

/// A folder as a store.
pub(crate) fn files(folder: &Path) -> Arc<Store> {
    watched(Backend::File(FileStore::open(folder).expect("a store")))
}

/// A Vault as a store.
pub(crate) fn vault(config: VaultConfig) -> Arc<Store> {
    watched(Backend::Vault(Box::new(VaultStore::open(config).expect("a store"))))
}

fn watched(backend: Backend) -> Arc<Store> {
    let health = Health::register(&prometheus::Registry::new()).expect("metrics");
    Arc::new(Store::new(backend, health))
}

/// The mount `secret` of an OpenBao.
pub(crate) fn config(bao: &OpenBao, auth: VaultAuth) -> VaultConfig {
    at(bao.address(), auth)
}

/// The mount `secret` at an address.
pub(crate) fn at(address: String, auth: VaultAuth) -> VaultConfig {
    VaultConfig {
        address,
        mount: "secret".into(),
        namespace: None,
        ca_cert: None,
        tls_server_name: None,
        timeout: Duration::from_secs(5),
        auth,
    }
}

/// A file with a credential.
pub(crate) fn file_with(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a credential");
    path
}

/// A token in a file, with the newline that an editor leaves.
pub(crate) fn token_file(folder: &Path, token: &str) -> VaultAuth {
    VaultAuth::TokenFile { path: file_with(folder, "token", &format!("{token}\n")) }
}

/// What lies at a path.
pub(crate) async fn value(store: &Store, path: &str) -> Found<Value> {
    store.read::<Value>(path).await.expect("a read")
}
