//! A deployment of ten thousand signers and two hundred nodes, by a virtual clock and the shipped pauses and plans.
//!
//! What it finds stands in docs/scale.md, which `make model` writes.

#[path = "fleet_scale/herd.rs"]
mod herd;
#[path = "fleet_scale/year.rs"]
mod year;

mod support;

use std::time::Duration;

use herd::{Day, Herd};
use year::Year;

/// How many requests a second Vault may be asked on average, and how much more in the busiest second.
const MOST_ON_AVERAGE: f64 = 350.0;
const MOST_ABOVE: f64 = 1.5;
/// How soon everything is ready after everything was restarted.
const MOST_UNTIL_READY: Duration = Duration::from_secs(60);
const SIGNERS: usize = 10_000;
const SEED: u64 = 1;

fn is_full() -> bool {
    std::env::var("LIVEKIT_KEYD_MODEL").is_ok_and(|size| size == "full")
}

#[test]
fn a_day_and_a_restart_of_ten_thousand_signers_and_a_year_of_rollouts() {
    let day = Day::of(SIGNERS, SEED);
    assert!(day.mean() <= MOST_ON_AVERAGE, "{day:?}");
    assert!(f64::from(day.busiest) <= MOST_ABOVE * day.mean(), "{day:?}");

    let herds = (0..10).map(|seed| Herd::of(SIGNERS, SEED + seed));
    let herd = herds.max_by_key(|herd| herd.ready_at).expect("ten of them");
    assert!(herd.ready_at <= MOST_UNTIL_READY, "{herd:?}");

    let (nodes, rotations) = if is_full() { (200, 52) } else { (8, 4) };
    let drains = [60, 600, 1800].map(Duration::from_secs);
    let years = drains.map(|drain| Year::of(nodes, rotations, drain));
    for year in &years {
        assert_eq!(year.most_restarts, rotations, "one restart of each node for each rotation: {year:?}");
        assert_eq!(year.fewest_restarts, rotations, "{year:?}");
        // An eighth each way, when half of the nodes are there.
        assert!(year.missed_at_worst <= 0.0626, "{year:?}");
        assert!(year.longest_without_standby.is_zero(), "with two standbys there is always one: {year:?}");
    }
    let page = page(&day, &herd, &years);
    if is_full() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scale.md"), page)
            .expect("docs/scale.md");
    } else {
        // What does not depend on the size of the run is what the page says.
        let known = include_str!("../../docs/scale.md");
        let same = page.lines().take_while(|line| !line.starts_with("## A year"));
        assert!(
            known.starts_with(&same.collect::<Vec<_>>().join("\n")),
            "run `make model`, which writes:\n{page}"
        );
    }
}

fn page(day: &Day, herd: &Herd, years: &[Year]) -> String {
    let mean = day.mean();
    let mut page = format!(
        "# Scale\n\n\
         Ten thousand signers, two hundred nodes, one keyset, refresh_interval 30 s, a rotation a week: computed by\n\
         `make model` from the pauses and plans that ship, with a virtual clock. A request takes no time here, which makes\n\
         bursts worse than they are.\n\n\
         ## One day of requests to Vault\n\n\
         Each signer began at a moment of its own; logins last an hour and are renewed; two rotators look every 15 s.\n\n\
         | | requests |\n|---|---|\n\
         | mean second | {mean:.1} |\n\
         | busiest second | {} ({:.2} x the mean) |\n\
         | quietest second | {} |\n\
         | the day | {} |\n\n\
         ## A restart of everything at once\n\n\
         Each signer logs in and reads at the same moment, from a Vault that answers 429 to all but {} requests of a\n\
         second. The worst of ten seeds:\n\n\
         | | |\n|---|---|\n\
         | half of the signers ready | {:.1} s |\n\
         | 99 of 100 | {:.1} s |\n\
         | all | {:.1} s |\n\
         | requests answered 429 | {} |\n\
         | busiest second after the first | {} |\n\
         | no second above {MOST_ABOVE} x the day's mean any more | {:.0} s |\n\n\
         ## A year of rollouts\n\n\
         One node at a time; a node is away for 5 s. Without a drain longer than this table's, the fleet is done before the\n\
         next rotation is due. Tokens that LiveKit made itself are counted as missed if the node that is asked, drawn evenly,\n\
         does not know the key that the node that made them, drawn evenly too, signed with.\n\n\
         | drain of a node | nodes | rotations | restarts of a node | one rollout takes | longest without a proven standby | missed while nodes differ, on average | at worst | of the year's |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        day.busiest,
        f64::from(day.busiest) / mean,
        day.quietest,
        day.total,
        herd::MOST_A_SECOND,
        herd.half_ready_at.as_secs_f64(),
        herd.most_ready_at.as_secs_f64(),
        herd.ready_at.as_secs_f64(),
        herd.refused,
        herd.busiest_later,
        herd.calm_after.as_secs_f64(),
    );
    for year in years {
        page += &format!(
            "| {} min | {} | {} | {} | {:.1} h | {} s | {:.1} % | {:.1} % | {:.2} % |\n",
            year.drain.as_secs() / 60,
            year.nodes,
            year.rotations,
            year.most_restarts,
            year.longest_rollout.as_secs_f64() / 3600.0,
            year.longest_without_standby.as_secs(),
            100.0 * year.missed_in_rollouts,
            100.0 * year.missed_at_worst,
            100.0 * year.missed,
        );
    }
    page
}
