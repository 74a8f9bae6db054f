//! No answer grants more than profile, keyset and caller allow, whatever they and the request are.

use std::cell::Cell;

use livekit_keyd_core::grants::{GrantPattern, VideoGrant};
use livekit_keyd_core::policy::{Caller, Policy, Profile};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::fixtures::{caller, decide, globs, grants, patterns};
use crate::model::{any_grants, effective, flag, flags, lies_within, reach};

const LIMITED: [(&str, &str); 6] = [
    ("video", "canPublishSources"),
    ("video", "destinationRoom"),
    ("agentEndpoint", "agentName"),
    ("agentEndpoint", "deployment"),
    ("agentThread", "scope"),
    ("agentThread", "threadIds"),
];

fn any_patterns() -> impl Strategy<Value = Vec<String>> {
    let mut names = GrantPattern::known();
    names.extend(["video.*", "sip.*", "agent.*", "agentThread.*", "agentEndpoint.*"].map(str::to_owned));
    prop_oneof![
        1 => Just(vec!["*".to_owned()]),
        2 => proptest::sample::subsequence(names.clone(), names.len() / 2..=names.len()),
        1 => proptest::sample::subsequence(names, 0..10),
    ]
}

fn parsed(names: &[String]) -> Vec<GrantPattern> {
    patterns(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whatever is beyond LiveKit's defaults must be covered by a pattern.
fn covered(approved: &Value, patterns: &[GrantPattern]) -> Result<(), TestCaseError> {
    let allows = |name: &str| patterns.iter().any(|pattern| pattern.allows(name));
    for name in flags() {
        let usual = effective(&json!({"video": {"canPublish": approved["video"]["canPublish"]}}), &name);
        let usual = if name == "video.canPublish" { true } else { usual };
        prop_assert!(usual || !effective(approved, &name) || allows(&name), "{name} in {approved}");
    }
    let moves = approved["video"]["destinationRoom"].is_string();
    prop_assert!(!moves || allows("video.destinationRoom"), "{approved}");
    Ok(())
}

/// Runs a property and sees that it was about something: enough requests were approved.
fn check<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<bool, TestCaseError>) {
    let approved = Cell::new(0);
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&strategy, |input| {
        if test(input)? {
            approved.set(approved.get() + 1);
        }
        Ok(())
    });
    outcome.expect("the property holds");
    assert!(approved.get() > 100, "only {} of 2000 were approved", approved.get());
}

fn ask(policy: &Policy, asked: &Value) -> Option<Value> {
    let request = json!({"identity": "alice", "room": "team-a", "grants": asked});
    let approved = decide(policy, &request).ok()?;
    Some(serde_json::to_value(&approved.grants).expect("JSON"))
}

#[test]
fn with_a_profile_nothing_is_granted_beyond_profile_and_keyset() {
    let input = (any_grants(70), any_grants(4), proptest::option::of(any_patterns()));
    check(input, |(own, asked, keyset)| {
        let profile = Profile { grants: grants(own.clone()), ..Profile::default() };
        let caller = Caller { allowed_rooms: globs(&["*"]), allowed_grants: vec![], ..caller() };
        let bound = keyset.as_deref().map(parsed);
        let policy = Policy::new(caller, vec![profile], bound.clone());
        let Some(approved) = ask(&policy, &asked) else { return Ok(false) };
        for name in flags() {
            prop_assert!(effective(&own, &name) || !effective(&approved, &name), "{name} in {approved}");
            if flag(&asked, &name) == Some(false) {
                prop_assert!(!effective(&approved, &name), "{name} was to be false in {approved}");
            }
            if flag(&own, &name).is_none() && flag(&asked, &name).is_none() {
                prop_assert_eq!(flag(&approved, &name), None, "{} was unset", name);
            }
        }
        for (group, member) in LIMITED {
            let (inner, outer) = (reach(&approved, group, member), reach(&own, group, member));
            prop_assert!(lies_within(inner, outer), "{group}.{member} of {own} in {approved}");
        }
        if let Some(bound) = bound {
            covered(&approved, &bound)?;
        }
        Ok(true)
    });
}

#[test]
fn without_a_profile_nothing_is_granted_beyond_caller_and_keyset() {
    let input = (any_grants(15), any_patterns(), proptest::option::of(any_patterns()));
    check(input, |(asked, own, keyset)| {
        let (own, bound) = (parsed(&own), keyset.as_deref().map(parsed));
        let caller = Caller { allowed_rooms: globs(&["*"]), allowed_grants: own.clone(), ..caller() };
        let Some(approved) = ask(&Policy::new(caller, vec![], bound.clone()), &asked) else {
            return Ok(false);
        };
        covered(&approved, &own)?;
        if let Some(bound) = bound {
            covered(&approved, &bound)?;
        }
        let mut said: VideoGrant = serde_json::from_value(asked["video"].clone()).unwrap_or_default();
        said.room = "team-a".to_owned();
        prop_assert_eq!(&approved["video"], &json!(said), "what was asked for, and what was unset unset");
        Ok(true)
    });
}

#[test]
fn a_profile_alone_is_granted_as_it_is() {
    check(any_grants(50), |own| {
        let profile = Profile { grants: grants(own), ..Profile::default() };
        let mut expected = profile.grants.clone();
        expected.video.room = "team-a".to_owned();
        let caller = Caller { allowed_rooms: globs(&["*"]), ..caller() };
        let Some(approved) = ask(&Policy::new(caller, vec![profile], None), &json!({})) else {
            return Err(TestCaseError::fail("a profile may be used"));
        };
        prop_assert_eq!(approved, json!(expected));
        Ok(true)
    });
}
