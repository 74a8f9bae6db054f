//! Keys in a Secret: made, changed, mended, refused.

use std::net::TcpListener;

use livekit_keyd::publish::{KubernetesSecret, PublishError, Publisher};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Publication;
use livekit_keyd_core::secret::Secret;
use serde_json::json;

use crate::harness::{
    Place, RUNTIME, answer, conflict, holding, kubeconfig_of, least, nothing, read, refusal, run,
};
use crate::support::eventually::{PATIENCE, eventually};

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
    place.kubernetes.bind_cluster_role("cluster-admin", &place.namespace, "keyd");
    let elsewhere =
        Publisher::Kubernetes(KubernetesSecret::new(place.access(), "nowhere", "keys", "keys.yaml"));
    eventually(PATIENCE, "its rights are in force", || run(elsewhere.read()).is_ok());
    let error = refusal(&elsewhere, &nothing());
    assert!(error.contains("no such namespace; create it"), "{error}");
}
