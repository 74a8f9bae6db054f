//! Keys in a Secret and a workload's restart, on a real Kubernetes API, with rights to those two objects alone.
//!
//! No controller runs there: what one would say in a workload's status, the test says in its place.

mod support;

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use livekit_keyd::publish::kubernetes::{Access, OPERATION};
use livekit_keyd::publish::{KubernetesSecret, PublishError, Publisher};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Publication;
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use serde_json::{Value, json};
use support::chart;
use support::daemon::Daemon;
use support::deployment::QUICK_RULES;
use support::eventually::{PATIENCE, eventually};
use support::kubernetes::Kubernetes;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

static KUBERNETES: LazyLock<Kubernetes> = LazyLock::new(Kubernetes::start);
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// What the chart gives a rotator that restarts this kind of workload, which is all that it has.
fn least(kind: &str) -> Value {
    let objects = chart::objects("secret", &[&format!("rotator.secret.restart={kind}/livekit")]);
    chart::only(&objects, "Role")["rules"].clone()
}

/// A namespace of a test's own.
struct Place {
    namespace: String,
}

impl Place {
    /// With an account that has these rights.
    fn with(rules: &Value) -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let place = Place { namespace: format!("media-{}", NEXT.fetch_add(1, Ordering::Relaxed)) };
        KUBERNETES.create_namespace(&place.namespace);
        KUBERNETES.create_account(&place.namespace, "keyd", rules);
        place
    }

    fn access(&self) -> Access {
        let token = KUBERNETES.token(&self.namespace, "keyd", &[]);
        Access::Kubeconfig(KUBERNETES.kubeconfig(&self.namespace, &token))
    }

    fn secret(&self) -> KubernetesSecret {
        KubernetesSecret::new(self.access(), &self.namespace, "keys", "keys.yaml")
    }

    /// Once the API server knows of the account's rights, which takes it a moment.
    fn publisher(&self) -> Publisher {
        let publisher = Publisher::Kubernetes(self.secret());
        eventually(PATIENCE, "the account's rights are in force", || run(publisher.read()).is_ok());
        publisher
    }

    fn restarter(&self, workload: &str, patience: Duration) -> Publisher {
        self.publisher();
        let workload = workload.parse().expect("a workload");
        Publisher::Kubernetes(self.secret().restarting(workload, None, patience))
    }

    fn path(&self, rest: &str) -> String {
        match rest.split_once('/') {
            Some(("secrets", _)) => format!("/api/v1/namespaces/{}/{rest}", self.namespace),
            _ => format!("/apis/apps/v1/namespaces/{}/{rest}", self.namespace),
        }
    }

    fn get(&self, rest: &str) -> Value {
        KUBERNETES.succeed("GET", &self.path(rest), &Value::Null)
    }

    fn patch(&self, rest: &str, patch: &Value) {
        KUBERNETES.succeed("PATCH", &self.path(rest), patch);
    }

    fn delete(&self, rest: &str) {
        KUBERNETES.succeed("DELETE", &self.path(rest), &Value::Null);
    }

    fn create_secret(&self, text: &str, more: &Value) {
        let mut secret = json!({"metadata": {"name": "keys"}, "stringData": {"keys.yaml": text}});
        secret.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        KUBERNETES.succeed("POST", self.path("secrets/").trim_end_matches('/'), &secret);
    }

    /// Two pods, which nobody runs.
    fn create_workload(&self, kind: &str, more: &Value) {
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
        KUBERNETES.succeed("POST", self.path(&format!("{kind}/")).trim_end_matches('/'), &workload);
    }

    /// Writes what a controller would, of the newest template.
    fn controller_says(&self, kind: &str, updated: u32, ready: u32, more: &Value) {
        let generation = self.get(&format!("{kind}/livekit"))["metadata"]["generation"].clone();
        let mut status = json!({
            "observedGeneration": generation, "replicas": 2, "updatedReplicas": updated, "readyReplicas": ready,
        });
        status.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.patch(&format!("{kind}/livekit/status"), &json!({"status": status}));
    }

    fn mark(&self, kind: &str) -> Option<String> {
        let workload = self.get(&format!("{kind}/livekit"));
        workload["spec"]["template"]["metadata"]["annotations"][OPERATION].as_str().map(str::to_owned)
    }
}

fn holding(id: &str) -> Publication {
    Publication {
        keys: vec![(KeyId::new(id), Secret::new("s".repeat(43)))],
        changed_at: Some(Time::from_millis(0)),
        ..Publication::default()
    }
}

fn nothing() -> Publication {
    Publication::default()
}

fn read(publisher: &Publisher) -> Publication {
    run(publisher.read()).expect("readable")
}

/// Why it is not replaced, other than that it has changed.
fn refusal(publisher: &Publisher, there: &Publication) -> String {
    match run(publisher.replace(there, &holding("APInew"))) {
        Err(PublishError::Failed(sentence)) => sentence,
        other => unexpected(&other),
    }
}

#[expect(clippy::panic, reason = "the test's own failure")]
fn unexpected(what: &dyn std::fmt::Debug) -> ! {
    panic!("unexpected: {what:?}")
}

#[test]
fn a_secret_is_made_and_changed_as_it_was_read() {
    let place = Place::with(&least("statefulset"));
    let publisher = place.publisher();
    assert_eq!(read(&publisher), nothing(), "there is none yet");
    run(publisher.replace(&nothing(), &holding("APIa"))).expect("made");
    assert_eq!(read(&publisher), holding("APIa"));
    run(publisher.replace(&holding("APIa"), &holding("APIb"))).expect("changed");
    assert_eq!(read(&publisher), holding("APIb"));
    let lost = run(publisher.replace(&holding("APIa"), &holding("APIc")));
    assert!(matches!(lost, Err(PublishError::Changed)), "{lost:?}");
    let secret = place.get("secrets/keys");
    let managers = secret["metadata"]["managedFields"].as_array().expect("managers").clone();
    let names: Vec<_> = managers.iter().map(|manager| manager["manager"].clone()).collect();
    assert_eq!(names, ["livekit-keyd"], "the one who made it owns nothing any more");
}

#[test]
fn of_many_that_write_at_once_one_wins() {
    let place = Place::with(&least("statefulset"));
    let publisher = place.publisher();
    // Two rounds: a Secret that is to be made, and one that is to be changed.
    let mut there = nothing();
    for round in ["new", "old"] {
        let tasks: Vec<_> = (0..6)
            .map(|number| {
                let (publisher, there) = (publisher.clone(), there.clone());
                let wanted = holding(&format!("API{round}{number}"));
                RUNTIME.spawn(async move { (publisher.replace(&there, &wanted).await, wanted) })
            })
            .collect();
        let results: Vec<_> = tasks.into_iter().map(|task| run(task).expect("no panic")).collect();
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|(result, _)| result.is_ok());
        assert_eq!(won.len(), 1, "{round}: {won:?}, {lost:?}");
        assert!(lost.iter().all(|(result, _)| matches!(result, Err(PublishError::Changed))), "{lost:?}");
        assert_eq!(read(&publisher), won[0].1, "{round}");
        there = won[0].1.clone();
    }
}

#[test]
fn a_deleted_or_edited_secret_is_mended_and_other_entries_are_kept() {
    let place = Place::with(&least("statefulset"));
    let publisher = place.publisher();
    run(publisher.replace(&nothing(), &holding("APIa"))).expect("made");
    place.delete("secrets/keys");
    assert_eq!(read(&publisher), nothing());
    run(publisher.replace(&nothing(), &holding("APIa"))).expect("made anew");

    // The administrator's fields are somebody else's to Kubernetes.
    let edit = json!({"stringData": {"keys.yaml": "APIforeign: secret\n", "other": "kept"}});
    place.patch("secrets/keys", &edit);
    let edited = read(&publisher);
    assert_eq!(edited.keys[0].0, KeyId::new("APIforeign"));
    run(publisher.replace(&edited, &holding("APIa"))).expect("mended");
    assert_eq!(read(&publisher), holding("APIa"));
    assert_eq!(place.get("secrets/keys")["data"]["other"], "a2VwdA==", "`kept`, in base64");

    place.patch("secrets/keys", &json!({"stringData": {"keys.yaml": "- hunter2"}}));
    let error = run(publisher.read()).expect_err("no map").to_string();
    assert!(error.contains("is not LiveKit's map") && !error.contains("hunter2"), "{error}");
}

#[test]
fn what_kubernetes_does_not_take_is_said_with_its_remedy() {
    let place = Place::with(&least("statefulset"));
    let publisher = place.publisher();
    place.create_secret("APIa: secret\n", &json!({"immutable": true}));
    let there = read(&publisher);
    let error = refusal(&publisher, &there);
    assert!(error.contains("immutable; delete it"), "{error}");
    place.delete("secrets/keys");

    let rest = json!({"data": {"rest": "A".repeat(1_398_000)}});
    place.create_secret("APIa: secret\n", &json!({}));
    place.patch("secrets/keys", &rest);
    let many = (0..50).map(|number| (KeyId::new(format!("API{number}")), Secret::new("s".repeat(43))));
    let wanted = Publication { keys: many.collect(), ..holding("APIa") };
    let error = run(publisher.replace(&read(&publisher), &wanted)).expect_err("too large").to_string();
    assert!(error.contains("1 MiB"), "{error}");

    let elsewhere = KubernetesSecret::new(place.access(), "nowhere", "keys", "keys.yaml");
    let error = refusal(&Publisher::Kubernetes(elsewhere), &nothing());
    assert!(error.contains("forbidden") && error.contains("nowhere"), "{error}");
}

#[test]
fn a_missing_namespace_is_said() {
    let place = Place::with(&least("statefulset"));
    place.publisher();
    KUBERNETES.bind_cluster_role("cluster-admin", &place.namespace, "keyd");
    let elsewhere =
        Publisher::Kubernetes(KubernetesSecret::new(place.access(), "nowhere", "keys", "keys.yaml"));
    eventually(PATIENCE, "its rights are in force", || run(elsewhere.read()).is_ok());
    let error = refusal(&elsewhere, &nothing());
    assert!(error.contains("no such namespace; create it"), "{error}");
}

#[test]
fn without_rights_it_says_which() {
    let reader = Place::with(&json!([
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"]},
    ]));
    let publisher = reader.publisher();
    let error = refusal(&publisher, &nothing());
    assert!(
        error.contains("cannot patch") && error.contains("allow its account get, patch and create"),
        "{error}"
    );
    let workload = "statefulset/livekit".parse().expect("a workload");
    let restarter = reader.secret().restarting(workload, None, PATIENCE);
    let error = run(Publisher::Kubernetes(restarter).restart(None, "restart-1")).expect_err("no rights");
    assert!(error.to_string().contains("allow its account get and patch on statefulset/livekit"), "{error}");

    // The rights that the other tests have reach no further.
    let place = Place::with(&least("statefulset"));
    place.publisher();
    let other = KubernetesSecret::new(place.access(), &place.namespace, "other", "keys.yaml");
    let error = run(Publisher::Kubernetes(other).read()).expect_err("another Secret").to_string();
    assert!(error.contains("forbidden"), "{error}");

    let stranger = Access::Kubeconfig(KUBERNETES.kubeconfig("stranger", "no-token"));
    let stranger = KubernetesSecret::new(stranger, &place.namespace, "keys", "keys.yaml");
    let error = run(Publisher::Kubernetes(stranger).read()).expect_err("an invented token").to_string();
    assert!(error.contains("token is not expired") && !error.contains("no-token"), "{error}");
}

#[test]
fn a_rotator_keeps_a_secret_and_says_when_it_may_not() {
    let place = Place::with(&least("statefulset"));
    place.publisher();
    let Access::Kubeconfig(kubeconfig) = place.access() else { unexpected(&place.access()) };
    let daemon = Daemon::start(&format!(
        "role = \"rotator\"\n\
         livekit.proof = \"disabled\"\n\
         [store]\nkind = \"file\"\nfile.dir = \"{{dir}}/store\"\n\
         [[keyset]]\nname = \"apps\"\nrotation_period = \"168h\"\n{QUICK_RULES}\
         [[publish]]\nkind = \"kubernetes_secret\"\nnamespace = \"{}\"\nname = \"keys\"\nkubeconfig = {kubeconfig:?}\n",
        place.namespace,
    ));
    daemon.init("apps");
    let publisher = place.publisher();
    let three = |what: &str| {
        eventually(PATIENCE, what, || {
            read(&publisher).vector.0.contains_key("apps") && read(&publisher).keys.len() == 3
        });
        read(&publisher)
    };
    let first = three("the keys are published");

    place.delete("secrets/keys");
    assert!(three("it is made anew").same_keys(&first));

    place.patch(
        "secrets/keys",
        &json!({"stringData": {"keys.yaml": "APIforeign: \"of-somebody-else-who-wrote-it-here\"\n"}}),
    );
    eventually(PATIENCE, "the keys are back, and the stranger's is kept", || {
        let there = read(&publisher);
        there.keys.len() == 4 && there.keys[3].0 == KeyId::new("APIforeign")
    });

    let binding =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings/keyd", place.namespace);
    KUBERNETES.succeed("DELETE", &binding, &Value::Null);
    let says = || daemon.admin().get("/v1/status").1["conditions"].to_string();
    eventually(PATIENCE, "the condition says what to allow", || {
        says().contains("allow its account get, patch and create on the Secret `keys` alone")
    });
    KUBERNETES.create_binding(&place.namespace, "keyd");
    eventually(PATIENCE, "the condition is gone", || !says().contains("allow its account"));
}

#[test]
fn an_api_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Access::Kubeconfig(folder.path().join("missing"));
    let error = run(Publisher::Kubernetes(KubernetesSecret::new(missing, "a", "b", "c")).read());
    let error = error.expect_err("no kubeconfig").to_string();
    assert!(error.contains("missing") && error.contains("mend it"), "{error}");

    let mut kubernetes = Kubernetes::start();
    let access = Access::Kubeconfig(kubernetes.kubeconfig("any", "any"));
    kubernetes.stop();
    let error = run(Publisher::Kubernetes(KubernetesSecret::new(access, "a", "b", "c")).read());
    let error = error.expect_err("nobody listens").to_string();
    assert!(error.contains("refused") && error.contains("tried again"), "{error}");
}

#[test]
fn a_workload_is_restarted_once_an_operation() {
    for kind in ["statefulset", "deployment"] {
        let place = Place::with(&least(kind));
        let plural = format!("{kind}s");
        place.create_workload(&plural, &json!({"serviceName": "livekit"}));
        let publisher = place.restarter(&format!("{kind}/livekit"), PATIENCE);
        for operation in ["restart-1", "restart-2"] {
            let task = {
                let publisher = publisher.clone();
                RUNTIME.spawn(async move { publisher.restart(None, operation).await })
            };
            eventually(PATIENCE, "the mark is set", || place.mark(&plural).as_deref() == Some(operation));
            assert!(!task.is_finished(), "{kind}: no pod is new yet");
            place.controller_says(&plural, 2, 2, &json!({"availableReplicas": 2}));
            run(task).expect("no panic").expect("restarted");
        }
        let marked = place.get(&format!("{plural}/livekit"))["metadata"]["generation"].clone();
        run(publisher.restart(None, "restart-2")).expect("it was carried out");
        let after = place.get(&format!("{plural}/livekit"))["metadata"]["generation"].clone();
        assert_eq!(marked, after, "{kind}: not a second time");
    }
}

#[test]
fn a_rollout_that_does_not_move_says_why() {
    let place = Place::with(&least("deployment"));
    let publisher = place.restarter("deployment/livekit", PATIENCE);
    let error = || run(publisher.restart(None, "restart-1")).expect_err("not carried out").to_string();
    assert!(error().contains("there is no such workload"), "{}", error());

    place.create_workload("deployments", &json!({"paused": true}));
    assert!(error().contains("it is paused: run `kubectl rollout resume`"), "{}", error());
    assert_eq!(place.mark("deployments").as_deref(), Some("restart-1"), "it goes on when it is resumed");

    place.patch("deployments/livekit", &json!({"spec": {"paused": false}}));
    let stuck = json!({"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out progressing"});
    place.controller_says("deployments", 1, 1, &json!({"availableReplicas": 1, "conditions": [stuck]}));
    assert!(error().contains("stuck: ProgressDeadlineExceeded: has timed out"), "{}", error());

    place.controller_says("deployments", 2, 2, &json!({"availableReplicas": 2}));
    run(publisher.restart(None, "restart-1")).expect("mended, it goes on under the same operation");
}

#[test]
fn a_pod_of_a_stateful_set_that_does_not_become_ready_is_reported() {
    let place = Place::with(&least("statefulset"));
    place.create_workload("statefulsets", &json!({"serviceName": "livekit"}));
    place.controller_says("statefulsets", 2, 2, &json!({}));
    let publisher = place.restarter("statefulset/livekit", Duration::ZERO);
    let error = || run(publisher.restart(None, "restart-1")).expect_err("not carried out").to_string();
    assert!(error().contains("of 2 pods 0 are new and 2 are ready, and nothing has moved"), "{}", error());
    place.controller_says("statefulsets", 1, 1, &json!({}));
    assert!(error().contains("of 2 pods 1 are new and 1 are ready, and nothing has moved"), "{}", error());
    place.controller_says("statefulsets", 2, 2, &json!({}));
    run(publisher.restart(None, "restart-1")).expect("its pod is ready");
}

/// A kubeconfig in a folder for an API at this address, which asks for no credentials.
fn kubeconfig_of(listener: &TcpListener) -> (Access, TempDir) {
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
fn answer(listener: TcpListener, answers: Vec<(u16, Value)>) -> JoinHandle<Vec<String>> {
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

fn conflict() -> (u16, Value) {
    (
        409,
        json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "message": "changed", "code": 409}),
    )
}

/// A StatefulSet that has no pods and this mark.
fn marked(version: &str, mark: &str) -> (u16, Value) {
    let template = json!({"metadata": {"annotations": {OPERATION: mark}}});
    let metadata = json!({"name": "livekit", "resourceVersion": version});
    let spec = json!({"replicas": 0, "template": template});
    (200, json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}))
}

#[test]
fn a_secret_is_written_on_the_version_that_was_read() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (access, _folder) = kubeconfig_of(&listener);
    let metadata = json!({"name": "keys", "resourceVersion": "7"});
    let found = (200, json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata}));
    let asked = answer(listener, vec![found, conflict()]);
    let publisher = Publisher::Kubernetes(KubernetesSecret::new(access, "media", "keys", "keys.yaml"));
    let lost = run(publisher.replace(&nothing(), &holding("APIa")));
    assert!(matches!(lost, Err(PublishError::Changed)), "{lost:?}");
    let asked = asked.join().expect("no panic");
    assert!(asked[1].starts_with("PATCH ") && asked[1].contains(r#""resourceVersion":"7""#), "{}", asked[1]);
}

#[test]
fn a_restart_that_stood_still_undoes_no_other() {
    let restart = |found: (u16, Value)| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (access, _folder) = kubeconfig_of(&listener);
        let asked =
            answer(listener, vec![marked("7", "restart-6"), conflict(), found, marked("9", "restart-7")]);
        let secret = KubernetesSecret::new(access, "media", "keys", "keys.yaml");
        let publisher = secret.restarting("statefulset/livekit".parse().expect("a workload"), None, PATIENCE);
        (run(Publisher::Kubernetes(publisher).restart(None, "restart-7")), asked)
    };
    let (superseded, _) = restart(marked("8", "restart-8"));
    let error = superseded.expect_err("superseded").to_string();
    assert!(error.contains("another operation has begun"), "{error}");

    let (carried_out, asked) = restart(marked("8", "restart-7"));
    carried_out.expect("it had landed, or another rotator has done it");
    let asked = asked.join().expect("no panic");
    assert!(asked[1].starts_with("PATCH ") && asked[1].contains(r#""resourceVersion":"7""#), "{}", asked[1]);
}

#[test]
fn an_api_that_does_not_answer_is_not_waited_for() {
    // It takes connections into its queue, and no more.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (access, _folder) = kubeconfig_of(&listener);
    let error = run(Publisher::Kubernetes(KubernetesSecret::new(access, "a", "b", "c")).read());
    let error = error.expect_err("nobody answers").to_string();
    assert!(error.contains("did not answer within 10 s; it is tried again"), "{error}");
}
