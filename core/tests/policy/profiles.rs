//! A thousand profiles: found as fast as two, and a sentence that can still be read.

use livekit_keyd_core::policy::{Policy, Profile};
use livekit_keyd_core::problem::ProblemKind;
use serde_json::{Map, Value, json};

use crate::fixtures::{caller, decide};

fn named(name: String) -> Profile {
    Profile { name, ..Profile::default() }
}

#[test]
fn each_of_many_is_found_by_its_name_and_by_no_other() {
    // In no order, as a configuration may have them.
    let names: Vec<_> = (0..1000).map(|number| format!("profile-{}", number * 7919 % 1000)).collect();
    let policy = Policy::new(caller(), names.iter().cloned().map(named).collect(), None);
    for name in &names {
        assert_eq!(&decide(&policy, &json!({"profile": name})).expect(name).profile, name);
    }
    assert_eq!(decide(&policy, &json!({})).expect("none is meant").profile, "");
    let near = decide(&policy, &json!({"profile": "profil-7"})).expect_err("a slip").detail;
    assert!(near.contains("did you mean `profile-7`?"), "{near}");
    let far = decide(&policy, &json!({"profile": "something else"})).expect_err("not its own").detail;
    assert!(far.len() < 250 && far.contains("1000 in all"), "{far}");
}

#[test]
fn the_room_configuration_of_a_profile_may_be_repeated() {
    let own: Map<String, Value> = serde_json::from_value(json!({"emptyTimeout": 60})).expect("an object");
    let fixed = Profile { room_config: Some(own.clone()), ..named("fixed".to_owned()) };
    let policy = Policy::new(caller(), vec![fixed], None);
    for request in [json!({}), json!({"room_config": own})] {
        let participant = decide(&policy, &request).expect("the profile's").participant;
        assert_eq!(participant.room_config.as_ref(), Some(&own));
    }
    let denied = decide(&policy, &json!({"room_config": {"emptyTimeout": 61}})).expect_err("another");
    assert_eq!(denied.rule, "allowed_room_config");
}

#[test]
fn what_livekit_cannot_read_is_refused_whoever_allows_it() {
    let odd: Map<String, Value> =
        serde_json::from_value(json!({"maxParticipants": "many"})).expect("an object");
    let profile = Profile { room_config: Some(odd), ..named("odd".to_owned()) };
    let refused = decide(&Policy::new(caller(), vec![profile], None), &json!({})).expect_err("unreadable");
    assert_eq!(
        (refused.kind, refused.pointer.as_str()),
        (ProblemKind::NotAToken, "/room_config/maxParticipants")
    );
}
