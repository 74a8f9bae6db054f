//! Rotations of a whole fleet on a real OpenBao: three livekit-servers, three signers, two rotators, and no refusal
//! whatever is killed.
//!
//! `make soak` has it rotate thirty times; otherwise it does so twice.

mod support;

use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::cluster::Cluster;
use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;
use support::socket::Socket;

const SIGNERS: usize = 3;
const NODES: usize = 3;
/// The life of each token.
const LIFE: Duration = Duration::from_secs(3);

const RULES: &str = "\
    max_token_ttl = \"3s\"\n\
    clock_skew = \"200ms\"\n\
    refresh_interval = \"500ms\"\n\
    overlap = \"5s\"\n\
    activation_lead = \"1s\"\n\
    rotation_period = \"8s\"\n";

fn rotations() -> usize {
    std::env::var("LIVEKIT_KEYD_ROTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

fn config(bao: &OpenBao, role: &str, key_file: &Path, cluster: &Cluster) -> String {
    let nodes = cluster.urls().iter().map(|url| format!("\"{url}\"")).collect::<Vec<_>>().join(", ");
    let livekit = format!(
        "[livekit]\nnodes = [{nodes}]\nmin_nodes = {NODES}\nprobe_interval = \"1s\"\nprobe_timeout = \"1s\"\nnode_restart_timeout = \"2m\"\n"
    );
    let restart = format!("mode = \"0600\"\nrestart = [{:?}]\n", cluster.command());
    deployment::config(bao, role, RULES)
        .replace("[livekit]\nproof = \"disabled\"\n", &livekit)
        .replace("{dir}/keys.yaml", key_file.to_str().expect("a path is text"))
        .replace("mode = \"0600\"\n", &restart)
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    keys: BTreeSet<String>,
    shown: usize,
    refused: Vec<String>,
}

/// Mints ten times a second and shows each token to every node at once, at half its life, and in its last second.
fn client(sign: &Socket, cluster: &Cluster, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let mut later: VecDeque<(Instant, usize, String, String)> = VecDeque::new();
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            next = now + Duration::from_millis(100);
            let request =
                json!({"identity": "alice", "room": "demo", "grants": {"video": {"roomJoin": true}}});
            // One that was killed answers nothing for a moment.
            if let Ok((status, minted)) = sign.try_post("/v1/tokens", &request) {
                assert!(status == 201 || status == 503, "{status} {minted}");
                if let (Some(token), Some(key)) = (minted["token"].as_str(), minted["key_id"].as_str()) {
                    seen.lock().expect("no client panicked").keys.insert(key.to_owned());
                    for showing in 0..3 {
                        let at = now + [Duration::ZERO, LIFE / 2, LIFE - Duration::from_millis(700)][showing];
                        later.push_back((at, showing, key.to_owned(), token.to_owned()));
                    }
                }
            }
        }
        for _ in 0..later.len() {
            let Some(showing) = later.pop_front() else { break };
            if showing.0 > Instant::now() {
                later.push_back(showing);
                continue;
            }
            let (_, which, key, token) = showing;
            for node in 0..NODES {
                let verdict = cluster.verdict(node, &token);
                let mut seen = seen.lock().expect("no client panicked");
                seen.shown += usize::from(verdict.is_some());
                if verdict.is_some_and(|status| status != 200) {
                    seen.refused.push(format!("{verdict:?} of {key} by node {node} at showing {which}"));
                }
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_token_is_refused_by_any_node_whatever_is_killed() {
    let bao = OpenBao::start();
    let shared = tempfile::tempdir().expect("a folder");
    let key_file = shared.path().join("keys.yaml");
    // LiveKit does not start without a key: this one is foreign, and stays.
    fs::write(&key_file, "APIfirst: a-secret-that-nobody-signs-with-at-all\n").expect("a key file");
    fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let cluster = Cluster::start(NODES, &key_file);
    let mut rotators = [(); 2].map(|()| {
        let mut daemon = deployment::with_token(&bao, &config(&bao, "rotator", &key_file, &cluster));
        daemon.start_again();
        daemon
    });
    let signers = [(); SIGNERS].map(|()| {
        let mut daemon = deployment::with_token(&bao, &config(&bao, "signer", &key_file, &cluster));
        daemon.start_again();
        Mutex::new(daemon)
    });
    let sockets = signers.each_ref().map(|signer| signer.lock().expect("nobody panicked").sign());
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
    let stopped = || stop.load(Ordering::Relaxed);
    let began = Instant::now();

    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| cluster.serve(stopped));
        rotators[0].init("apps");
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for signer in &signers {
                signer.lock().expect("nobody panicked").wait_until_ready();
            }
            for socket in &sockets {
                scope.spawn(|| client(socket, &cluster, &seen, &stop));
            }
            for rotation in 1..=rotations() {
                eventually(PATIENCE * 3, &format!("rotation {rotation}"), || {
                    seen.lock().expect("no client panicked").keys.len() > rotation
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
        stop.store(true, Ordering::Relaxed);
        walked
    });
    let seen = seen.into_inner().expect("no client panicked");
    eprintln!(
        "{} keys signed in {:?}; {} showings of tokens; {} restarts by the rotators; {} refused",
        seen.keys.len(),
        began.elapsed(),
        seen.shown,
        cluster.restarts(),
        seen.refused.len()
    );
    if let Err(panic) = outcome {
        let plan = rotators[0].admin().get("/v1/plan").1;
        eprintln!("{plan:#}\n{}", rotators[0].log().text());
        std::panic::resume_unwind(panic);
    }
    assert!(seen.refused.is_empty(), "{:#?}", seen.refused);
    assert!(seen.shown > rotations() * 100, "{} showings", seen.shown);
    assert!(cluster.restarts() >= rotations() * NODES / 2, "{} restarts", cluster.restarts());
}
