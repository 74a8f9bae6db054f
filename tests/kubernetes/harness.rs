//! What the tests share: one cluster, places in it with rights of their own, and an invented API.

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use livekit_keyd::publish::kubernetes::{Access, OPERATION};
use livekit_keyd::publish::{KubernetesSecret, PublishError, Publisher};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Publication;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::support::chart;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::kubernetes::Kubernetes;

pub(crate) static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

/// One for all tests that run at the same time; it ends with the last of them, and its folder goes.
pub(crate) fn shared() -> Arc<Kubernetes> {
    static SHARED: Mutex<Weak<Kubernetes>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Kubernetes::start());
        *shared = Arc::downgrade(&started);
        started
    })
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// What the chart gives a rotator that restarts this kind of workload, which is all that it has.
pub(crate) fn least(kind: &str) -> Value {
    let objects = chart::objects("secret", &[&format!("rotator.secret.restart={kind}/livekit")]);
    chart::only(&objects, "Role")["rules"].clone()
}

/// A namespace of a test's own.
pub(crate) struct Place {
    pub(crate) kubernetes: Arc<Kubernetes>,
    pub(crate) namespace: String,
}

impl Place {
    /// With an account that has these rights.
    pub(crate) fn with(rules: &Value) -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (kubernetes, number) = (shared(), NEXT.fetch_add(1, Ordering::Relaxed));
        let namespace = format!("media-{number}");
        kubernetes.create_namespace(&namespace);
        kubernetes.create_account(&namespace, "keyd", rules);
        Place { kubernetes, namespace }
    }

    pub(crate) fn access(&self) -> Access {
        let token = self.kubernetes.token(&self.namespace, "keyd", &[]);
        Access::Kubeconfig(self.kubernetes.kubeconfig(&self.namespace, &token))
    }

    pub(crate) fn secret(&self) -> KubernetesSecret {
        KubernetesSecret::new(self.access(), &self.namespace, "keys", "keys.yaml")
    }

    /// Once the API server knows of the account's rights, which takes it a moment.
    pub(crate) fn publisher(&self) -> Publisher {
        let publisher = Publisher::Kubernetes(self.secret());
        eventually(PATIENCE, "the account's rights are in force", || run(publisher.read()).is_ok());
        publisher
    }

    pub(crate) fn restarter(&self, workload: &str, patience: Duration) -> Publisher {
        self.publisher();
        let workload = workload.parse().expect("a workload");
        Publisher::Kubernetes(self.secret().restarting(workload, None, patience))
    }

    pub(crate) fn path(&self, rest: &str) -> String {
        match rest.split_once('/') {
            Some(("secrets", _)) => format!("/api/v1/namespaces/{}/{rest}", self.namespace),
            _ => format!("/apis/apps/v1/namespaces/{}/{rest}", self.namespace),
        }
    }

    pub(crate) fn get(&self, rest: &str) -> Value {
        self.kubernetes.succeed("GET", &self.path(rest), &Value::Null)
    }

    pub(crate) fn patch(&self, rest: &str, patch: &Value) {
        self.kubernetes.succeed("PATCH", &self.path(rest), patch);
    }

    pub(crate) fn delete(&self, rest: &str) {
        self.kubernetes.succeed("DELETE", &self.path(rest), &Value::Null);
    }

    pub(crate) fn create_secret(&self, text: &str, more: &Value) {
        let mut secret = json!({"metadata": {"name": "keys"}, "stringData": {"keys.yaml": text}});
        secret.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.kubernetes.succeed("POST", self.path("secrets/").trim_end_matches('/'), &secret);
    }

    /// Two pods, which nobody runs.
    pub(crate) fn create_workload(&self, kind: &str, more: &Value) {
        let labels = json!({"app": "livekit"});
        let mut spec = json!({
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "livekit", "image": "livekit/livekit-server"}]},
            },
        });
        spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let workload = json!({"metadata": {"name": "livekit"}, "spec": spec});
        self.kubernetes.succeed("POST", self.path(&format!("{kind}/")).trim_end_matches('/'), &workload);
    }

    /// Writes what a controller would, of the newest template.
    pub(crate) fn controller_says(&self, kind: &str, updated: u32, ready: u32, more: &Value) {
        let generation = self.get(&format!("{kind}/livekit"))["metadata"]["generation"].clone();
        let mut status = json!({
            "observedGeneration": generation, "replicas": 2, "updatedReplicas": updated, "readyReplicas": ready,
        });
        status.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.patch(&format!("{kind}/livekit/status"), &json!({"status": status}));
    }

    pub(crate) fn mark(&self, kind: &str) -> Option<String> {
        let workload = self.get(&format!("{kind}/livekit"));
        workload["spec"]["template"]["metadata"]["annotations"][OPERATION].as_str().map(str::to_owned)
    }
}

pub(crate) fn holding(id: &str) -> Publication {
    Publication {
        keys: vec![(KeyId::new(id), Secret::new("s".repeat(43)))],
        changed_at: Some(Time::from_millis(0)),
        ..Publication::default()
    }
}

pub(crate) fn nothing() -> Publication {
    Publication::default()
}

pub(crate) fn read(publisher: &Publisher) -> Publication {
    run(publisher.read()).expect("readable")
}

/// Why it is not replaced, other than that it has changed.
pub(crate) fn refusal(publisher: &Publisher, there: &Publication) -> String {
    match run(publisher.replace(there, &holding("APInew"))) {
        Err(PublishError::Failed(sentence)) => sentence,
        other => unexpected(&other),
    }
}

#[expect(clippy::panic, reason = "the test's own failure")]
pub(crate) fn unexpected(what: &dyn std::fmt::Debug) -> ! {
    panic!("unexpected: {what:?}")
}

/// A kubeconfig in a folder for an API at this address, which asks for no credentials.
pub(crate) fn kubeconfig_of(listener: &TcpListener) -> (Access, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kubeconfig");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    let kubeconfig = json!({
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": server}}],
    });
    fs::write(&path, kubeconfig.to_string()).expect("a kubeconfig is written");
    (Access::Kubeconfig(path), folder)
}

/// Answers one request each, in their order, in the place of an API: for what cannot be made to happen in a real one
/// at the moment that counts. What it was asked, in the end.
pub(crate) fn answer(listener: TcpListener, answers: Vec<(u16, Value)>) -> JoinHandle<Vec<String>> {
    let answer = move |(status, body): (u16, Value)| {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = vec![0; 65_536];
        let length = stream.read(&mut request).expect("a request");
        let (head, body) = ("content-type: application/json\r\nconnection: close", body.to_string());
        write!(
            stream,
            "HTTP/1.1 {status} Scripted\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("an answer");
        String::from_utf8_lossy(&request[..length]).into_owned()
    };
    thread::spawn(move || answers.into_iter().map(answer).collect())
}

pub(crate) fn conflict() -> (u16, Value) {
    (
        409,
        json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "message": "changed", "code": 409}),
    )
}
