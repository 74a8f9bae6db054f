//! How the store has answered lately: for status and for Prometheus.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use livekit_keyd_core::time::Time;
use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use super::StoreError;
use crate::api::report::StoreStatus;
use crate::clock;

/// Watches every call to the store.
pub struct Health {
    requests: IntCounterVec,
    duration: HistogramVec,
    last_success_seconds: Gauge,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    success: Option<Time>,
    /// Whether the last call was answered, be it by a no.
    answered: bool,
    failure: Option<String>,
}

impl Health {
    /// Registered for scraping.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<Health> {
        let health = Health {
            requests: IntCounterVec::new(
                Opts::new("livekit_keyd_store_requests_total", "Calls to the store."),
                &["op", "result"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "livekit_keyd_store_request_duration_seconds",
                    "How long calls to the store took.",
                ),
                &["op"],
            )?,
            last_success_seconds: Gauge::new(
                "livekit_keyd_store_last_success_timestamp_seconds",
                "When a call to the store last succeeded.",
            )?,
            last: Mutex::default(),
        };
        registry.register(Box::new(health.requests.clone()))?;
        registry.register(Box::new(health.duration.clone()))?;
        registry.register(Box::new(health.last_success_seconds.clone()))?;
        Ok(health)
    }

    /// Counts a call that began at `began`. A lost check-and-set is an answer like any other.
    pub(super) fn saw<T>(&self, op: &str, began: Instant, result: &Result<T, StoreError>) {
        let word = result.as_ref().err().map_or("ok", StoreError::as_str);
        self.requests.with_label_values(&[op, word]).inc();
        self.duration.with_label_values(&[op]).observe(began.elapsed().as_secs_f64());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) | Err(StoreError::Conflict) => {
                let now = clock::now();
                #[expect(clippy::cast_precision_loss, reason = "seconds of this era stay below 2^53")]
                self.last_success_seconds.set(now.as_secs() as f64);
                *last = Last { success: Some(now), answered: true, failure: None };
            }
            Err(error) => {
                // A refusal may be of this process's own making, without a call: then nothing new is known.
                last.answered &= !error.is_retryable();
                last.failure = Some(error.to_string());
            }
        }
    }

    pub(super) fn status(&self, kind: &str) -> StoreStatus {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        StoreStatus {
            kind: kind.to_owned(),
            reachable: last.answered,
            last_success: last.success,
            message: last.failure.clone(),
        }
    }
}
