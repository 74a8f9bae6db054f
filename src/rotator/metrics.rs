//! What a rotator did and waits for, for Prometheus.

use livekit_keyd_core::plan::{Observed, Rule};
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use super::Outlook;

/// Handles of a rotator's metrics.
#[derive(Clone)]
pub struct RotatorMetrics {
    rotations: IntCounterVec,
    blocked: IntGaugeVec,
    published: IntCounterVec,
    published_seq: IntGaugeVec,
}

impl RotatorMetrics {
    /// Registered for scraping.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<RotatorMetrics> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("livekit_keyd_{name}"), help), labels)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(format!("livekit_keyd_{name}"), help), labels)
        };
        let metrics = RotatorMetrics {
            rotations: counter(
                "rotations_total",
                "Changes of key that this process committed, missed or failed to commit.",
                &["keyset", "result"],
            )?,
            blocked: gauge(
                "rotation_blocked",
                "1 while a change of key is due and waits.",
                &["keyset", "reason"],
            )?,
            published: counter(
                "publish_total",
                "Publications that this process replaced.",
                &["publisher", "result"],
            )?,
            published_seq: gauge(
                "published_seq",
                "The seq of the document that a publication was derived from.",
                &["publisher", "keyset"],
            )?,
        };
        registry.register(Box::new(metrics.rotations.clone()))?;
        registry.register(Box::new(metrics.blocked.clone()))?;
        registry.register(Box::new(metrics.published.clone()))?;
        registry.register(Box::new(metrics.published_seq.clone()))?;
        Ok(metrics)
    }

    pub(super) fn saved(&self, keyset: &str, rule: Rule, done: bool) {
        let result = match (rule, done) {
            (Rule::Fire | Rule::Request | Rule::Follow | Rule::Bootstrap, true) => "committed",
            (Rule::Fire | Rule::Request | Rule::Follow | Rule::Bootstrap, false) => "failed",
            (Rule::Miss, true) => "missed",
            _ => return,
        };
        self.rotations.with_label_values(&[keyset, result]).inc();
    }

    pub(super) fn published(&self, publisher: &str, done: bool) {
        self.published.with_label_values(&[publisher, if done { "ok" } else { "failed" }]).inc();
    }

    pub(super) fn show(&self, outlook: &Outlook) {
        self.blocked.reset();
        let commitments = |rule| matches!(rule, Rule::Fire | Rule::Request | Rule::Follow | Rule::Bootstrap);
        for blocked in outlook.plan.blocked.iter().filter(|blocked| commitments(blocked.rule)) {
            self.blocked
                .with_label_values(&[blocked.keyset.as_deref().unwrap_or_default(), blocked.reason])
                .set(1);
        }
        self.published_seq.reset();
        for (publisher, publication) in &outlook.world.publications {
            let Observed::Fresh(publication) = publication else { continue };
            for (keyset, (_, seq)) in &publication.vector.0 {
                let seq = i64::try_from(*seq).unwrap_or(i64::MAX);
                self.published_seq.with_label_values(&[publisher, keyset]).set(seq);
            }
        }
    }
}
