//! Who may call, whom, and whether anybody answers.

use std::net::TcpListener;

use livekit_keyd::publish::kubernetes::Access;
use livekit_keyd::publish::{KubernetesSecret, Publisher};
use serde_json::json;

use crate::harness::{Place, kubeconfig_of, least, nothing, refusal, run};
use crate::support::again;
use crate::support::eventually::PATIENCE;
use crate::support::kubernetes::Kubernetes;

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

    let stranger = Access::Kubeconfig(place.kubernetes.kubeconfig("stranger", "no-token"));
    let stranger = KubernetesSecret::new(stranger, &place.namespace, "keys", "keys.yaml");
    let error = run(Publisher::Kubernetes(stranger).read()).expect_err("an invented token").to_string();
    assert!(error.contains("token is not expired") && !error.contains("no-token"), "{error}");
}

#[test]
fn what_it_may_not_do_is_known_before_it_is_tried() {
    let workload = || "statefulset/livekit".parse().expect("a workload");
    let place = Place::with(&least("statefulset"));
    place.publisher();
    let restarter = place.secret().restarting(workload(), None, PATIENCE);
    let missing = run(restarter.hindrances()).expect("the cluster says it");
    assert!(missing.len() == 1 && missing[0].contains("no such workload"), "{missing:?}");
    place.create_workload("statefulsets", &json!({}));
    assert_eq!(run(restarter.hindrances()).expect("the cluster says it"), Vec::<String>::new());

    let reader = Place::with(&json!([
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["keys"], "verbs": ["get"]},
    ]));
    reader.publisher();
    let restarter = reader.secret().restarting(workload(), None, PATIENCE);
    let namespace = &reader.namespace;
    assert_eq!(
        run(restarter.hindrances()).expect("the cluster says it"),
        ["patch secrets", "create secrets", "get statefulsets", "patch statefulsets"].map(|right| {
            let name = if right.ends_with("secrets") { "keys" } else { "livekit" };
            format!("its account may not {right} {namespace}/{name}")
        })
    );
}

#[test]
fn outside_of_a_pod_a_kubeconfig_is_asked_for() {
    if again::told("OUTSIDE").is_none() {
        let test = "access::outside_of_a_pod_a_kubeconfig_is_asked_for";
        let mut outside = again::command(test, "OUTSIDE", "yes");
        outside.env_remove("KUBERNETES_SERVICE_HOST");
        return again::passes(outside);
    }
    let secret = KubernetesSecret::new(Access::InCluster, "a", "b", "c");
    let error = run(Publisher::Kubernetes(secret).read()).expect_err("no pod").to_string();
    assert!(error.contains("this is no pod") && error.contains("name a `kubeconfig`"), "{error}");
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
fn an_api_that_does_not_answer_is_not_waited_for() {
    // It takes connections into its queue, and no more.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (access, _folder) = kubeconfig_of(&listener);
    let error = run(Publisher::Kubernetes(KubernetesSecret::new(access, "a", "b", "c")).read());
    let error = error.expect_err("nobody answers").to_string();
    assert!(error.contains("did not answer within 10 s; it is tried again"), "{error}");
}
