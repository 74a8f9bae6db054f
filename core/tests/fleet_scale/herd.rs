//! Requests to Vault by second: a day of them, and a restart of everything.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use livekit_keyd_core::pause::{Backoff, Refresh, jitter};

use crate::support::Random;

const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// How long a login lasts before it is renewed at about two thirds of its life.
const LOGIN: Duration = Duration::from_secs(3600);
const DAY: usize = 86_400;
/// Above this Vault answers 429.
pub(crate) const MOST_A_SECOND: u32 = 1000;
/// Two rotators look every fifteen seconds: at the document, what lies beside it, its versions, the publications and the
/// rollout.
const ROTATORS: u64 = 2;
const LOOK: Duration = Duration::from_secs(15);
const REQUESTS_OF_A_LOOK: u32 = 10;

/// What Vault is asked in a day.
#[derive(Debug)]
pub(crate) struct Day {
    pub(crate) total: u64,
    pub(crate) busiest: u32,
    pub(crate) quietest: u32,
}

impl Day {
    pub(crate) fn of(signers: usize, seed: u64) -> Day {
        let mut seconds = vec![0_u32; DAY];
        let mut random = Random::new(seed);
        for _ in 0..signers {
            let mut refresh = Refresh::default();
            repeat(&mut seconds, &mut random, REFRESH_INTERVAL, 1, |fraction| {
                refresh.next(REFRESH_INTERVAL, true, fraction)
            });
            let renewal = LOGIN.mul_f64(2.0 / 3.0);
            repeat(&mut seconds, &mut random, renewal, 1, |fraction| jitter(renewal, fraction));
        }
        for _ in 0..ROTATORS {
            repeat(&mut seconds, &mut random, LOOK, REQUESTS_OF_A_LOOK, |_| LOOK);
        }
        Day {
            total: seconds.iter().map(|count| u64::from(*count)).sum(),
            busiest: seconds.iter().copied().max().unwrap_or_default(),
            quietest: seconds.iter().copied().min().unwrap_or_default(),
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.total as f64 / DAY as f64
    }
}

/// Asks from some moment of the first interval on.
fn repeat(
    seconds: &mut [u32],
    random: &mut Random,
    first: Duration,
    requests: u32,
    mut pause: impl FnMut(f64) -> Duration,
) {
    let mut at = first.mul_f64(random.fraction());
    while let Some(second) = seconds.get_mut(at.as_secs() as usize) {
        *second += requests;
        at += pause(random.fraction());
    }
}

/// What becomes of signers that all start at one moment.
#[derive(Debug)]
pub(crate) struct Herd {
    pub(crate) half_ready_at: Duration,
    pub(crate) most_ready_at: Duration,
    pub(crate) ready_at: Duration,
    pub(crate) refused: u32,
    /// The busiest second but for the first one.
    pub(crate) busiest_later: u32,
    /// From when on no second is far above the mean any more.
    pub(crate) calm_after: Duration,
}

#[derive(Clone, Default)]
struct Signer {
    login: Backoff,
    refresh: Refresh,
    logged_in: bool,
    ready: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wants {
    Login,
    Read,
}

impl Herd {
    pub(crate) fn of(signers: usize, seed: u64) -> Herd {
        const WATCHED: Duration = Duration::from_secs(900);
        let mut random = Random::new(seed);
        let mut states = vec![Signer::default(); signers];
        let mut queue = BinaryHeap::new();
        for index in 0..signers {
            queue.push(Reverse((Duration::ZERO, Wants::Login, index)));
            // Once before its sockets are open, and from then on.
            queue.push(Reverse((Duration::ZERO, Wants::Read, index)));
        }
        let mut seconds = vec![0_u32; WATCHED.as_secs() as usize];
        let (mut ready, mut refused) = (Vec::new(), 0);
        while let Some(Reverse((now, wants, index))) =
            queue.pop().filter(|Reverse((now, _, _))| *now < WATCHED)
        {
            let signer = &mut states[index];
            // Without a login nothing is asked.
            let asks = wants == Wants::Login || signer.logged_in;
            let second = &mut seconds[now.as_secs() as usize];
            *second += u32::from(asks);
            let answered = asks && *second <= MOST_A_SECOND;
            refused += u32::from(asks && !answered);
            let pause = match wants {
                Wants::Login if answered => {
                    signer.logged_in = true;
                    continue;
                }
                Wants::Login => signer.login.next(random.fraction()),
                Wants::Read => {
                    if answered && !signer.ready {
                        signer.ready = true;
                        ready.push(now);
                    }
                    signer.refresh.next(REFRESH_INTERVAL, signer.ready, random.fraction())
                }
            };
            queue.push(Reverse((now + pause, wants, index)));
        }
        assert_eq!(ready.len(), signers, "each is ready within {WATCHED:?}");
        let mean = signers as f64 / REFRESH_INTERVAL.as_secs_f64();
        let last_loud = seconds.iter().rposition(|count| f64::from(*count) > super::MOST_ABOVE * mean);
        Herd {
            half_ready_at: ready[signers / 2],
            most_ready_at: ready[signers * 99 / 100],
            ready_at: ready[signers - 1],
            refused,
            busiest_later: seconds[1..].iter().copied().max().unwrap_or_default(),
            calm_after: Duration::from_secs(last_loud.map_or(0, |second| second as u64 + 1)),
        }
    }
}
