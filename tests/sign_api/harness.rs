//! A signing socket in this process: the server that ships, a document made by hand, two profiles.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use livekit_keyd::api::callers::{Callers, ResolvedCaller};
use livekit_keyd::api::peer::Peer;
use livekit_keyd::api::server::{Limits, Server};
use livekit_keyd::api::sign::SignApi;
use livekit_keyd::api::socket::{BoundSocket, SocketPlace};
use livekit_keyd::api::workers::Workers;
use livekit_keyd::atomic_file::Owner;
use livekit_keyd::audit::{Recorder, Suspicions};
use livekit_keyd::clock::BootTime;
use livekit_keyd::conditions::Conditions;
use livekit_keyd::issuer::{IssuerMetrics, Issuers};
use livekit_keyd::metrics::{KeyMetrics, SignMetrics};
use livekit_keyd::signer::Signer;
use livekit_keyd_core::document::Document;
use livekit_keyd_core::grants::Grants;
use livekit_keyd_core::policy::{Caller, CallerMatch, Glob, Policy, Profile};
use prometheus::{Registry, TextEncoder};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::support::socket::Socket;

/// The secret of the key that signs; the tests sign with it too.
pub(crate) const SECRET: &str = "mint-mint-mint-mint-mint-mint-mint-mint-mint";
/// The key that signs.
pub(crate) const KEY: &str = "APIactive23456";

/// A keyset with one active key, one that it succeeded, and a standby.
pub(crate) fn document() -> Value {
    json!({
        "format": 1, "min_reader": 1, "lineage": "lineage-of-the-test", "seq": 7,
        "writes": [{"seq": 7, "id": "w7"}], "keyset": "default",
        "rules": {
            "max_token_ttl": "1h", "clock_skew": "30s", "refresh_interval": "30s",
            "server_url": "wss://livekit.example", "rotation": "manual", "rotation_window": "24h",
            "overlap": "24h", "activation_lead": "5m", "publish_delay": "10m",
        },
        "rotation_since": "2026-01-01T00:00:00Z",
        "keys": [
            {
                "id": "APIbefore23456", "created_at": "2026-01-01T00:00:00Z",
                "proven_at": "2026-01-01T00:00:00Z", "ordinal": 1,
                "not_before": "2026-01-01T00:00:00Z", "overlap": "24h",
                "not_after": "2099-01-01T00:00:00Z",
                "secret": "before-before-before-before-before-before-be",
            },
            {
                "id": KEY, "created_at": "2026-01-01T00:00:00Z", "proven_at": "2026-01-01T00:00:00Z",
                "ordinal": 2, "not_before": "2026-01-02T00:00:00Z", "overlap": "24h", "secret": SECRET,
            },
            {"id": "APIstandby2345", "created_at": "2026-01-01T00:00:00Z"},
        ],
    })
}

/// Limits that a test can wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        max_connections: 64,
        max_body: 16 * 1024,
        idle_timeout: Duration::from_secs(30),
        body_timeout: Duration::from_secs(30),
        drain_timeout: Duration::from_secs(30),
    }
}

/// A running signing socket.
pub(crate) struct Harness {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) signer: Arc<Signer>,
    pub(crate) callers: Arc<ArcSwap<Callers>>,
    pub(crate) metrics: SignMetrics,
    registry: Registry,
    stop: watch::Sender<bool>,
    served: Option<JoinHandle<()>>,
    bound: Option<BoundSocket>,
    runtime: Runtime,
}

impl Harness {
    /// Serves with [`limits`], and knows this process as caller `app`.
    pub(crate) fn new() -> Harness {
        Harness::with(limits())
    }

    pub(crate) fn with(limits: Limits) -> Harness {
        let harness = Harness::bare(limits);
        let uid = rustix::process::getuid().as_raw();
        harness.know(vec![harness.caller("app", CallerMatch { uids: Some(vec![uid]), gids: None })]);
        harness.offer(document());
        harness
    }

    /// Serves, and has neither a document nor callers.
    pub(crate) fn bare(limits: Limits) -> Harness {
        let registry = Registry::new();
        let metrics = SignMetrics::register(&registry).expect("metrics");
        let keys = KeyMetrics::register(&registry).expect("metrics");
        let signer = Arc::new(Signer::new("default", keys, None));
        let callers: Arc<ArcSwap<Callers>> = Arc::default();
        let api = Arc::new(SignApi {
            callers: Arc::clone(&callers),
            signers: Arc::new(BTreeMap::from([("default".to_owned(), Arc::clone(&signer))])),
            conditions: Arc::new(Conditions::default()),
            metrics: metrics.clone(),
            issuers: IssuerMetrics::register(&registry).expect("metrics"),
            max_session: Duration::from_secs(3600),
            recorder: Recorder {
                trail: None,
                suspicions: Arc::new(Suspicions::register(&registry).expect("metrics")),
            },
            replays: Default::default(),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sign.sock");
        let place = SocketPlace { path, mode: 0o666, owner: Owner::default() };
        let (listener, bound) = place.bind().expect("the socket is free");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (stop, stopping) = watch::channel(false);
        let workers = Workers::start("sign-test").expect("threads");
        let connections = metrics.connections.with_label_values(&["sign"]);
        let server = Server { handler: Arc::clone(&api), limits, connections, workers: Some(workers) };
        let served = runtime.spawn(async move {
            let listener = UnixListener::from_std(listener).expect("a listener");
            let know =
                move |stream: &tokio::net::UnixStream| Peer::of(stream).map(|peer| api.connection(peer));
            server.serve(listener, know, stopping).await;
        });
        Harness {
            folder,
            signer,
            callers,
            metrics,
            registry,
            stop,
            served: Some(served),
            bound: Some(bound),
            runtime,
        }
    }

    /// A caller with the profiles `viewer` and `host`, for rooms that begin with `demo`.
    pub(crate) fn caller(&self, name: &str, matches: CallerMatch) -> ResolvedCaller {
        let glob = |text: &str| Glob::parse(text).expect("a pattern");
        let caller = Caller {
            name: name.to_owned(),
            allowed_rooms: vec![glob("demo*")],
            allowed_identities: vec![glob("*")],
            max_ttl: Some(Duration::from_secs(1800)),
            ..Caller::default()
        };
        let profile = |name: &str, grants: Value| Profile {
            name: name.to_owned(),
            grants: serde_json::from_value::<Grants>(grants).expect("grants"),
            ..Profile::default()
        };
        let profiles = vec![
            profile("viewer", json!({"video": {"roomJoin": true, "canPublish": false}})),
            profile("host", json!({"video": {"roomJoin": true, "roomAdmin": true}})),
        ];
        ResolvedCaller {
            matches,
            limit: None,
            policy: Policy::new(caller, profiles, None),
            signer: Arc::clone(&self.signer),
            metrics: Arc::new(self.metrics.caller("default", name)),
            issuers: Issuers::default(),
        }
    }

    /// Replaces all callers, as a reload does.
    pub(crate) fn know(&self, callers: Vec<ResolvedCaller>) {
        self.callers.store(Arc::new(Callers::new(callers)));
    }

    /// Gives the signer a document that was asked for now.
    pub(crate) fn offer(&self, document: Value) {
        let document: Document = serde_json::from_value(document).expect("a document");
        self.signer.offer(&Arc::new(document), BootTime::now()).expect("it continues the last one");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("sign.sock")
    }

    pub(crate) fn socket(&self) -> Socket {
        Socket::at(self.path())
    }

    /// What Prometheus would read.
    pub(crate) fn scrape(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("metrics")
    }

    /// Tells the server to stop.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end of the drain.
    pub(crate) fn wait_for_end(&mut self) {
        if let Some(served) = self.served.take() {
            self.runtime.block_on(served).expect("the server does not panic");
        }
        self.bound = None;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.served.as_ref().is_none_or(JoinHandle::is_finished)
    }
}
