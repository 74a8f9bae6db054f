//! What a decision costs among a thousand callers and profiles, against what it costs among ten.
//!
//! `cargo bench -p livekit-keyd-core --bench scale`. Rounds of both are interleaved and
//! the quickest of each counts, which other work on the machine disturbs least. It
//! ends with 1 when a thousand cost over a tenth more.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use livekit_keyd_core::grants::Grants;
use livekit_keyd_core::policy::{Caller, CallerIndex, CallerMatch, Glob, Policy, Profile};
use livekit_keyd_core::request::TokenRequest;

const FEW: usize = 10;
const MANY: usize = 1000;
/// What many may cost more.
const TOLERATED: f64 = 1.10;
const ROUNDS: usize = 400;
const DECISIONS: usize = 500;

/// So many callers, of whom one may use so many profiles.
struct World {
    index: CallerIndex,
    policy: Policy,
    body: Vec<u8>,
    uid: u32,
}

impl World {
    fn of(size: usize) -> World {
        let size_as_uid = u32::try_from(size).expect("few enough");
        let callers: Vec<_> = (0..size_as_uid)
            .map(|number| match number % 2 {
                0 => CallerMatch { uids: Some(vec![number]), gids: None },
                _ => CallerMatch { uids: None, gids: Some(vec![number]) },
            })
            .collect();
        let grants: Grants =
            serde_json::from_str(r#"{"video":{"roomJoin":true,"canPublish":false}}"#).expect("grants");
        let profiles = (0..size)
            .map(|number| Profile {
                name: format!("profile-{number:04}"),
                grants: grants.clone(),
                ..Profile::default()
            })
            .collect();
        let glob = |text| vec![Glob::parse(text).expect("a pattern")];
        let caller = Caller {
            name: "web".to_owned(),
            allowed_rooms: glob("{caller}-*"),
            allowed_identities: glob("user-*"),
            ..Caller::default()
        };
        let body = format!(
            r#"{{"identity":"user-1","room":"web-1","profile":"profile-{:04}","ttl":"10m"}}"#,
            size * 2 / 3
        );
        World {
            index: CallerIndex::new(&callers),
            policy: Policy::new(caller, profiles, None),
            body: body.into_bytes(),
            uid: size_as_uid - 2,
        }
    }

    /// A connection is told apart and a request on it decided, again and again.
    fn round(&self) -> Duration {
        let began = Instant::now();
        for _ in 0..DECISIONS {
            let place = self.index.find(black_box(self.uid), black_box(&[70_000, 70_001, 70_002]));
            assert!(place.is_some(), "the caller is known");
            let request = TokenRequest::parse(black_box(&self.body)).expect("a request");
            black_box(self.policy.decide(request).expect("it is allowed"));
        }
        began.elapsed()
    }
}

fn main() -> ExitCode {
    let worlds = [World::of(FEW), World::of(MANY)];
    let mut quickest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (quickest, world) in quickest.iter_mut().zip(&worlds) {
            *quickest = (*quickest).min(world.round());
        }
    }
    let each = quickest.map(|round| round.as_secs_f64() * 1e9 / DECISIONS as f64);
    let ratio = each[1] / each[0];
    println!(
        "a decision among {FEW} callers and profiles: {:.0} ns; among {MANY}: {:.0} ns; {ratio:.3} times as much",
        each[0], each[1]
    );
    if ratio > TOLERATED { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
