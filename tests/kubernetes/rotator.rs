//! A rotator that publishes to a Secret, and moves real nodes by the workload that mounts it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use livekit_keyd::publish::kubernetes::Access;
use livekit_keyd_core::key::KeyId;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Place, least, read, unexpected};
use crate::support::daemon::Daemon;
use crate::support::deployment::{self, QUICK_RULES};
use crate::support::eventually::{PATIENCE, eventually, value};
use crate::support::livekit::LiveKit;

/// A rotator of keyset `apps`, with these lines of `livekit` and of its publication.
fn config(place: &Place, livekit: &str, publish: &str) -> String {
    let Access::Kubeconfig(kubeconfig) = place.access() else { unexpected(&place.access()) };
    format!(
        "role = \"rotator\"\n\
         {livekit}\n\
         [store]\nkind = \"file\"\nfile.dir = \"{{dir}}/store\"\n\
         [[keyset]]\nname = \"apps\"\nrotation_period = \"168h\"\n{QUICK_RULES}\
         [[publish]]\nkind = \"kubernetes_secret\"\nnamespace = \"{}\"\nname = \"keys\"\nkubeconfig = {kubeconfig:?}\n{publish}\n",
        place.namespace,
    )
}

fn conditions(daemon: &Daemon) -> String {
    daemon.admin().get("/v1/status").1.to_string()
}

/// A StatefulSet's pod, for which no machine is there: a livekit-server that reads what was in the Secret at its start.
struct Pod {
    folder: TempDir,
    livekit: LiveKit,
}

impl Pod {
    fn start() -> Pod {
        let folder = tempfile::tempdir().expect("a folder");
        let key_file = folder.path().join("keys.yaml");
        fs::write(&key_file, "APIbefore: \"a-secret-from-before-there-was-a-rotator\"\n").expect("written");
        fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("its mode is set");
        Pod { livekit: LiveKit::start(&key_file), folder }
    }

    fn restart(&mut self, place: &Place) {
        let secret = place.get("secrets/keys");
        let text = BASE64.decode(secret["data"]["keys.yaml"].as_str().expect("an entry")).expect("base64");
        fs::write(self.folder.path().join("keys.yaml"), text).expect("written");
        self.livekit.restart();
    }
}

#[test]
fn check_online_names_the_rights_that_it_lacks() {
    for (rules, verdict, part) in [
        (least("statefulset"), "pass", "could be replaced"),
        (
            json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]),
            "fail",
            "may not patch secrets",
        ),
    ] {
        let place = Place::with(&rules);
        place.publisher();
        place.create_workload("statefulsets", &json!({}));
        let restart = "restart = \"statefulset/livekit\"";
        let nodes = "[livekit]\nnodes = [\"http://127.0.0.1:9\"]";
        let daemon = Daemon::new(&config(&place, nodes, restart));
        let path = daemon.config();
        let path = path.to_str().expect("a path is text");
        let told = daemon.run(&["check", "--config", path, "--online", "--json"]);
        let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        let outcomes = told["online"].as_array().expect("what was tried");
        let name = format!("publisher `{}/keys`", place.namespace);
        let own = outcomes.iter().find(|outcome| outcome["what"] == name).expect("the Secret");
        let why = own["why"].as_str().expect("a sentence");
        assert!(own["verdict"] == verdict && why.contains(part), "{told}");
    }
}

#[test]
fn nodes_are_moved_by_their_workload_and_a_stuck_pod_is_reported_and_mended() {
    let place = Place::with(&least("statefulset"));
    place.publisher();
    place.create_workload("statefulsets", &json!({"serviceName": "livekit"}));
    place.controller_says("statefulsets", 2, 2, &json!({}));
    let mut pod = Pod::start();
    let livekit = format!(
        "[livekit]\nnodes = [\"{}\"]\nprobe_interval = \"300ms\"\nprobe_timeout = \"300ms\"",
        pod.livekit.url()
    );
    let publish = "restart = \"statefulset/livekit\"\nrestart_timeout = \"1s\"";
    let daemon = Daemon::start(&config(&place, &livekit, publish));
    daemon.init("apps");
    let marked_unlike = |before: Option<&str>| {
        value(PATIENCE, "the workload is restarted under a new number", || {
            place.mark("statefulsets").filter(|mark| mark.starts_with("restart-") && before != Some(mark))
        })
    };
    let first = marked_unlike(None);
    pod.restart(&place);
    place.controller_says("statefulsets", 2, 2, &json!({}));
    deployment::wait_until_steady(&daemon);

    let rotated = daemon.run(&["rotate", "apps"]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let second = marked_unlike(Some(&first));
    // The pod does not come up again.
    place.controller_says("statefulsets", 1, 1, &json!({}));
    let is_stuck =
        || conditions(&daemon).contains("of 2 pods 1 are new and 1 are ready, and nothing has moved");
    eventually(PATIENCE, "the stuck pod is a condition", is_stuck);
    assert_eq!(place.mark("statefulsets").as_ref(), Some(&second), "nothing else is restarted");
    pod.restart(&place);
    place.controller_says("statefulsets", 2, 2, &json!({}));
    deployment::wait_until_steady(&daemon);
    eventually(PATIENCE, "the condition is gone", || !is_stuck());
    assert_eq!(place.mark("statefulsets").as_ref(), Some(&second), "one restart a rotation");
}

#[test]
fn a_rotator_keeps_a_secret_and_says_when_it_may_not() {
    let place = Place::with(&least("statefulset"));
    place.publisher();
    let daemon = Daemon::start(&config(&place, "livekit.proof = \"disabled\"", ""));
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
    place.kubernetes.succeed("DELETE", &binding, &Value::Null);
    eventually(PATIENCE, "the condition says what to allow", || {
        conditions(&daemon).contains("allow its account get, patch and create on the Secret `keys` alone")
    });
    place.kubernetes.create_binding(&place.namespace, "keyd");
    eventually(PATIENCE, "the condition is gone", || !conditions(&daemon).contains("allow its account"));
}
