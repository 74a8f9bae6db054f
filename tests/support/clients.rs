//! Clients that mint all the while and show each token to every node of a cluster.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::cluster::Cluster;
use super::socket::Socket;

/// The life of each token.
pub(crate) const LIFE: Duration = Duration::from_secs(3);
/// When a token is shown, after it was minted: at once, at half its life, and in its last second.
const SHOWINGS: [Duration; 3] =
    [Duration::ZERO, LIFE.checked_div(2).expect("two"), Duration::from_millis(2300)];
const BETWEEN: Duration = Duration::from_millis(100);

/// What the clients saw, and when they are to end.
#[derive(Default)]
pub(crate) struct Clients {
    seen: Mutex<Seen>,
    stop: AtomicBool,
}

/// What they saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Every token.
    pub(crate) minted: Vec<Minted>,
    /// How often a node said what it makes of a token.
    pub(crate) shown: usize,
    /// How often it refused one.
    pub(crate) refused: Vec<Refused>,
}

/// A token, without itself.
#[derive(Clone, Debug)]
pub(crate) struct Minted {
    /// When it was asked for.
    pub(crate) at: Instant,
    /// By which signer, counted from 0.
    pub(crate) signer: usize,
    /// With which key.
    pub(crate) key: String,
}

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// The token.
    pub(crate) token: Minted,
    /// The node, counted from 0.
    pub(crate) node: usize,
    /// What it answered.
    pub(crate) status: u16,
    /// How old the token was.
    pub(crate) age: Duration,
}

impl Seen {
    /// The keys that signed.
    pub(crate) fn keys(&self) -> BTreeSet<&str> {
        self.minted.iter().map(|minted| minted.key.as_str()).collect()
    }
}

impl Clients {
    /// What was seen so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends them all.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether they are to end.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// One of them: mints ten times a second by one signer until told to stop.
    pub(crate) fn run(&self, signer: usize, sign: &Socket, cluster: &Cluster) {
        self.run_with(signer, cluster, || mint(sign));
    }

    /// As [`Clients::run`], with tokens of `mint`: a key's id and the token.
    pub(crate) fn run_with(
        &self,
        signer: usize,
        cluster: &Cluster,
        mut mint: impl FnMut() -> Option<(String, String)>,
    ) {
        let mut later: VecDeque<(Instant, Minted, String)> = VecDeque::new();
        let mut next = Instant::now();
        while !self.stopped() {
            let at = Instant::now();
            if at >= next {
                next = at + BETWEEN;
                if let Some((key, token)) = mint() {
                    let minted = Minted { at, signer, key };
                    let showings = SHOWINGS.map(|age| (at + age, minted.clone(), token.clone()));
                    later.extend(showings);
                    self.seen().minted.push(minted);
                }
            }
            for _ in 0..later.len() {
                let Some((due, minted, token)) = later.pop_front() else { break };
                if due > Instant::now() {
                    later.push_back((due, minted, token));
                } else {
                    self.show(&minted, &token, cluster);
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn show(&self, minted: &Minted, token: &str, cluster: &Cluster) {
        for (node, status) in cluster.verdicts(token).into_iter().enumerate() {
            let Some(status) = status else { continue };
            let mut seen = self.seen();
            seen.shown += 1;
            if status != 200 {
                seen.refused.push(Refused { token: minted.clone(), node, status, age: minted.at.elapsed() });
            }
        }
    }
}

/// A key's id and a token; nothing while the signer is down or has no key.
fn mint(sign: &Socket) -> Option<(String, String)> {
    let request = json!({"identity": "alice", "room": "demo", "grants": {"video": {"roomJoin": true}}});
    let (status, minted) = sign.try_post("/v1/tokens", &request).ok()?;
    assert!(status == 201 || status == 503, "{status} {minted}");
    Some((minted["key_id"].as_str()?.to_owned(), minted["token"].as_str()?.to_owned()))
}
