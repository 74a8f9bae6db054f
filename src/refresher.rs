//! Keeps a signer in touch with the store.
//!
//! Each read renews the lease. What fails is tried again at the next refresh: the
//! signer goes on with the last good document, and says for how long it may. Without
//! one it tries sooner, and more slowly each time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use livekit_keyd_core::duration;
use livekit_keyd_core::pause::Refresh;
use tokio::sync::{Notify, watch};

use crate::conditions::{Conditions, Finding};
use crate::documents::{self, NoDocument};
use crate::keyset::Keyset;
use crate::random;
use crate::signer::Signer;
use crate::store::Store;

/// One keyset's refresher.
pub struct Refresher {
    /// Where the document lies.
    pub store: Arc<Store>,
    /// The keyset's place in `keysets`, whose rules a reload may change.
    pub keysets: Arc<ArcSwap<Vec<Keyset>>>,
    /// Whom to keep in touch.
    pub signer: Arc<Signer>,
    /// What is wrong now.
    pub conditions: Arc<Conditions>,
    /// Rung by `refresh`.
    pub poke: Arc<Notify>,
}

impl Refresher {
    /// Reads until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut pauses = Refresh::default();
        loop {
            self.refresh().await;
            let has_document = self.signer.keyring().is_some();
            let pause = pauses.next(self.interval(), has_document, random::fraction());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.poke.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// The document's own interval, or before there is one the configuration's.
    fn interval(&self) -> std::time::Duration {
        let known = self.signer.keyring().as_ref().map(|keyring| keyring.document.rules.refresh_interval);
        let configured = || {
            let keysets = self.keysets.load();
            let own = keysets.iter().find(|keyset| keyset.name == self.signer.keyset());
            own.map(|keyset| keyset.rules.refresh_interval)
        };
        known.or_else(configured).unwrap_or(std::time::Duration::from_secs(30))
    }

    /// Reads once.
    pub async fn refresh(&self) {
        let keyset = self.keysets.load().iter().find(|keyset| keyset.name == self.signer.keyset()).cloned();
        let Some(keyset) = keyset else { return };
        let read = documents::read(&self.store, &keyset, &self.signer).await;
        let finding = read.err().map(|why| self.finding(&keyset, &why));
        self.conditions.replace(&source(&keyset.name), finding.into_iter().collect());
    }

    fn finding(&self, keyset: &Keyset, why: &NoDocument) -> Finding {
        let usable = self.signer.keyring();
        let left =
            usable.as_ref().map(|keyring| keyring.document.rules.overlap.saturating_sub(self.signer.age()));
        let consequence = match left {
            Some(left) => format!(
                "; the last good document is used, and tokens can be signed for another {}",
                duration::format(std::time::Duration::from_secs(left.as_secs()))
            ),
            None => "; nothing can be signed before it was read once".to_owned(),
        };
        // An uninitialised keyset is no fault of anybody's.
        let new = matches!(why, NoDocument::Absent) && self.signer.mark().is_none();
        Finding {
            keyset: Some(keyset.name.clone()),
            kind: if new { "NotInitialized" } else { "StoreUnreadable" },
            degraded: true,
            reason: why.reason().to_owned(),
            message: if new { why.to_string() } else { format!("{why}{consequence}") },
        }
    }
}

/// Under which name a keyset's refresher reports what is wrong.
pub fn source(keyset: &str) -> String {
    format!("refresh {keyset}")
}
