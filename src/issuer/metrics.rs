//! What Prometheus is told of sign-on.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::clock;
use crate::metrics::drop_series;

/// All issuers' counters.
#[derive(Clone)]
pub struct IssuerMetrics {
    reads: IntCounterVec,
    read_at: IntGaugeVec,
    sign_ons: IntCounterVec,
}

/// The counters of one issuer's keys.
pub(super) struct ProviderMetrics {
    good: prometheus::IntCounter,
    failed: prometheus::IntCounter,
    read_at: IntGauge,
}

impl IssuerMetrics {
    /// Registered for scraping.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<IssuerMetrics> {
        let name = |name: &str, help: &str| Opts::new(format!("livekit_keyd_{name}"), help);
        let metrics = IssuerMetrics {
            reads: IntCounterVec::new(
                name("issuer_key_reads_total", "Readings of an issuer's keys."),
                &["issuer", "result"],
            )?,
            read_at: IntGaugeVec::new(
                name(
                    "issuer_keys_last_success_timestamp_seconds",
                    "When an issuer's keys were last read; 0 for never.",
                ),
                &["issuer"],
            )?,
            sign_ons: IntCounterVec::new(
                name("sign_ons_total", "Subject tokens that were judged."),
                &["issuer", "result"],
            )?,
        };
        registry.register(Box::new(metrics.reads.clone()))?;
        registry.register(Box::new(metrics.read_at.clone()))?;
        registry.register(Box::new(metrics.sign_ons.clone()))?;
        Ok(metrics)
    }

    /// Counts a subject token; of an issuer that is not configured, no name is counted.
    pub fn judged(&self, issuer: Option<&str>, result: &str) {
        self.sign_ons.with_label_values(&[issuer.unwrap_or_default(), result]).inc();
    }

    pub(super) fn provider(&self, issuer: &str) -> ProviderMetrics {
        ProviderMetrics {
            good: self.reads.with_label_values(&[issuer, "ok"]),
            failed: self.reads.with_label_values(&[issuer, "failed"]),
            read_at: self.read_at.with_label_values(&[issuer]),
        }
    }

    /// Drops the series of issuers that are configured no more.
    pub(super) fn keep(&self, configured: impl Fn(&str) -> bool) {
        let keep = |labels: &std::collections::HashMap<&str, &str>| {
            let issuer = labels.get("issuer").copied().unwrap_or_default();
            issuer.is_empty() || configured(issuer)
        };
        drop_series(&self.reads, keep);
        drop_series(&self.read_at, keep);
        drop_series(&self.sign_ons, keep);
    }
}

impl ProviderMetrics {
    pub(super) fn read(&self, good: bool) {
        if good {
            self.good.inc();
            self.read_at.set(clock::now().as_secs());
        } else {
            self.failed.inc();
        }
    }
}
