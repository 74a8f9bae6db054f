//! Whether each of LiveKit's nodes answers, is one, knows the published keys, and has the same time.

use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Node, Publication, Verdict};
use prometheus::Registry;
use tokio::sync::{Notify, watch};

use super::{Outcome, Tried, clock_skew};
use crate::config::{Config, Proof};
use crate::fleet::{FleetMetrics, Watcher};

/// Nodes that have not said all by then are told of as they are.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn check(config: &Config, published: Option<Publication>, active: &[KeyId]) -> Vec<Outcome> {
    let Proof::Required(fleet) = &config.livekit.proof else { return Vec::new() };
    let metrics = match FleetMetrics::register(&Registry::new()) {
        Ok(metrics) => metrics,
        Err(error) => return vec![Outcome::fail("nodes", format!("they cannot be asked: {error}"))],
    };
    let watcher = match Watcher::new(fleet.settings.clone(), metrics) {
        Ok(watcher) => Arc::new(watcher),
        Err(error) => return vec![Outcome::fail("nodes", format!("they cannot be asked: {error}"))],
    };
    let keys = published.map(|published| published.keys).unwrap_or_default();
    watcher.ask_about(keys.into_iter().map(|(id, secret)| (id, Some(secret))).collect());
    let (stop, stopping) = watch::channel(false);
    let asking = tokio::spawn(Arc::clone(&watcher).run(Arc::new(Notify::new()), stopping));
    let in_time = tokio::time::timeout(PATIENCE, watcher.settled()).await.is_ok();
    let (nodes, unresolved) = watcher.seen();
    stop.send_replace(true);
    // What it says of itself was told.
    let _ = asking.await;

    let names = unresolved.iter().map(|(name, why)| {
        let why = format!(
            "{why}: nothing is proven while it gives no node; correct it in `nodes`, or mend the name server"
        );
        Outcome::fail(format!("node name {name}"), why)
    });
    let mut outcomes: Vec<Outcome> = names.collect();
    let most = clock_skew(config);
    for (address, node) in &nodes {
        let (result, why) = look(node, active, most, in_time);
        outcomes.push(Outcome { result, what: format!("node {address}"), why });
    }
    if nodes.len() < fleet.min_nodes {
        let why = format!(
            "there are {}, and min_nodes asks for {}: nothing is proven with fewer; start them, or lower min_nodes",
            nodes.len(),
            fleet.min_nodes
        );
        outcomes.push(Outcome::fail("nodes", why));
    }
    outcomes
}

/// What a node makes of the published keys, where two clocks may differ by `most`.
fn look(node: &Node, active: &[KeyId], most: Duration, in_time: bool) -> (Tried, String) {
    if let Some(trouble) = &node.trouble {
        let remedy = "see that LiveKit runs there, and that `nodes` has its own address";
        return (Tried::Fail, format!("{trouble}; {remedy}"));
    }
    if !in_time {
        let seconds = PATIENCE.as_secs();
        return (Tried::Fail, format!("it has not answered to every key within {seconds} s: see its load"));
    }
    if node.clock_difference > most {
        let why = format!(
            "its clock differs from this machine's by {} or more, and clock_skew allows {}: keep the clocks together with NTP",
            duration::format(node.clock_difference),
            duration::format(most)
        );
        return (Tried::Fail, why);
    }
    let those = |wrong: Verdict| {
        let those = node.answers.iter().filter(move |(_, answer)| answer.verdict == wrong);
        those.map(|(id, _)| id).collect::<Vec<_>>()
    };
    let list = |ids: &[&KeyId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (unknown, mismatched) = (those(Verdict::Refused), those(Verdict::Mismatch));
    if !mismatched.is_empty() {
        let why = format!(
            "it has another secret for {}: see which file it reads, and restart it with the published one",
            list(&mismatched)
        );
        return (Tried::Fail, why);
    }
    if !unknown.is_empty() {
        let why =
            format!("it does not know {}: it reads its keys at its start, so restart it", list(&unknown));
        return match unknown.iter().any(|id| active.contains(id)) {
            true => (Tried::Fail, format!("{why}; tokens of today's key are refused there")),
            false => (Tried::Warn, why),
        };
    }
    let why = match node.answers.len() {
        0 => "it is a LiveKit; there is no published key to ask it about".to_owned(),
        keys => format!("it is a LiveKit and knows all {keys} published keys"),
    };
    (Tried::Pass, why)
}

#[cfg(test)]
mod tests {
    use livekit_keyd_core::plan::Answer;
    use livekit_keyd_core::time::Time;

    use super::*;

    const SKEW: Duration = Duration::from_secs(30);

    fn node(answers: &[(&str, Verdict)]) -> Node {
        let at = Time::from_millis(0);
        let answer = |(id, verdict): &(&str, Verdict)| {
            (KeyId::new(*id), Answer { verdict: *verdict, since: at, asked_at: at })
        };
        Node {
            answers: answers.iter().map(answer).collect(),
            answering_since: Some(at),
            gone_at: None,
            trouble: None,
            clock_difference: Duration::ZERO,
        }
    }

    #[test]
    fn only_what_refuses_tokens_or_proofs_is_a_failure() {
        let active = [KeyId::new("APIactive")];
        let look = |node: &Node| look(node, &active, SKEW, true);
        let known = [("APIactive", Verdict::Accepted), ("APIstandby", Verdict::Accepted)];
        assert_eq!(look(&node(&known)).0, Tried::Pass);
        let (result, why) = look(&node(&[known[0], ("APIstandby", Verdict::Refused)]));
        assert!(result == Tried::Warn && why.contains("APIstandby"), "{why}");
        let (result, why) = look(&node(&[("APIactive", Verdict::Refused), known[1]]));
        assert!(result == Tried::Fail && why.contains("refused there"), "{why}");
        let (result, why) = look(&node(&[known[0], ("APIstandby", Verdict::Mismatch)]));
        assert!(result == Tried::Fail && why.contains("another secret for APIstandby"), "{why}");
        let (result, why) = look(&node(&[]));
        assert!(result == Tried::Pass && why.contains("no published key"), "{why}");
    }

    #[test]
    fn clocks_may_differ_by_what_the_rules_allow() {
        let apart = |clock_difference| Node { clock_difference, ..node(&[]) };
        assert_eq!(look(&apart(SKEW), &[], SKEW, true).0, Tried::Pass);
        let (result, why) = look(&apart(SKEW + Duration::from_secs(1)), &[], SKEW, true);
        assert!(result == Tried::Fail && why.contains("31s or more") && why.contains("30s"), "{why}");
    }
}
