//! Rooms of LiveKit's own SDK, held over a cluster while its keys are rotated.
//!
//! Not a part of the gate, as it takes minutes: `make rooms`.

#[path = "../support/mod.rs"]
mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::cache;
use support::clients::Clients;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::fleet::{Fleet, RULES};
use support::server::Server;

const NODES: usize = 3;

fn rotations() -> usize {
    std::env::var("LIVEKIT_KEYD_ROTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn script(setting: &Value) -> Server {
    let mut command = Command::new(cache::path("rooms-node"));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rooms/node/rooms.cjs")).arg(setting.to_string());
    Server::spawn("rooms.cjs", command)
}

#[test]
fn no_join_is_refused_while_keys_rotate_under_rooms() {
    let fleet = Fleet::start(NODES);
    let cluster = &fleet.cluster;
    let rules = format!("rotation_period = \"20s\"\n{RULES}");
    let rotator = fleet.daemon("rotator", &rules);
    let signers = [(); 2].map(|()| fleet.daemon("signer", &rules));
    let sockets = signers.each_ref().map(|signer| signer.sign());
    let serving = &Clients::default();
    std::thread::scope(|scope| {
        scope.spawn(|| cluster.serve(|| serving.stopped()));
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rotator.init("apps");
            eventually(PATIENCE * 2, "each signer signs", || {
                sockets.iter().all(|sign| sign.is_200("/readyz"))
            });
            let paths: Vec<_> = sockets.iter().map(|sign| sign.path()).collect();
            let setting = json!({"nodes": cluster.urls(), "sockets": paths, "rooms": 4, "members": 2});
            let mut rooms = script(&setting);
            let (began, before) = (Instant::now(), cluster.restarts());
            for rotation in 1..=rotations() {
                let active = deployment::active(&rotator);
                let what = format!("rotation {rotation}");
                eventually(PATIENCE * 4, &what, || deployment::active(&rotator) != active);
                eventually(PATIENCE * 4, "its rollout ends", || {
                    let restarts = cluster.restarts();
                    restarts.iter().zip(&before).all(|(now, before)| *now >= before + rotation)
                });
            }
            rooms.terminate();
            let line = rooms.log().wait_for("RESULT ", 0, Duration::from_secs(5));
            let counted: Value = serde_json::from_str(line.trim_start_matches("RESULT ")).expect("JSON");
            eprintln!(
                "{} rotations in {:?}, restarts {:?}:\n{counted:#}",
                rotations(),
                began.elapsed(),
                cluster.restarts()
            );
            assert_eq!(counted["joins_refused"], 0, "{counted:#}");
            assert!(counted["joins"].as_u64() > Some(20), "{counted:#}");
            assert!(counted["shown_at_receipt"].as_u64() > Some(20), "{counted:#}");
        }));
        serving.stop();
        if let Err(panic) = walked {
            eprintln!("{:#}", rotator.admin().get("/v1/plan").1);
            std::panic::resume_unwind(panic);
        }
    });
}
