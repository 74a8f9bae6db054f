//! What Prometheus is told of the trail.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counters of events.
#[derive(Clone)]
pub(super) struct AuditMetrics {
    /// In the trail.
    pub(super) written: IntCounter,
    /// The sink gave an error.
    pub(super) failed: IntCounter,
    /// The queue was full.
    pub(super) overflowed: IntCounter,
    /// Not written within the limit; it may be written yet.
    pub(super) late: IntCounter,
}

impl AuditMetrics {
    /// # Errors
    /// The name is registered already.
    pub(super) fn register(registry: &Registry) -> prometheus::Result<AuditMetrics> {
        let options = Opts::new("livekit_keyd_audit_events_total", "Events for the audit trail.");
        let events = IntCounterVec::new(options, &["result"])?;
        registry.register(Box::new(events.clone()))?;
        let of = |result: &str| events.with_label_values(&[result]);
        Ok(AuditMetrics {
            written: of("written"),
            failed: of("failed"),
            overflowed: of("overflowed"),
            late: of("late"),
        })
    }
}
