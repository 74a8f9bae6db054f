//! Real livekit-servers, each with its own keys.

use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::Verdict;
use livekit_keyd_core::time::Time;

use crate::support::eventually::{PATIENCE, eventually};
use crate::support::livekit::LiveKit;
use crate::{ONE, TWO, Watched, key_file, write_keys};

#[test]
fn real_nodes_say_what_they_make_of_each_key() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = LiveKit::start(&key_file(&folder, &[("APIone", ONE), ("APItwo", TWO)]));
    let second = LiveKit::start(&key_file(&other, &[("APIone", TWO)]));
    let watched = Watched::start(&[&first.url(), &second.url()]);
    watched.ask_about(&[("APIone", Some(ONE)), ("APItwo", None), ("APIzero", Some(ONE))]);
    let node = watched.wait_for(
        &first.url(),
        &[
            ("APIone", Verdict::Accepted),
            // Its secret is not known here: that the id is known there is all that can be told.
            ("APItwo", Verdict::Mismatch),
            ("APIzero", Verdict::Refused),
        ],
    );
    assert_eq!(node.clock_difference, Duration::ZERO, "it is the same machine");
    let since = node.answering_since.expect("it answers");
    watched.wait_for(
        &second.url(),
        &[("APIone", Verdict::Mismatch), ("APItwo", Verdict::Refused), ("APIzero", Verdict::Refused)],
    );
    assert!(watched.rang());

    // They are asked on, and nothing is forgotten meanwhile.
    let one = KeyId::new("APIone");
    let asked_at = node.answers[&one].asked_at;
    eventually(PATIENCE, "it is asked again", || {
        watched.node(&first.url()).answers[&one].asked_at > asked_at
    });
    let later = watched.node(&first.url());
    // Two clocks are read one after the other, so their difference wavers.
    let same = |a: Time, b: Time| a.as_millis().abs_diff(b.as_millis()) < 50;
    assert!(same(later.answers[&one].since, node.answers[&one].since), "{later:?}");
    assert!(same(later.answering_since.expect("it answers"), since), "{later:?}");

    let metrics = watched.metrics();
    let series = |id: &str| format!("node_key_accepted{{key_id=\"{id}\",node=\"{}\"}}", first.url());
    assert!(metrics.contains(&format!("{} 1\n", series("APIone"))), "{metrics}");
    assert!(metrics.contains(&format!("{} 0\n", series("APIzero"))), "{metrics}");
    assert!(metrics.contains("nodes{state=\"answering\"} 2\n"), "{metrics}");
    for result in ["accepted", "refused", "mismatch"] {
        assert!(metrics.contains(&format!("node_probes_total{{result=\"{result}\"}}")), "{metrics}");
    }
    // A key that is gone is gone from both, and a new secret is a new question.
    watched.ask_about(&[("APIone", Some(TWO))]);
    watched.wait_for(&first.url(), &[("APIone", Verdict::Mismatch)]);
    watched.wait_for(&second.url(), &[("APIone", Verdict::Accepted)]);
    assert!(!watched.metrics().contains("APIzero"), "{}", watched.metrics());
}

#[test]
fn a_node_that_stops_is_silent_and_starts_with_what_it_reads_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = key_file(&folder, &[("APIone", ONE)]);
    let mut livekit = LiveKit::start(&path);
    let watched = Watched::start(&[&livekit.url()]);
    watched.watcher.hurry(true);
    watched.ask_about(&[("APIone", Some(ONE)), ("APItwo", Some(TWO))]);
    let before =
        watched.wait_for(&livekit.url(), &[("APIone", Verdict::Accepted), ("APItwo", Verdict::Refused)]);

    livekit.stop();
    let silent = watched.wait_for_trouble(&livekit.url(), "does not answer");
    assert_eq!(silent.answering_since, None);
    eventually(PATIENCE, "nothing listens there", || {
        watched.node(&livekit.url()).gone_at > before.answering_since
    });
    let metrics = watched.metrics();
    assert!(metrics.contains("nodes{state=\"silent\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("node_key_accepted{"), "what is not known has no series: {metrics}");

    write_keys(&path, &[("APItwo", TWO)]);
    livekit.start_again();
    let back =
        watched.wait_for(&livekit.url(), &[("APIone", Verdict::Refused), ("APItwo", Verdict::Accepted)]);
    assert!(back.answering_since > back.gone_at);
}
