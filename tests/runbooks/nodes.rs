//! nodes.md

use serde_json::{Value, json};

use super::block::Id;
use super::operator::Operator;
use super::site::{Site, write_key_file};
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::livekit::LiveKit;
use super::support::stores::FILES;

const ASK: Id<'_> =
    Id("nodes.md", "NodeSilent", "Ask the node as the daemon does: a livekit-server answers OK here.");
const FORGET: Id<'_> = Id(
    "nodes.md",
    "NodeSilent",
    "Strike off a node that is gone for good; if it answers again, it counts again.",
);
const IDS: Id<'_> = Id(
    "nodes.md",
    "NodeLacksKey",
    "Ids only, never secrets: what is published, and what the nodes make of it.",
);
const RESTART: Id<'_> = Id("nodes.md", "NodeLacksKey", "Restart the node with what is published.");
const NAME: Id<'_> = Id("nodes.md", "FleetUnknown", "What the name gives on this machine.");
const CHECK: Id<'_> = Id("nodes.md", "FleetUnknown", "Check the configuration before the restart.");
const CHECK_NODES: Id<'_> = Id("nodes.md", "ProofDisabled", "Check what the new configuration means.");
const WAITS_FOR: Id<'_> = Id("nodes.md", "LivekitKeydRetiredKeyAccepted", "What waits for which node.");
const RESTART_EACH: Id<'_> = Id(
    "nodes.md",
    "LivekitKeydRetiredKeyAccepted",
    "Restart a node, and wait until everything is where it should be.",
);

/// What these tests run.
pub(crate) const BLOCKS: [Id<'_>; 9] =
    [ASK, FORGET, IDS, RESTART, NAME, CHECK, CHECK_NODES, WAITS_FOR, RESTART_EACH];

#[test]
fn nodes_that_read_an_old_file_keep_a_retired_key_and_are_gone_for_good() {
    let site = Site::new(2);
    let cluster = &site.fleet.cluster;
    site.open(|daemon| {
        let mut operator = site.operator(daemon, &[ASK, FORGET, IDS, RESTART, WAITS_FOR, RESTART_EACH]);
        let old = daemon.folder().join("old.yaml");
        write_key_file(&old, "APIfirst: a-secret-that-nobody-signs-with-at-all\n");
        cluster.node(0).set_key_file(&old);
        cluster.node(0).restart();
        operator.sees("NodeLacksKey", &cluster.urls()[0]);
        let active = deployment::active(daemon).expect("a key signs");
        assert!(operator.run(IDS).contains(&active));
        cluster.node(0).set_key_file(&site.fleet.key_file());
        operator.run(RESTART);
        operator.sees_no_more("NodeLacksKey");

        let (status, rotated) = daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
        assert_eq!(status, 202, "{rotated}");
        let key = |id: &str| {
            let keys = deployment::keyset(daemon)["keys"].as_array().expect("keys").clone();
            keys.into_iter().find(|key| key["id"] == id).expect("it is known for ever")
        };
        eventually(PATIENCE, "it is retired", || key(&active)["phase"] == "retired");
        eventually(PATIENCE, "the plan waits for both nodes", || {
            let said = operator.run(WAITS_FOR);
            cluster.urls().iter().any(|url| said.contains(url))
        });
        operator.run(RESTART_EACH);
        assert_ne!(key(&active)["erased_at"], Value::Null, "each node refuses it, and it is erased");

        cluster.node(1).stop();
        operator.set("NODE", &cluster.urls()[1]);
        operator.sees("NodeSilent", &cluster.urls()[1]);
        assert!(operator.run(ASK).contains("curl:"), "nobody answers");
        operator.run(FORGET);
        operator.sees_no_more("NodeSilent");
        let status = daemon.admin().get("/v1/status").1.to_string();
        assert!(status.contains("the machine was taken down"), "{status}");
    });
}

#[test]
fn proof_is_demanded_of_a_fleet_that_is_too_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let key_file = folder.path().join("keys.yaml");
    let first = "APIfirst: a-secret-that-nobody-signs-with-at-all\n";
    write_key_file(&key_file, first);
    let livekit = LiveKit::start(&key_file);
    let config = deployment::config_on(FILES, "both", QUICK_RULES);
    let mut daemon = Daemon::start(&config);
    let mut operator = Operator::at(&daemon, &[NAME, CHECK, CHECK_NODES]);
    operator.set("NAME", "localhost");
    operator.sees("ProofDisabled", "");
    let name = livekit.url().replace("http://", "dns:");
    let asking = |least: usize| {
        config.replace("proof = \"disabled\"", &format!("nodes = [\"{name}\"]\nmin_nodes = {least}"))
    };
    daemon.write_config(&asking(2));
    operator.run(CHECK_NODES);
    daemon.terminate();
    daemon.start_again();
    operator.sees_no_more("ProofDisabled");
    operator.sees("FleetUnknown", "");
    assert!(operator.run(NAME).contains("127.0.0.1") || operator.run(NAME).contains("::1"));
    daemon.write_config(&asking(1));
    operator.run(CHECK);
    daemon.terminate();
    daemon.start_again();
    operator.sees_no_more("FleetUnknown");
}
