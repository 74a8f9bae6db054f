//! A workload that is restarted once an operation, and says why it does not move.

use std::net::TcpListener;
use std::time::Duration;

use livekit_keyd::publish::kubernetes::OPERATION;
use livekit_keyd::publish::{KubernetesSecret, Publisher};
use serde_json::{Value, json};

use crate::harness::{Place, RUNTIME, answer, conflict, kubeconfig_of, least, run};
use crate::support::eventually::{PATIENCE, eventually};

/// A StatefulSet that has no pods and this mark.
fn marked(version: &str, mark: &str) -> (u16, Value) {
    let template = json!({"metadata": {"annotations": {OPERATION: mark}}});
    let metadata = json!({"name": "livekit", "resourceVersion": version});
    let spec = json!({"replicas": 0, "template": template});
    (200, json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}))
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
