//! The configuration that `dev` writes.

use std::time::Duration;

use livekit_keyd::config::dev::Dev;
use livekit_keyd::config::{Proof, PublisherConfig};
use livekit_keyd_core::request::TokenRequest;
use livekit_keyd_core::rules::Rotation;

use crate::sound;

#[test]
fn dev_writes_a_configuration_that_holds_at_every_pace() {
    let seconds = [5, 7, 20, 60, 3600, 86_400, 7 * 86_400];
    for rotate_every in seconds.map(|seconds| Some(Duration::from_secs(seconds))).into_iter().chain([None]) {
        let dev = Dev { uid: 1000, revision: 7, rotate_every, ..Dev::default() };
        let config = sound(&dev.text().expect("long enough"));
        let rules = &config.keysets[0].keyset.rules;
        assert_eq!(rules.rotation, rotate_every.map_or(Rotation::Manual, Rotation::Period));
        assert!(rules.activation_lead <= Duration::from_secs(2), "{rotate_every:?}");
        assert_eq!(rules.publish_delay, Duration::ZERO);
        assert_eq!(config.revision, Some(7));
        let caller = &config.callers[0];
        assert_eq!(caller.who.uids, Some(vec![1000]));
        let request = TokenRequest::parse(
            br#"{"identity": "a", "room": "r", "grants": {"video": {"roomJoin": true, "roomList": true}}}"#,
        );
        config.policy(caller).decide(request.expect("a request")).expect("everything is allowed");
    }
    let metrics = Some("127.0.0.1:0".parse().expect("an address"));
    assert_eq!(sound(&Dev { metrics, ..Dev::default() }.text().expect("a text")).metrics, metrics);
    let often =
        Dev { rotate_every: Some(Duration::from_secs(4)), ..Dev::default() }.text().expect_err("too often");
    assert!(often.to_string().contains("choose 5s or more"), "{often}");
}

#[test]
fn dev_asks_the_livekit_that_it_is_told_of() {
    let dev = Dev {
        livekit: Some("http://127.0.0.1:7880".to_owned()),
        restart: Some("pkill -f \"livekit-server\"; true".to_owned()),
        ..Dev::default()
    };
    let config = sound(&dev.text().expect("a text"));
    let Proof::Required(fleet) = &config.livekit.proof else { panic!("it asks") };
    assert_eq!(fleet.settings.nodes[0].as_str(), "http://127.0.0.1:7880");
    let PublisherConfig::KeyFile(file) = &config.publish[0] else { panic!("a key file") };
    let restart = file.restart.as_ref().expect("a restart");
    assert_eq!(restart.program.argv, ["sh", "-c", "pkill -f \"livekit-server\"; true"]);
    assert_eq!(sound(&Dev::default().text().expect("a text")).livekit.proof, Proof::Disabled);
}
