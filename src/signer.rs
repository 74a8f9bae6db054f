//! What this process signs with: the last good document of a keyset, and when it was asked for.
//!
//! A signer needs the store to hear of changes, not to work. Signing reads one
//! pointer and two atomics; a new document is swapped in whole beside it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use aws_lc_rs::hmac;
use jsonwebtoken::DecodingKey;
use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::snapshot::{Snapshot, Unusable};
use livekit_keyd_core::time::Time;
use livekit_keyd_core::watermark::{Watermark, WentBack};

use crate::clock::BootTime;
use crate::metrics::{KeyHandles, KeyMetrics};

/// A key that is ready to sign.
pub struct SigningKey {
    /// Its id: the `iss` of its tokens.
    pub id: KeyId,
    /// For HS256 (RFC 7518, section 3.2). To make it of the secret costs half of a signature.
    pub hmac: hmac::Key,
    /// Its use by this process, counted for Prometheus.
    pub usage: Arc<KeyHandles>,
}

/// A key whose tokens can be recognised: every one whose secret the document has.
pub struct VerifyingKey {
    /// Its id.
    pub id: KeyId,
    /// For [`jsonwebtoken::crypto::verify`].
    pub decoding: DecodingKey,
}

/// A document and what was resolved from it, once.
pub struct Keyring {
    /// The document itself.
    pub document: Arc<Document>,
    /// Says which of `signing` to use.
    pub snapshot: Snapshot,
    /// In the order of [`Snapshot::candidates`].
    pub signing: Vec<SigningKey>,
    /// Keys whose tokens can be recognised.
    pub verifying: Vec<VerifyingKey>,
}

/// One keyset's signer.
pub struct Signer {
    keyset: String,
    metrics: KeyMetrics,
    keyring: ArcSwapOption<Keyring>,
    /// Boot-time milliseconds at which the last good answer was asked for.
    asked_at: AtomicU64,
    history: Mutex<History>,
}

/// What a signer never forgets while it runs.
#[derive(Default)]
struct History {
    mark: Option<Watermark>,
    compromised: BTreeSet<KeyId>,
}

/// Why a signer has nothing to sign with.
#[derive(Debug, PartialEq, Eq)]
pub enum NoKey {
    /// No document was read since this process started.
    NeverRead,
    /// The document says so.
    Unusable(Unusable),
}

impl std::fmt::Display for NoKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoKey::NeverRead => f.write_str(
                "the keyset's document has not been read since this process started; `livekit-keyd status` tells why",
            ),
            NoKey::Unusable(why) => why.fmt(f),
        }
    }
}

impl Signer {
    /// Knows nothing yet, or a mark from an earlier life of this process.
    pub fn new(keyset: &str, metrics: KeyMetrics, mark: Option<Watermark>) -> Signer {
        Signer {
            keyset: keyset.to_owned(),
            metrics,
            keyring: ArcSwapOption::empty(),
            asked_at: AtomicU64::new(0),
            history: Mutex::new(History { mark, compromised: BTreeSet::new() }),
        }
    }

    /// The keyset's name.
    pub fn keyset(&self) -> &str {
        &self.keyset
    }

    /// Takes over a document that was asked for at a moment, unless the store went back.
    ///
    /// An answer that is refused does not renew the lease.
    ///
    /// # Errors
    /// How the document does not continue what was seen before; the last good one stays in use.
    pub fn offer(&self, document: &Arc<Document>, asked_at: BootTime) -> Result<(), WentBack> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = &history.mark {
            mark.admits(document)?;
        }
        let known = history.mark.as_ref().map(|mark| mark.seq);
        history.mark = Watermark::of(document);
        let compromised = document.keys.iter().filter(|key| key.compromised_at.is_some());
        history.compromised.extend(compromised.map(|key| key.id.clone()));
        if known != Some(document.seq) || self.keyring.load().is_none() {
            let keyring = self.resolve(document, &history.compromised);
            self.keyring.store(Some(Arc::new(keyring)));
        }
        self.asked_at.fetch_max(asked_at.as_millis(), Ordering::Release);
        Ok(())
    }

    /// Forgets what was seen before, because an operator gave it up: a new document begins.
    pub fn forget(&self) {
        *self.history.lock().unwrap_or_else(PoisonError::into_inner) = History::default();
        self.keyring.store(None);
    }

    fn resolve(&self, document: &Arc<Document>, compromised: &BTreeSet<KeyId>) -> Keyring {
        let snapshot = Snapshot::new(document, compromised);
        let secret_of = |id: &KeyId| document.key(id).and_then(|key| key.secret.as_ref());
        let signing = snapshot.candidates().iter().filter_map(|candidate| {
            Some(SigningKey {
                id: candidate.id.clone(),
                hmac: hmac::Key::new(hmac::HMAC_SHA256, secret_of(&candidate.id)?.expose().as_bytes()),
                usage: self.metrics.handles(&self.keyset, &candidate.id),
            })
        });
        let verifying = |key: &Key| {
            let secret = key.secret.as_ref()?;
            Some(VerifyingKey {
                id: key.id.clone(),
                decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
            })
        };
        let keyring = Keyring {
            signing: signing.collect(),
            verifying: document.keys.iter().filter_map(verifying).collect(),
            snapshot,
            document: Arc::clone(document),
        };
        self.metrics.forget_erased(&self.keyset, document);
        keyring
    }

    /// What was resolved from the last good document, without a lock.
    pub fn keyring(&self) -> Guard<Option<Arc<Keyring>>> {
        self.keyring.load()
    }

    /// How long ago the last good document was asked for.
    pub fn age(&self) -> Duration {
        BootTime::from_millis(self.asked_at.load(Ordering::Acquire)).elapsed()
    }

    /// The newest document that was accepted.
    pub fn mark(&self) -> Option<Watermark> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).mark.clone()
    }

    /// Whether a token could be minted now.
    ///
    /// # Errors
    /// Why not.
    pub fn usable(&self, now: Time) -> Result<(), NoKey> {
        let keyring = self.keyring();
        let keyring = keyring.as_ref().ok_or(NoKey::NeverRead)?;
        keyring.snapshot.at(now, self.age()).map(|_| ()).map_err(NoKey::Unusable)
    }
}
