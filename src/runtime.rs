//! The daemon's life: everything is started here, has an owner, and ends here.

mod keeper;
mod listen;
mod login;
mod nodes;
mod reload;
mod signals;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::api::admin::Admin;
use crate::api::callers::{Callers, ResolvedCaller};
use crate::api::limit::Limit;
use crate::api::sign::SignApi;
use crate::api::telemetry::Telemetry;
use crate::audit::{Recorder, Suspicions, Trail};
use crate::conditions::Conditions;
use crate::config::{self, Config, StoreConfig};
use crate::hardening;
use crate::issuer::{Issuer, IssuerMetrics, Issuers, Provider, Providers, Rule, Target};
use crate::keyset_metrics::KeysetMetrics;
use crate::logging;
use crate::marks::Marks;
use crate::metrics::{KeyMetrics, SignMetrics};
use crate::publish::{ClientPublisher, Publisher, StorePublisher};
use crate::refresher::Refresher;
use crate::rotator::{Rotator, RotatorMetrics};
use crate::signer::Signer;
use crate::store::{Backend, FileStore, Health, Store, VaultStore};
use listen::Listeners;
use reload::Reloader;

/// Threads that wait for files; sockets need none.
const FILE_THREADS: usize = 4;

/// Why the daemon did not start: a sentence.
#[derive(Debug)]
pub struct CannotStart(String);

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotStart {}

fn because(error: impl fmt::Display) -> CannotStart {
    CannotStart(error.to_string())
}

/// Runs the daemon until it is told to stop, on threads of its own. The log begins with these warnings.
///
/// # Errors
/// Why it did not start. Once it runs it does not fail: it degrades, and says so.
pub fn run(config: Config, warnings: &[config::review::Finding]) -> Result<(), CannotStart> {
    let log = logging::start(config.log.format, config.log.level);
    reload::tell(warnings);
    hardening::keep_memory_private();
    // Signing has threads of its own; all else waits far more than it works.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .build()
        .map_err(because)?;
    let ended = runtime.block_on(live(config, log));
    // A file system that hangs must not keep the process.
    runtime.shutdown_background();
    ended
}

/// Makes a keyset's document without a daemon, straight in the store.
///
/// # Errors
/// What stands in the way.
pub async fn init(config: &Config, keyset: &str, force: bool) -> Result<bool, CannotStart> {
    let registry = Registry::new();
    let rotator = Parts::new(config, &registry)?.rotator(config, &registry, None)?;
    rotator.init(keyset, force).await.map(|initialized| initialized.created).map_err(because)
}

/// From the first socket to the last answer.
async fn live(config: Config, log: logging::Level) -> Result<(), CannotStart> {
    let registry = Registry::new();
    let parts = Parts::new(&config, &registry)?;
    let (stop, stopping) = watch::channel(false);
    let (reload, reloads) = mpsc::channel(1);
    let mut tasks = JoinSet::new();

    let trail = config.audit.as_ref().map(|audit| audit.start(&registry, &parts.conditions)).transpose();
    let trail = trail.map_err(because)?;
    let suspicions = Arc::new(Suspicions::register(&registry).map_err(because)?);
    let sign_metrics = SignMetrics::register(&registry).map_err(because)?;
    let issuer_metrics = IssuerMetrics::register(&registry).map_err(because)?;
    let mut providers = Providers::new(issuer_metrics.clone(), Arc::clone(&parts.conditions));
    let issuers = if config.role.signs() { config.issuers.as_slice() } else { &[] };
    let issuers = resolve_issuers(&config, &parts.signers, &providers.of(issuers).map_err(because)?);
    let callers = resolve_callers(&config, &parts.signers, &sign_metrics, &issuers, &Callers::default());
    let callers = Arc::new(ArcSwap::from_pointee(callers));
    let rotator =
        config.role.rotates().then(|| parts.rotator(&config, &registry, trail.clone())).transpose()?;
    let refreshers = if config.role.signs() { parts.refreshers() } else { Vec::new() };
    let admin = Admin {
        role: config.role.as_str(),
        rotator: rotator.clone(),
        signers: Arc::clone(&parts.signers),
        conditions: Arc::clone(&parts.conditions),
        store: Arc::clone(&parts.store),
        refresh: refreshers.iter().map(|refresher| Arc::clone(&refresher.poke)).collect(),
        reload: reload.clone(),
        trail: trail.clone(),
    };
    let sign = SignApi {
        callers: Arc::clone(&callers),
        signers: Arc::clone(&parts.signers),
        conditions: Arc::clone(&parts.conditions),
        metrics: sign_metrics.clone(),
        issuers: issuer_metrics,
        max_session: config.sign.max_session,
        replays: Default::default(),
        recorder: Recorder { trail: trail.clone(), suspicions },
    };
    let telemetry = Telemetry {
        registry: registry.clone(),
        signers: Arc::clone(&parts.signers),
        conditions: Arc::clone(&parts.conditions),
    };
    let listeners = Listeners::bind(&config).await.map_err(because)?;

    // A document in the store is signed with from the first request on.
    for refresher in &refreshers {
        refresher.refresh().await;
    }
    for refresher in refreshers {
        tasks.spawn(refresher.run(stopping.clone()));
    }
    let conditions = Arc::clone(&parts.conditions);
    tasks.spawn(login::watch(Arc::clone(&parts.store), conditions, stopping.clone()));
    if let Some(rotator) = &rotator {
        tasks.spawn(Arc::clone(rotator).run(stopping.clone()));
        if let Some(deployment) = &rotator.deployment {
            let watcher = Arc::clone(&deployment.watcher);
            tasks.spawn(nodes::watch(watcher, Arc::clone(rotator), stopping.clone()));
        }
    }
    if let Some(folder) = &config.state_dir {
        let marks = Marks::new(folder.clone());
        tasks.spawn(keeper::keep(marks, Arc::clone(&parts.signers), stopping.clone()));
    }
    let kept = listeners.serve(&mut tasks, sign, admin, telemetry, &sign_metrics.connections, &stopping);
    let reloader = Reloader {
        registry: &registry,
        keysets: Arc::clone(&parts.keysets),
        callers,
        providers,
        conditions: Arc::clone(&parts.conditions),
        log,
        poke: rotator.clone(),
        signers: Arc::clone(&parts.signers),
        metrics: sign_metrics,
        trail: trail.clone(),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), role = config.role.as_str(), "ready");
    signals::until_stop(reloader.run(config, reloads)).await.map_err(because)?;

    tracing::info!("stopping: requests under way are answered, no new connections are accepted");
    stop.send_replace(true);
    signals::unless_again(async { while tasks.join_next().await.is_some() {} }).await;
    if let Some(trail) = &trail {
        trail.end().await;
    }
    drop(kept);
    Ok(())
}

/// What the other parts are made of.
struct Parts {
    store: Arc<Store>,
    keysets: Arc<ArcSwap<Vec<crate::keyset::Keyset>>>,
    signers: Arc<BTreeMap<String, Arc<Signer>>>,
    conditions: Arc<Conditions>,
}

impl Parts {
    fn new(config: &Config, registry: &Registry) -> Result<Parts, CannotStart> {
        let health = Health::register(registry).map_err(because)?;
        let backend = match &config.store {
            StoreConfig::File { folder } => Backend::File(FileStore::open(folder).map_err(because)?),
            StoreConfig::Vault(vault) => {
                Backend::Vault(Box::new(VaultStore::open((**vault).clone()).map_err(because)?))
            }
        };
        let key_metrics = KeyMetrics::register(registry).map_err(because)?;
        let marks = config.state_dir.clone().map(Marks::new);
        let signer = |keyset: &config::KeysetConfig| {
            let name = &keyset.keyset.name;
            let mark = marks.as_ref().and_then(|marks| marks.load(name));
            (name.clone(), Arc::new(Signer::new(name, key_metrics.clone(), mark)))
        };
        let signers = Arc::new(config.keysets.iter().map(signer).collect::<BTreeMap<_, _>>());
        let store = Arc::new(Store::new(backend, health));
        let keyset_metrics = KeysetMetrics::new(Arc::clone(&store), Arc::clone(&signers)).map_err(because)?;
        registry.register(Box::new(keyset_metrics)).map_err(because)?;
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process)).map_err(because)?;
        Ok(Parts {
            store,
            keysets: Arc::new(ArcSwap::from_pointee(keysets(config))),
            signers,
            conditions: Arc::default(),
        })
    }

    fn rotator(
        &self,
        config: &Config,
        registry: &Registry,
        trail: Option<Arc<Trail>>,
    ) -> Result<Arc<Rotator>, CannotStart> {
        let deployment = match &config.livekit.proof {
            config::Proof::Disabled => None,
            config::Proof::Required(fleet) => Some(nodes::deployment(config, fleet, registry)?),
        };
        let rotator = Rotator::new(
            Arc::clone(&self.store),
            Arc::clone(&self.keysets),
            Arc::clone(&self.signers),
            self.publishers(config),
            deployment,
            Arc::clone(&self.conditions),
            RotatorMetrics::register(registry).map_err(because)?,
        );
        Ok(Arc::new(rotator.with_clients(self.clients(config)).with_trail(trail)))
    }

    /// The client credentials that are published, by keyset.
    fn clients(&self, config: &Config) -> BTreeMap<String, ClientPublisher> {
        let client = |config: &config::KeysetConfig| {
            let (keyset, on_change) = (&config.keyset, config.client.clone()?.on_change);
            let client = ClientPublisher::new(Arc::clone(&self.store), keyset, on_change);
            Some((keyset.name.clone(), client))
        };
        config.keysets.iter().filter_map(client).collect()
    }

    /// The store's own, and those of the configuration.
    fn publishers(&self, config: &Config) -> Vec<Publisher> {
        let deployment = &config.livekit.path;
        let own = Publisher::Store(StorePublisher::new(Arc::clone(&self.store), deployment));
        let configured = config.publish.iter().map(|publish| publish.publisher(&self.store, deployment));
        std::iter::once(own).chain(configured).collect()
    }

    fn refreshers(&self) -> Vec<Refresher> {
        let refresher = |signer: &Arc<Signer>| Refresher {
            store: Arc::clone(&self.store),
            keysets: Arc::clone(&self.keysets),
            signer: Arc::clone(signer),
            conditions: Arc::clone(&self.conditions),
            poke: Arc::new(Notify::new()),
        };
        self.signers.values().map(refresher).collect()
    }
}

fn keysets(config: &Config) -> Vec<crate::keyset::Keyset> {
    config.keysets.iter().map(|keyset| keyset.keyset.clone()).collect()
}

/// Every `[[caller]]`, with its signer and its counters.
fn resolve_callers(
    config: &Config,
    signers: &BTreeMap<String, Arc<Signer>>,
    metrics: &SignMetrics,
    issuers: &Issuers,
    before: &Callers,
) -> Callers {
    let limit = |caller: &str, rate| before.limit(caller, rate).unwrap_or_else(|| Arc::new(Limit::new(rate)));
    let resolve = |caller: &config::CallerConfig| {
        let signer = Arc::clone(signers.get(&caller.keyset)?);
        Some(ResolvedCaller {
            matches: caller.who.clone(),
            limit: caller.limit.map(|rate| limit(&caller.caller.name, rate)),
            policy: config.policy(caller),
            metrics: Arc::new(metrics.caller(&caller.keyset, &caller.caller.name)),
            issuers: issuers.named(caller.issuers.as_deref()),
            signer,
        })
    };
    Callers::new(config.callers.iter().filter_map(resolve))
}

/// Every `[[issuer]]` with its keys, and what each of its rules leads to.
fn resolve_issuers(
    config: &Config,
    signers: &BTreeMap<String, Arc<Signer>>,
    providers: &BTreeMap<String, Arc<Provider>>,
) -> Issuers {
    let target = |issuer: &config::IssuerConfig, rule: &Rule| {
        Some(Target {
            policy: config.policy_of_rule(issuer, rule),
            fixed_room: config.fixed_room(rule).to_owned(),
            signer: Arc::clone(signers.get(&rule.keyset)?),
            keyset: rule.keyset.clone(),
        })
    };
    let resolve = |issuer: &config::IssuerConfig| {
        let targets = issuer.rules.iter().map(|rule| target(issuer, rule)).collect::<Option<Vec<_>>>()?;
        let provider = Arc::clone(providers.get(&issuer.name)?);
        Some(Arc::new(Issuer::new(issuer.clone(), targets, provider)))
    };
    Issuers::new(config.issuers.iter().filter_map(resolve))
}
