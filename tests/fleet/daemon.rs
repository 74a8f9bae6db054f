//! A whole daemon, and one node.

use crate::support::daemon::Daemon;
use crate::support::deployment;
use crate::support::eventually::{PATIENCE, eventually};
use crate::support::livekit::LiveKit;
use crate::{ONE, key_file};

#[test]
fn a_daemon_signs_with_nothing_that_its_node_does_not_accept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = key_file(&folder, &[("APIforeign", ONE)]);
    let mut livekit = LiveKit::start(&path);
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let asking =
        format!("nodes = [\"{}\"]\nprobe_interval = \"200ms\"\nprobe_timeout = \"200ms\"", livekit.url());
    let config = deployment::config_on(store, "both", deployment::QUICK_RULES)
        .replace("proof = \"disabled\"", &asking)
        .replace("{dir}/keys.yaml", path.to_str().expect("a path"));
    let mut daemon = Daemon::start(&format!("{config}\n[log]\nlevel = \"trace\"\n"));
    daemon.init("apps");
    eventually(PATIENCE, "its keys are published", || deployment::keys_in(&path).len() == 4);
    let refused = |key: &str| format!("node_key_accepted{{key_id=\"{key}\",node=\"{}\"}} 0\n", livekit.url());
    let own: Vec<_> = deployment::keys_in(&path).into_keys().filter(|key| key != "APIforeign").collect();
    eventually(PATIENCE, "its node does not know them, and it says so", || {
        let metrics = daemon.telemetry("/metrics");
        own.iter().all(|key| metrics.contains(&refused(key)))
    });
    let (status, _) = deployment::mint(&daemon);
    assert_eq!(status, 503, "there is no key that the node accepts");

    livekit.restart();
    daemon.wait_until_ready();
    let (status, minted) = deployment::mint(&daemon);
    assert_eq!(status, 201, "{minted}");
    assert!(livekit.accepts(minted["token"].as_str().expect("a token")));
    let log = daemon.log().text();
    assert!(log.contains("TRACE") || log.contains("DEBUG") || log.contains("INFO"), "{log}");
    assert!(!log.contains("eyJ"), "a token in the log:\n{log}");
}
