//! kill -9 of a rotator at each step of a rollout: the rollout ends, each node was restarted, and never two at once.

mod support;

use livekit_keyd_core::rollout::LEASE;
use serde_json::json;
use support::clients::Clients;
use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::fleet::{Fleet, RULES};

const NODES: usize = 2;
/// Lines before each write and each restart. One that was killed at the first leaves a lease that has to run out.
const STEPS: [&str; 4] = [
    "writing the rollout: begin",
    "restarting ",
    "writing the rollout: ordered",
    "writing the rollout: finish",
];

#[test]
fn killed_at_each_step_of_a_rollout() {
    let fleet = Fleet::start(NODES);
    let cluster = &fleet.cluster;
    let mut rotator = fleet.daemon("rotator", &format!("rotation_period = \"1000h\"\n{RULES}"));
    let serving = &Clients::default();
    std::thread::scope(|scope| {
        scope.spawn(|| cluster.serve(|| serving.stopped()));
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rotator.init("apps");
            deployment::wait_until_steady(&rotator);
            for step in STEPS {
                killed_at(step, &mut rotator, &fleet);
            }
        }));
        serving.stop();
        if let Err(panic) = walked {
            eprintln!("{:#}\n{}", rotator.admin().get("/v1/plan").1, rotator.log().text());
            std::panic::resume_unwind(panic);
        }
    });
    assert_eq!(cluster.most_down(), 1, "never two at once");
}

fn killed_at(step: &str, rotator: &mut Daemon, fleet: &Fleet) {
    let before = fleet.cluster.restarts();
    let old = deployment::active(rotator).expect("a key signs");
    let from = rotator.log().len();
    let (status, told) = rotator.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{told}");
    rotator.log().wait_for(step, from, PATIENCE * 2);
    rotator.kill();
    rotator.start_again();
    eventually(LEASE + PATIENCE * 2, &format!("the rollout killed at `{step}` ends"), || {
        let keys = deployment::keys_in(&fleet.key_file());
        let restarts = fleet.cluster.restarts();
        !keys.contains_key(&old) && restarts.iter().zip(&before).all(|(now, before)| now > before)
    });
    // The same number, so that what was done under it is not done again.
    let after = fleet.cluster.restarts();
    assert!(
        after.iter().zip(&before).all(|(now, before)| *now == before + 1),
        "{step}: {before:?} {after:?}"
    );
    deployment::wait_until_steady(rotator);
}
