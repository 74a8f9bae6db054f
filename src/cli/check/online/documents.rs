//! Whether each keyset's document can be read and is believed.

use std::sync::Arc;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use prometheus::Registry;

use super::{Outcome, now};
use crate::config::{Config, KeysetConfig};
use crate::documents::{self, NoDocument};
use crate::marks::Marks;
use crate::metrics::KeyMetrics;
use crate::signer::Signer;
use crate::store::Store;

/// The keys that sign now, with what was found.
pub(super) async fn check(config: &Config, store: &Store) -> (Vec<KeyId>, Vec<Outcome>) {
    let (mut active, mut outcomes) = (Vec::new(), Vec::new());
    for keyset in &config.keysets {
        let document = read(config, store, keyset, &mut outcomes).await;
        active.extend(document.and_then(|document| Some(document.active(now())?.id.clone())));
        if config.role.rotates() {
            outcomes.extend(beside(store, keyset).await);
        }
    }
    (active, outcomes)
}

async fn read(
    config: &Config,
    store: &Store,
    KeysetConfig { keyset, .. }: &KeysetConfig,
    outcomes: &mut Vec<Outcome>,
) -> Option<Arc<Document>> {
    let what = format!("document of keyset `{}`", keyset.name);
    // Which registry is all that can be wrong with it, and this one is new.
    let metrics = KeyMetrics::register(&Registry::new()).ok()?;
    let mark = config.state_dir.clone().and_then(|folder| Marks::new(folder).load(&keyset.name));
    let signer = Signer::new(&keyset.name, metrics, mark);
    match documents::read(store, keyset, &signer).await {
        Ok(read) => {
            outcomes.push(match signer.usable(now()) {
                Ok(()) => Outcome::pass(what, format!("{} is readable and believed", keyset.path)),
                Err(why) => Outcome::warn(what, format!("it is readable, and nothing signs: {why}")),
            });
            Some(read.document)
        }
        Err(error @ NoDocument::Absent) if config.role.rotates() => {
            outcomes.push(Outcome::warn(what, error.to_string()));
            None
        }
        Err(error) => {
            outcomes.push(Outcome::fail(what, error.to_string()));
            None
        }
    }
}

/// What only a rotator reads.
async fn beside(store: &Store, KeysetConfig { keyset, .. }: &KeysetConfig) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    if let Some(source) = &keyset.source {
        let what = format!("source of keyset `{}`", keyset.name);
        outcomes.push(match crate::source::read(store, source).await {
            Ok(there) => Outcome::pass(what, format!("{} has {}", source.path, there.id)),
            Err(why) => Outcome::fail(what, why),
        });
    } else if let Err(error) = store.list(&keyset.standby_folder()).await {
        let what = format!("standby secrets of keyset `{}`", keyset.name);
        outcomes.push(Outcome::fail(what, error.to_string()));
    }
    let what = format!("protection of keyset `{}`", keyset.name);
    match store.unprotected(&keyset.path).await {
        Ok(None) => {}
        Ok(Some(why)) => outcomes.push(Outcome::warn(what, why)),
        Err(error) => outcomes.push(Outcome::fail(what, error.to_string())),
    }
    outcomes
}
