//! A reload: callers, profiles, log level, schedules and rules change without a dropped request.
//!
//! A bad configuration is refused whole; the old one stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus::{IntGauge, Registry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::api::admin::ReloadRequest;
use crate::api::callers::Callers;
use crate::audit::Trail;
use crate::clock;
use crate::conditions::{Conditions, Finding};
use crate::config::{self, Config, review};
use crate::issuer::Providers;
use crate::keyset::Keyset;
use crate::logging;
use crate::metrics::SignMetrics;
use crate::rotator::Rotator;
use crate::signer::Signer;

/// What a reload may change, and whom it tells.
pub(super) struct Reloader<'a> {
    pub(super) registry: &'a Registry,
    pub(super) keysets: Arc<ArcSwap<Vec<Keyset>>>,
    pub(super) callers: Arc<ArcSwap<Callers>>,
    pub(super) providers: Providers,
    pub(super) conditions: Arc<Conditions>,
    pub(super) log: logging::Level,
    pub(super) poke: Option<Arc<Rotator>>,
    pub(super) signers: Arc<BTreeMap<String, Arc<Signer>>>,
    pub(super) metrics: SignMetrics,
    pub(super) trail: Option<Arc<Trail>>,
}

/// What a review of the configuration warns of.
pub(super) fn tell(warnings: &[review::Finding]) {
    for review::Finding { what, why, .. } in warnings {
        tracing::warn!(what, "{why}");
    }
}

/// Whether the last reload was a good one, and when the last good one was.
struct ReloadMetrics {
    successful: IntGauge,
    at: IntGauge,
}

impl ReloadMetrics {
    fn register(registry: &Registry) -> prometheus::Result<ReloadMetrics> {
        let metrics = ReloadMetrics {
            successful: IntGauge::new(
                "livekit_keyd_config_last_reload_successful",
                "1 if the configuration that was read last is in use.",
            )?,
            at: IntGauge::new(
                "livekit_keyd_config_last_reload_success_timestamp_seconds",
                "When the configuration in use was read.",
            )?,
        };
        registry.register(Box::new(metrics.successful.clone()))?;
        registry.register(Box::new(metrics.at.clone()))?;
        Ok(metrics)
    }

    fn succeeded(&self) {
        self.successful.set(1);
        self.at.set(clock::now().as_secs());
    }
}

impl Reloader<'_> {
    /// Reloads on SIGHUP and on request, for ever.
    pub(super) async fn run(mut self, mut config: Config, mut requests: mpsc::Receiver<ReloadRequest>) {
        let metrics = match ReloadMetrics::register(self.registry) {
            Ok(metrics) => metrics,
            Err(error) => return tracing::error!("reloads cannot be counted: {error}"),
        };
        metrics.succeeded();
        let mut hangups = match signal(SignalKind::hangup()) {
            Ok(hangups) => hangups,
            Err(error) => return tracing::error!("SIGHUP cannot be heard: {error}"),
        };
        loop {
            let reply = tokio::select! {
                Some(reply) = requests.recv() => Some(reply),
                _ = hangups.recv() => {
                    // As logrotate says that a file was moved away.
                    if let Some(trail) = &self.trail {
                        trail.reopen();
                    }
                    None
                }
            };
            let result = self.reload(&mut config).await;
            self.report(&result, &metrics);
            if let Some(reply) = reply {
                // Whoever asked may be gone.
                let _ = reply.send(result);
            }
        }
    }

    async fn reload(&mut self, config: &mut Config) -> Result<String, String> {
        let origin = config.origin.clone();
        let loaded = tokio::task::spawn_blocking(move || Config::load(&origin)).await;
        let new = loaded.map_err(|error| error.to_string())?.map_err(|errors| errors.to_string())?;
        let changes = config::reload::diff(config, &new);
        let changed: Vec<_> = changes.allowed()?.iter().map(ToString::to_string).collect();
        let issuers = if new.role.signs() { new.issuers.as_slice() } else { &[] };
        let issuers = super::resolve_issuers(&new, &self.signers, &self.providers.of(issuers)?);
        self.keysets.store(Arc::new(super::keysets(&new)));
        let before = self.callers.load_full();
        let callers = super::resolve_callers(&new, &self.signers, &self.metrics, &issuers, &before);
        self.callers.store(Arc::new(callers));
        let callers = new.callers.iter().map(|one| (one.keyset.as_str(), one.caller.name.as_str()));
        self.metrics.keep_callers(&callers.collect());
        self.log.set(new.log.level);
        let mut warnings = review::warnings(&new);
        let known = review::warnings(config);
        warnings.retain(|warning| !known.contains(warning));
        tell(&warnings);
        *config = new;
        if let Some(rotator) = &self.poke {
            rotator.poke();
        }
        Ok(match changed.as_slice() {
            [] => "nothing has changed".to_owned(),
            changed => format!("changed: {}", changed.join(", ")),
        })
    }

    fn report(&self, result: &Result<String, String>, metrics: &ReloadMetrics) {
        let refused = match result {
            Ok(sentence) => {
                tracing::info!("the configuration was read anew; {sentence}");
                metrics.succeeded();
                None
            }
            Err(sentence) => {
                metrics.successful.set(0);
                Some(Finding {
                    keyset: None,
                    kind: "ConfigRefused",
                    degraded: true,
                    reason: "config".to_owned(),
                    message: format!("the configuration was refused and the old one stays: {sentence}"),
                })
            }
        };
        self.conditions.replace("reload", refused.into_iter().collect());
    }
}
