//! The way to the store: its login, and its clock.

use std::time::Instant;

use livekit_keyd_core::duration;
use prometheus::Registry;

use super::{Outcome, clock_skew, now};
use crate::config::{Config, StoreConfig};
use crate::fleet::clock_difference;
use crate::store::vault::VaultAuth;
use crate::store::{Backend, FileStore, Health, Store, StoreError, VaultStore};

/// The store, if it can be used.
pub(super) async fn login(config: &Config) -> (Option<Store>, Outcome) {
    if let StoreConfig::Vault(vault) = &config.store
        && let VaultAuth::AppRole { secret_id, wrapping_path: Some(_), .. } = &vault.auth
    {
        let why = format!(
            "not tried, and so nothing that needs the store: it would use up the wrapped secret id in {}, which works once, and the daemon would take it for stolen; look at `status` of the running daemon, or give check a configuration with a secret id of its own",
            secret_id.display()
        );
        return (None, Outcome::warn("login", why));
    }
    match open(config).await {
        Ok(store) => {
            let why = match &config.store {
                StoreConfig::File { folder } => format!("the store's folder {} is there", folder.display()),
                StoreConfig::Vault(vault) => format!("Vault at {} lets this process in", vault.address),
            };
            (Some(store), Outcome::pass("login", why))
        }
        Err(error) => (None, Outcome::fail("login", error.to_string())),
    }
}

async fn open(config: &Config) -> Result<Store, StoreError> {
    let backend = match &config.store {
        StoreConfig::File { folder } => Backend::File(FileStore::existing(folder)?),
        StoreConfig::Vault(vault) => Backend::Vault(Box::new(VaultStore::open((**vault).clone())?)),
    };
    let health = Health::register(&Registry::new())
        .map_err(|error| StoreError::Refused { sentence: format!("no store can be watched: {error}") })?;
    let store = Store::new(backend, health);
    store.log_in().await?;
    Ok(store)
}

/// Compares this machine's clock with the store's, which stands for those of the other machines.
pub(super) async fn clock(config: &Config, store: &Store) -> Vec<Outcome> {
    let (sent, began) = (now(), Instant::now());
    let date = store.date().await;
    let Some(difference) = date.and_then(|date| clock_difference(&date, sent, began.elapsed())) else {
        return Vec::new();
    };
    let most = clock_skew(config);
    vec![if difference > most {
        let why = format!(
            "the clock of the store and of this machine differ by {} or more, and clock_skew allows {}: keys would be used at the wrong time; keep the clocks together with NTP",
            duration::format(difference),
            duration::format(most)
        );
        Outcome::warn("clock", why)
    } else {
        Outcome::pass("clock", "the clocks of the store and of this machine agree")
    }]
}
