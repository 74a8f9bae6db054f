//! publications.md, and the failing steps of rotation.md

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::openbao::OpenBao;
use super::support::policies;
use super::support::port;
use super::support::stores::FILES;

const LOOK_NOW: Id<'_> = Id("publications.md", "PublicationEdited", "Look now rather than at the next wake.");
const WHO_READS: Id<'_> =
    Id("publications.md", "PublicationUnreadable", "Who may read it. Its content stays unseen.");
const MOVE_ASIDE: Id<'_> =
    Id("publications.md", "PublicationUnreadable", "Move a broken key file aside and have it written anew.");
const ROOM: Id<'_> =
    Id("publications.md", "LivekitKeydPublishFailing", "Room and rights where the key file lies.");
const TRY_AGAIN: Id<'_> = Id("publications.md", "LivekitKeydPublishFailing", "Try again at once.");
const STEP: Id<'_> = Id("rotation.md", "StepFailed", "The step, and what comes after it.");
const STEP_AGAIN: Id<'_> = Id("rotation.md", "StepFailed", "Try again at once.");
const POLICY: Id<'_> =
    Id("publications.md", "OldPublicationsLeft", "Write the policies, with the paths of older versions.");
const ROLLOUT_POLICY: Id<'_> =
    Id("rollouts.md", "RolloutUnreadable", "Write the policies, with the path of the rollout.");

/// What these tests run.
pub(crate) const BLOCKS: [Id<'_>; 9] =
    [LOOK_NOW, WHO_READS, MOVE_ASIDE, ROOM, TRY_AGAIN, STEP, STEP_AGAIN, POLICY, ROLLOUT_POLICY];

#[test]
fn a_key_file_that_somebody_edits_and_then_breaks() {
    let daemon = Daemon::start(&deployment::config_on(FILES, "both", QUICK_RULES));
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    let ours = deployment::keys(&daemon);
    let key_file = deployment::key_file(&daemon);
    let operator = Operator::at(&daemon, &[LOOK_NOW, WHO_READS, MOVE_ASIDE]);

    let edited = fs::read_to_string(&key_file).expect("the key file");
    let kept: Vec<_> =
        edited.lines().filter(|line| !line.contains(ours.keys().next().expect("a key"))).collect();
    fs::write(&key_file, kept.join("\n")).expect("an edit");
    operator.run(LOOK_NOW);
    daemon.wait_for_log("PublicationEdited");
    eventually(PATIENCE, "the documents' keys are there again", || deployment::keys(&daemon) == ours);
    operator.sees_no_more("PublicationEdited");
    // Else what it still writes may be put in place of the next edit.
    let waited = daemon.run(&["wait", "apps", "--for", "steady", "--timeout", "30s"]);
    assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));

    fs::write(&key_file, "this is no key file\n").expect("an edit");
    operator.run(LOOK_NOW);
    operator.sees("PublicationUnreadable", "");
    operator.run(WHO_READS);
    operator.run(MOVE_ASIDE);
    operator.sees_no_more("PublicationUnreadable");
    eventually(PATIENCE, "it is written anew", || deployment::keys(&daemon) == ours);
}

#[test]
fn a_command_that_publishes_nothing() {
    let command = "[[publish]]\nkind = \"command\"\nname = \"consul\"\npublish = [\"./bring\"]\n";
    let mut daemon = Daemon::new(&(deployment::config_on(FILES, "both", QUICK_RULES) + command));
    let script = daemon.folder().join("bring");
    let write = |text: &str| {
        fs::write(&script, text).expect("a script");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("executable");
    };
    write("#!/bin/sh\necho consul is down >&2\nexit 1\n");
    daemon.start_again();
    daemon.init("apps");
    let operator = Operator::at(&daemon, &[ROOM, TRY_AGAIN, STEP, STEP_AGAIN]);
    operator.sees("StepFailed", "consul is down");
    assert!(operator.run(STEP).contains("consul"), "the plan names the step");
    operator.run(ROOM);
    write("#!/bin/sh\nexec cat > /dev/null\n");
    operator.run(TRY_AGAIN);
    operator.sees_no_more("StepFailed");

    write("#!/bin/sh\necho consul is down >&2\nexit 1\n");
    let (status, rotated) = daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{rotated}");
    operator.sees("StepFailed", "consul is down");
    write("#!/bin/sh\nexec cat > /dev/null\n");
    operator.run(STEP_AGAIN);
    operator.sees_no_more("StepFailed");
    deployment::wait_until_steady(&daemon);
}

/// Starts with a policy that lacks some paths; `mend` brings the others.
fn narrowed(path: &str, kind: &str, mend: &'static [Id<'static>; 1]) {
    let bao = OpenBao::start();
    let nobody = format!("nodes = [\"http://127.0.0.1:{}\"]", port::free());
    let config = deployment::config(&bao, "both", QUICK_RULES).replace("proof = \"disabled\"", &nobody);
    let mut daemon = deployment::with_token(&bao, &config);
    let printed = policies::printed(daemon.folder(), &config, &[]);
    let all = printed["policies"].as_array().expect("policies");
    let policy = all.iter().find(|policy| policy["for"] == "rotators").expect("a rotator's");
    let (name, text) = (policy["name"].as_str().expect("a name"), policy["policy"].as_str().expect("text"));
    assert!(text.contains(path), "{text}");
    let narrow = json!({"policy": text.replace(path, "secret/nothing/")});
    bao.succeed("PUT", &format!("sys/policies/acl/{name}"), &narrow);
    let token = bao.succeed("POST", "auth/token/create", &json!({"policies": [name], "no_parent": true}));
    fs::write(daemon.folder().join("token"), token["auth"]["client_token"].as_str().expect("a token"))
        .expect("a credential");
    daemon.start_again();
    daemon.init("apps");
    let operator = Operator::at(&daemon, mend).with_store(&bao);
    operator.sees(kind, "");
    operator.run(mend[0]);
    operator.sees_no_more(kind);
}

#[test]
fn a_policy_that_lets_no_old_version_be_destroyed() {
    narrowed("secret/destroy/", "OldPublicationsLeft", &[POLICY]);
}

#[test]
fn a_policy_that_hides_who_restarts_which_node() {
    narrowed("secret/data/livekit/deployment/rollout", "RolloutUnreadable", &[ROLLOUT_POLICY]);
}
