//! What each keyset's last good document says, computed when Prometheus asks.
//!
//! Phases change by the clock alone, so a stored gauge would be wrong between two
//! events; and a key that is gone needs no clearing up.

use std::collections::BTreeMap;
use std::sync::Arc;

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::Key;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::time::Time;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, Opts};

use crate::clock;
use crate::signer::Signer;
use crate::store::Store;

/// One scrape's gauges.
struct Gauges {
    phase: GaugeVec,
    created: GaugeVec,
    not_after: GaugeVec,
    last_rotation: GaugeVec,
    next_rotation: GaugeVec,
    seq: GaugeVec,
    login_expiry: GaugeVec,
    usable: GaugeVec,
}

const PER_KEY: [&str; 2] = ["keyset", "key_id"];

impl Gauges {
    fn new() -> prometheus::Result<Gauges> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            GaugeVec::new(Opts::new(format!("livekit_keyd_{name}"), help), labels)
        };
        Ok(Gauges {
            phase: gauge("key_phase", "1 for the phase that a key is in.", &["keyset", "key_id", "phase"])?,
            created: gauge("key_created_timestamp_seconds", "When a key was made.", &PER_KEY)?,
            not_after: gauge("key_not_after_timestamp_seconds", "No token of a key lives longer.", &PER_KEY)?,
            last_rotation: gauge(
                "rotation_last_success_timestamp_seconds",
                "From when on the newest committed key signs.",
                &["keyset"],
            )?,
            next_rotation: gauge(
                "rotation_next_timestamp_seconds",
                "The next firing of the schedule.",
                &["keyset"],
            )?,
            seq: gauge("document_seq", "The seq of the last good document.", &["keyset"])?,
            login_expiry: gauge(
                "store_token_expiry_timestamp_seconds",
                "Until when the login to the store lives; none for one that never ends.",
                &[],
            )?,
            usable: gauge("keyset_usable", "1 while a token can be signed here.", &["keyset"])?,
        })
    }

    fn all(&self) -> [&GaugeVec; 8] {
        [
            &self.phase,
            &self.created,
            &self.not_after,
            &self.last_rotation,
            &self.next_rotation,
            &self.seq,
            &self.login_expiry,
            &self.usable,
        ]
    }
}

/// A collector over the documents of all keysets.
pub struct KeysetMetrics {
    store: Arc<Store>,
    signers: Arc<BTreeMap<String, Arc<Signer>>>,
    descriptions: Vec<Desc>,
}

impl KeysetMetrics {
    /// Over these signers and their store.
    ///
    /// # Errors
    /// A metric's name is not one.
    pub fn new(
        store: Arc<Store>,
        signers: Arc<BTreeMap<String, Arc<Signer>>>,
    ) -> prometheus::Result<KeysetMetrics> {
        let gauges = Gauges::new()?;
        let descriptions = gauges.all().iter().flat_map(|gauge| gauge.desc()).cloned().collect();
        Ok(KeysetMetrics { store, signers, descriptions })
    }
}

impl Collector for KeysetMetrics {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(gauges) = Gauges::new() else { return Vec::new() };
        let now = clock::now();
        if let Some(expiry) = self.store.session().and_then(|session| session.expires_at) {
            gauges.login_expiry.with_label_values::<&str>(&[]).set(seconds(expiry));
        }
        for (name, signer) in self.signers.iter() {
            let usable = if signer.usable(now).is_ok() { 1.0 } else { 0.0 };
            gauges.usable.with_label_values(&[name]).set(usable);
            if let Some(keyring) = signer.keyring().as_ref() {
                show(&gauges, name, &keyring.document, now);
            }
        }
        gauges
            .all()
            .iter()
            .flat_map(|gauge| gauge.collect())
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

fn show(gauges: &Gauges, keyset: &str, document: &Document, now: Time) {
    #[expect(clippy::cast_precision_loss, reason = "a seq stays far below 2^53")]
    gauges.seq.with_label_values(&[keyset]).set(document.seq as f64);
    for key in document.keys.iter().filter(|key| key.erased_at.is_none()) {
        let labels = [keyset, key.id.as_str()];
        let phase = Phase::of(document, key, now);
        for each in Phase::ALL.into_iter().filter(|each| *each != Phase::Erased) {
            let value = if each == phase { 1.0 } else { 0.0 };
            gauges.phase.with_label_values(&[keyset, key.id.as_str(), each.as_str()]).set(value);
        }
        let compromised = if key.compromised_at.is_some() { 1.0 } else { 0.0 };
        gauges.phase.with_label_values(&[keyset, key.id.as_str(), "compromised"]).set(compromised);
        gauges.created.with_label_values(&labels).set(seconds(key.created_at));
        if let Some(not_after) = key.not_after {
            gauges.not_after.with_label_values(&labels).set(seconds(not_after));
        }
    }
    if let Some(last) = document.active(now).and_then(Key::commitment) {
        gauges.last_rotation.with_label_values(&[keyset]).set(seconds(last.not_before));
    }
    if let Some(next) = document.next_firing() {
        gauges.next_rotation.with_label_values(&[keyset]).set(seconds(next));
    }
}

/// As Prometheus wants times.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this era stay below 2^53")]
fn seconds(time: Time) -> f64 {
    time.as_millis() as f64 / 1000.0
}
