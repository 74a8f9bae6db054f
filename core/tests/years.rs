//! Ten years of schedules with one rotator, which looks only when its plans told it to wake.

mod support;

use std::time::Duration;

use livekit_keyd_core::key::Key;
use livekit_keyd_core::rules::Rotation;
use support::{Setup, Sim, time};

const END: &str = "2037-01-01T00:00:00Z";

/// Every firing was served by the next key, on time, with one change of what LiveKit reads.
fn ten_years(rotation: Rotation) -> usize {
    let mut setup = Setup::calm();
    setup.rules.rotation = rotation.clone();
    setup.signers = 0;
    let mut sim = Sim::new(&setup);
    sim.init();
    sim.advance_to(time(END));
    assert_eq!(sim.violation(), None, "{}", sim.trace());

    let document = sim.document("set0");
    document.check("set0").expect("a document as it should be");
    let began: Vec<_> = document.keys.iter().filter_map(Key::commitment).collect();
    let schedule = rotation.schedule().expect("a schedule");
    for (key, next) in began.iter().zip(&began[1..]) {
        assert_eq!(next.ordinal, key.ordinal + 1, "keys are used in the order in which they were made");
        let firing = schedule.next_after(key.not_before, key.not_before).expect("a firing");
        assert_eq!(next.not_before, firing);
    }
    let last = began.last().expect("keys").not_before;
    let ahead = schedule.next_after(last, last).expect("a firing");
    assert!(ahead > time(END) || ahead > sim.now(), "the firing of {ahead} was not served");
    let retired = document.keys.iter().filter(|key| key.unpublished_at.is_some()).count();
    assert_eq!(sim.publisher("keys0").changes, retired + 1, "one restart of the nodes for each retired key");
    began.len()
}

#[test]
fn a_period_of_a_week() {
    assert_eq!(ten_years(Rotation::Period(Duration::from_secs(7 * 86_400))), 522);
}

#[test]
fn mondays_at_a_time_of_a_wall_clock_that_changes() {
    let berlin = Rotation::Schedule { cron: "30 2 * * MON".into(), timezone: "Europe/Berlin".into() };
    assert_eq!(ten_years(berlin), 523);
}

#[test]
fn the_first_and_the_fifteenth_of_a_month() {
    let kathmandu = Rotation::Schedule { cron: "0 0 1,15 * *".into(), timezone: "Asia/Kathmandu".into() };
    assert_eq!(ten_years(kathmandu), 241);
}
