//! What is said about LiveKit's nodes.

use std::time::Duration;

use livekit_keyd::config::Proof;
use livekit_keyd::config::reload::diff;
use livekit_keyd::fleet::Source;

use crate::{asking, problem, problems, sound, warnings};

#[test]
fn nodes_are_asked_unless_somebody_says_otherwise() {
    let config = sound(&asking("nodes = [\"http://10.0.0.1:7880\", \"dns:livekit-headless:7880\"]"));
    let Proof::Required(fleet) = &config.livekit.proof else { panic!("proof is the default") };
    let nodes: Vec<_> = fleet.settings.nodes.iter().map(Source::as_str).collect();
    assert_eq!(nodes, ["http://10.0.0.1:7880", "dns:livekit-headless:7880"]);
    assert_eq!((fleet.min_nodes, fleet.settings.probe_timeout), (1, Duration::from_secs(2)));
    assert_eq!(fleet.settings.probe_interval, Duration::from_secs(15));
    assert_eq!(fleet.settings.fresh_for(), Duration::from_secs(34));
    assert_eq!(fleet.node_restart_timeout, Duration::from_secs(6 * 3600));
    assert!(warnings(&asking("nodes = \"http://10.0.0.1\"")).iter().all(|(what, _)| *what != "proof"));
    // Without a node there is nobody to ask, and two ways out.
    let missing = problem(&asking("nodes = []"));
    assert_eq!(missing.path, "livekit.nodes");
    assert!(missing.sentence.contains("nodes = [\"http://10.0.0.1:7880\"]"), "{missing:?}");
    assert!(missing.sentence.contains("proof = \"disabled\""), "{missing:?}");
    // A signer asks nobody.
    let signer = asking("").replace("\"both\"", "\"signer\"");
    sound(&signer);
    // It may be switched off for a while with its settings in place.
    let off = sound(&asking("proof = \"disabled\"\nnodes = \"http://10.0.0.1\"\nmin_nodes = 1"));
    assert_eq!(off.livekit.proof, Proof::Disabled);
}

#[test]
fn one_mistake_about_nodes_is_one_sentence_at_its_place() {
    let node = "nodes = [\"http://10.0.0.1\", \"http://10.0.0.1:80/\"]";
    for (settings, path, part) in [
        ("nodes = \"wss://livekit.example.com\"", "livekit.nodes", "dns:livekit-headless:7880"),
        ("nodes = [\"http://10.0.0.1\", \"dns:livekit\"]", "livekit.nodes[1]", "this is `dns:livekit`"),
        ("min_nodes = 0", "livekit.min_nodes", "at least 1"),
        ("min_nodes = 2", "livekit.min_nodes", "which is 1"),
        ("probe_interval = \"1ms\"\nprobe_timeout = \"1ms\"", "livekit.probe_interval", "at least 100ms"),
        ("probe_timeout = \"16s\"", "livekit.probe_timeout", "longer than probe_interval"),
        ("probe_timeout = \"1ms\"", "livekit.probe_timeout", "at least 10ms"),
        ("node_restart_timeout = \"0s\"", "livekit.node_restart_timeout", "at least 1s"),
        ("proof = \"none\"", "livekit.proof", "\"required\" or \"disabled\""),
    ] {
        let settings =
            if settings.starts_with("nodes") { settings.to_owned() } else { format!("{node}\n{settings}") };
        let all = problems(&asking(&settings));
        let found = all.iter().any(|one| one.path == path && one.sentence.contains(part));
        assert!(found, "{settings}: {all:?}");
    }
}

#[test]
fn each_setting_about_nodes_needs_a_restart() {
    let all = "nodes = \"http://10.0.0.1\"\nprobe_interval = \"9s\"\nprobe_timeout = \"1s\"\nnode_restart_timeout = \"1h\"\nmin_nodes = 1";
    for (from, to, path) in [
        ("http://10.0.0.1", "http://10.0.0.2", "livekit.nodes"),
        ("\"9s\"", "\"8s\"", "livekit.probe_interval"),
        ("\"1s\"", "\"2s\"", "livekit.probe_timeout"),
        ("\"1h\"", "\"2h\"", "livekit.node_restart_timeout"),
    ] {
        let reload = diff(&sound(&asking(all)), &sound(&asking(&all.replace(from, to))));
        assert_eq!(reload.needs_restart, [path]);
    }
    let names = |min| asking(&format!("nodes = \"dns:livekit:7880\"\nmin_nodes = {min}"));
    assert_eq!(diff(&sound(&names(1)), &sound(&names(2))).needs_restart, ["livekit.min_nodes"]);
}
