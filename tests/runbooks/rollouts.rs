//! rollouts.md

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::block::Id;
use super::site::{Site, write_key_file};
use super::support::daemon::Daemon;
use super::support::deployment;
use super::support::eventually::{PATIENCE, eventually};

const WHICH: Id<'_> = Id("rollouts.md", "RolloutStopped", "Which node, since when, and what it lacks.");
const BY_HAND: Id<'_> =
    Id("rollouts.md", "RolloutStopped", "Restart the node by hand and let the rotator look at once.");
const WHEN: Id<'_> = Id("rollouts.md", "NodeCameBackOld", "When the published file changed last.");
const RIGHT_FILE: Id<'_> = Id("rollouts.md", "NodeCameBackOld", "Restart the node with the right file.");
const AFTER_A_FAILURE: Id<'_> =
    Id("rollouts.md", "RestartFailed", "Restart the node by hand and see what is next.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 5] = [WHICH, BY_HAND, WHEN, RIGHT_FILE, AFTER_A_FAILURE];

/// A restart that fails, or says that it was done and leaves the node to the test.
const COMMAND: &str = "#!/bin/sh\n\
    test ! -e ${0%/*}/fail || { echo nobody may restart it >&2; exit 1; }\n\
    echo > ${0%/*}/told\n";

/// A standby's secret is lost, so another key is published, and nodes are to be restarted.
fn begin_a_rollout(site: &Site, daemon: &Daemon) {
    let lost = deployment::standby(daemon);
    site.fleet.bao.succeed("DELETE", &format!("secret/metadata/livekit/apps/standby/{lost}"), &Value::Null);
    let (status, told) = daemon.admin().post("/v1/refresh", &json!({}));
    assert!((200..300).contains(&status), "{told}");
}

fn wait_until_silent(daemon: &Daemon) {
    eventually(PATIENCE, "the node is seen to be silent", || {
        daemon.admin().get("/v1/status").1["nodes"][0]["answering_since"] == Value::Null
    });
}

#[test]
fn restarts_that_fail_bring_back_an_old_file_or_do_not_come_back() {
    let site = Site::new(1);
    let cluster = &site.fleet.cluster;
    let folder = tempfile::tempdir().expect("a folder");
    let (command, fail, told) =
        (folder.path().join("restart"), folder.path().join("fail"), folder.path().join("told"));
    fs::write(&command, COMMAND).expect("a command");
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).expect("its mode");
    let config =
        site.config().replace("mode = \"0600\"\n", &format!("mode = \"0600\"\nrestart = [{command:?}]\n"));
    let config = config.replace("node_restart_timeout = \"2m\"", "node_restart_timeout = \"3s\"");
    let was_told = |told: &Path| {
        eventually(PATIENCE, "the command was told", || told.exists());
        fs::remove_file(told).expect("once");
    };
    site.open_with(&config, |daemon| {
        let operator = site.operator(daemon, &BLOCKS);
        fs::write(&fail, "").expect("it fails from now on");
        begin_a_rollout(&site, daemon);
        operator.sees("RestartFailed", "nobody may restart it");
        fs::remove_file(&fail).expect("mended");
        operator.run(AFTER_A_FAILURE);
        operator.sees_no_more("RestartFailed");
        deployment::wait_until_steady(daemon);

        let old = folder.path().join("old.yaml");
        write_key_file(&old, &fs::read_to_string(site.fleet.key_file()).expect("the key file"));
        let _ = fs::remove_file(&told);
        begin_a_rollout(&site, daemon);
        was_told(&told);
        cluster.node(0).set_key_file(&old);
        cluster.node(0).stop();
        wait_until_silent(daemon);
        cluster.node(0).start_again();
        operator.sees("NodeCameBackOld", &cluster.urls()[0]);
        operator.run(WHEN);
        cluster.node(0).set_key_file(&site.fleet.key_file());
        operator.run(RIGHT_FILE);
        operator.sees_no_more("NodeCameBackOld");
        deployment::wait_until_steady(daemon);

        begin_a_rollout(&site, daemon);
        was_told(&told);
        cluster.node(0).stop();
        operator.sees("RolloutStopped", &cluster.urls()[0]);
        assert!(operator.run(WHICH).contains(&cluster.urls()[0]));
        operator.run(BY_HAND);
        operator.sees_no_more("RolloutStopped");
        deployment::wait_until_steady(daemon);
    });
}
