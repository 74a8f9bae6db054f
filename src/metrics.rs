//! What Prometheus is told of signing. Handles are resolved when a policy or a key is loaded, never on a request.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::policy::LimitedBy;
use livekit_keyd_core::time::Time;
use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let counter = IntCounterVec::new(Opts::new(format!("livekit_keyd_{name}"), help), labels)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let gauge = IntGaugeVec::new(Opts::new(format!("livekit_keyd_{name}"), help), labels)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

/// Each key's, by keyset and key.
type Known = BTreeMap<(String, KeyId), Arc<KeyHandles>>;

/// Usage of keys by this process.
#[derive(Clone)]
pub struct KeyMetrics {
    issued: IntCounterVec,
    last_used: IntGaugeVec,
    known: Arc<Mutex<Known>>,
}

/// One key's counters.
pub struct KeyHandles {
    /// Tokens that this process signed with it.
    pub issued: IntCounter,
    /// When it last did, in seconds since the Unix epoch; 0 for never.
    pub last_used: IntGauge,
}

impl KeyHandles {
    /// Counts tokens that it signed at a moment.
    pub fn saw(&self, tokens: u64, at: Time) {
        self.issued.inc_by(tokens);
        self.last_used.set(at.as_secs());
    }
}

impl KeyMetrics {
    /// Registered for scraping.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<KeyMetrics> {
        let labels = ["keyset", "key_id"];
        Ok(KeyMetrics {
            issued: counter(
                registry,
                "key_tokens_issued_total",
                "Tokens signed with a key by this process.",
                &labels,
            )?,
            last_used: gauge(
                registry,
                "key_last_used_timestamp_seconds",
                "When this process last signed with a key; 0 for never.",
                &labels,
            )?,
            known: Arc::default(),
        })
    }

    /// A key's counters, made at the first call.
    pub fn handles(&self, keyset: &str, key: &KeyId) -> Arc<KeyHandles> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (keyset.to_owned(), key.clone());
        let handles = known.entry(place).or_insert_with(|| {
            let labels = [keyset, key.as_str()];
            Arc::new(KeyHandles {
                issued: self.issued.with_label_values(&labels),
                last_used: self.last_used.with_label_values(&labels),
            })
        });
        Arc::clone(handles)
    }

    /// Drops the series of keys whose secret is gone.
    pub fn forget_erased(&self, keyset: &str, document: &Document) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(own, id), _| {
            let lives = document.key(id).is_some_and(|key| key.erased_at.is_none());
            let keep = own != keyset || lives;
            if !keep {
                // A series that is not there any more is as good as removed.
                let labels = [own.as_str(), id.as_str()];
                let _ = self.issued.remove_label_values(&labels);
                let _ = self.last_used.remove_label_values(&labels);
            }
            keep
        });
    }
}

/// Requests on the signing socket.
#[derive(Clone)]
pub struct SignMetrics {
    issued: IntCounterVec,
    requests: IntCounterVec,
    denied: IntCounterVec,
    limited: IntCounterVec,
    clamped: IntCounterVec,
    /// How long a token request took.
    pub duration: Histogram,
    /// Tokens that were verified, by what came out.
    pub verified: IntCounterVec,
    /// Open connections, by socket.
    pub connections: IntGaugeVec,
}

/// The results of a token request, as the metric names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A token.
    Ok,
    /// 400.
    Malformed,
    /// 403.
    Denied,
    /// 422.
    NotAToken,
    /// 429.
    RateLimited,
    /// 503.
    Unavailable,
}

impl Outcome {
    const ALL: [Outcome; 6] = [
        Outcome::Ok,
        Outcome::Malformed,
        Outcome::Denied,
        Outcome::NotAToken,
        Outcome::RateLimited,
        Outcome::Unavailable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Malformed => "malformed",
            Outcome::Denied => "denied",
            Outcome::NotAToken => "not_a_token",
            Outcome::RateLimited => "rate_limited",
            Outcome::Unavailable => "unavailable",
        }
    }
}

/// One caller's counters.
#[derive(Clone)]
pub struct CallerMetrics {
    issued: IntCounter,
    requests: [IntCounter; 6],
    limited: IntCounter,
    clamped: [IntCounter; 5],
    denied: IntCounterVec,
    caller: String,
}

impl CallerMetrics {
    /// Counts tokens that it was given.
    pub fn issued(&self, tokens: u64) {
        self.issued.inc_by(tokens);
        self.saw_many(Outcome::Ok, tokens);
    }

    /// Counts one token request.
    pub fn saw(&self, outcome: Outcome) {
        self.saw_many(outcome, 1);
    }

    /// Counts some requests that ended alike.
    pub fn saw_many(&self, outcome: Outcome, requests: u64) {
        self.requests[outcome as usize].inc_by(requests);
    }

    /// Counts a token that was one too many.
    pub fn limited(&self) {
        self.limited.inc();
    }

    /// Counts a shortened life.
    pub fn clamped(&self, by: LimitedBy) {
        self.clamped[by as usize].inc();
    }

    /// Counts a denial; not on the way of a token that is signed.
    pub fn denied(&self, rule: &str) {
        self.denied.with_label_values(&[self.caller.as_str(), rule]).inc();
    }
}

impl SignMetrics {
    /// Registered for scraping.
    ///
    /// # Errors
    /// A name is registered already.
    pub fn register(registry: &Registry) -> prometheus::Result<SignMetrics> {
        // From a fast signature to a slow machine, in seconds.
        let buckets = vec![0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0];
        let options = HistogramOpts::new(
            "livekit_keyd_token_request_duration_seconds",
            "How long a token request took, from its last byte to its answer.",
        );
        let duration = Histogram::with_opts(options.buckets(buckets))?;
        registry.register(Box::new(duration.clone()))?;
        let info = gauge(registry, "build_info", "Always 1.", &["version"])?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(SignMetrics {
            issued: counter(registry, "tokens_issued_total", "Tokens signed.", &["keyset", "caller"])?,
            requests: counter(
                registry,
                "token_requests_total",
                "Requests for a token.",
                &["caller", "result"],
            )?,
            denied: counter(
                registry,
                "policy_denied_total",
                "Requests that policy denied.",
                &["caller", "rule"],
            )?,
            limited: counter(
                registry,
                "rate_limited_total",
                "Tokens that a caller's rate and burst did not allow.",
                &["caller"],
            )?,
            clamped: counter(registry, "ttl_clamped_total", "Lives that were shortened.", &["keyset", "by"])?,
            duration,
            verified: counter(registry, "tokens_verified_total", "Tokens that were verified.", &["result"])?,
            connections: gauge(registry, "connections", "Open connections.", &["socket"])?,
        })
    }

    /// One caller's counters.
    pub fn caller(&self, keyset: &str, caller: &str) -> CallerMetrics {
        CallerMetrics {
            issued: self.issued.with_label_values(&[keyset, caller]),
            requests: Outcome::ALL
                .map(|outcome| self.requests.with_label_values(&[caller, outcome.as_str()])),
            clamped: LimitedBy::ALL.map(|by| self.clamped.with_label_values(&[keyset, by.as_str()])),
            limited: self.limited.with_label_values(&[caller]),
            denied: self.denied.clone(),
            caller: caller.to_owned(),
        }
    }

    /// Counts a request of somebody whom no `[[caller]]` matches.
    pub fn nobody(&self) {
        self.requests.with_label_values(&["", Outcome::Denied.as_str()]).inc();
        self.denied.with_label_values(&["", "no-caller"]).inc();
    }

    /// Drops the series of callers that are configured no more; `callers` are those that are, as keyset and name.
    ///
    /// A caller that moved to another keyset keeps its requests. Connections that
    /// still hold a dropped series count into nothing.
    pub fn keep_callers(&self, callers: &BTreeSet<(&str, &str)>) {
        let named = |name: &str| name.is_empty() || callers.iter().any(|(_, known)| *known == name);
        drop_series(&self.issued, |labels| callers.contains(&(labels["keyset"], labels["caller"])));
        drop_series(&self.requests, |labels| named(labels["caller"]));
        drop_series(&self.denied, |labels| named(labels["caller"]));
        drop_series(&self.limited, |labels| named(labels["caller"]));
    }
}

/// Drops all series but those to keep.
pub(crate) fn drop_series<B: MetricVecBuilder>(
    series_of: &MetricVec<B>,
    keep: impl Fn(&HashMap<&str, &str>) -> bool,
) {
    for family in series_of.collect() {
        for series in family.get_metric() {
            let labels = series.get_label().iter().map(|label| (label.name(), label.value())).collect();
            if !keep(&labels) {
                // A series that is not there any more is as good as removed.
                let _ = series_of.remove(&labels);
            }
        }
    }
}
