//! Rotations of a whole fleet on a real OpenBao: three livekit-servers, three signers, two rotators, and no refusal
//! whatever is killed.
//!
//! `make soak` has it rotate thirty times; otherwise it does so twice.

mod support;

use std::sync::Mutex;
use std::time::Instant;

use support::clients::Clients;
use support::daemon::Daemon;
use support::eventually::{PATIENCE, eventually};
use support::fleet::{Fleet, RULES};

const SIGNERS: usize = 3;
const NODES: usize = 3;

fn rotations() -> usize {
    std::env::var("LIVEKIT_KEYD_ROTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

#[test]
fn no_token_is_refused_by_any_node_whatever_is_killed() {
    let fleet = Fleet::start(NODES);
    let cluster = &fleet.cluster;
    let rules = format!("rotation_period = \"8s\"\n{RULES}");
    let mut rotators = [(); 2].map(|()| fleet.daemon("rotator", &rules));
    let signers = [(); SIGNERS].map(|()| Mutex::new(fleet.daemon("signer", &rules)));
    let sockets = signers.each_ref().map(|signer| signer.lock().expect("nobody panicked").sign());
    let clients = &Clients::default();
    let began = Instant::now();

    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| cluster.serve(|| clients.stopped()));
        rotators[0].init("apps");
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for signer in &signers {
                signer.lock().expect("nobody panicked").wait_until_ready();
            }
            for (number, socket) in sockets.iter().enumerate() {
                scope.spawn(move || clients.run(number, socket, cluster));
            }
            for rotation in 1..=rotations() {
                eventually(PATIENCE * 3, &format!("rotation {rotation}"), || {
                    clients.seen().keys().len() > rotation
                });
                let rotator: &mut Daemon = &mut rotators[rotation % 2];
                rotator.kill();
                rotator.start_again();
                let mut signer = signers[rotation % SIGNERS].lock().expect("nobody panicked");
                signer.kill();
                signer.start_again();
                // Somebody else's restart, and not a gentle one.
                let mut node = cluster.node(rotation % NODES);
                node.server().kill();
                node.start_again();
            }
        }));
        clients.stop();
        walked
    });
    let seen = clients.seen();
    let restarts: usize = cluster.restarts().iter().sum();
    eprintln!(
        "{} keys signed in {:?}; {} showings of tokens; {restarts} restarts by the rotators; {} refused",
        seen.keys().len(),
        began.elapsed(),
        seen.shown,
        seen.refused.len()
    );
    if let Err(panic) = outcome {
        let plan = rotators[0].admin().get("/v1/plan").1;
        eprintln!("{plan:#}\n{}", rotators[0].log().text());
        std::panic::resume_unwind(panic);
    }
    assert!(seen.refused.is_empty(), "{:#?}", seen.refused);
    assert!(seen.shown > rotations() * 100, "{} showings", seen.shown);
    assert!(restarts >= rotations() * NODES / 2, "{restarts} restarts");
}
