//! A signer without its store: it changes keys on time, shortens its tokens, and stops when it no longer knows.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::deployment::{self, RULES};
use support::eventually::{PATIENCE, eventually, value};
use support::livekit::LiveKit;
use support::openbao::OpenBao;

#[test]
fn a_signer_changes_keys_on_time_without_the_store_and_stops_when_its_lease_ends() {
    let mut bao = OpenBao::start();
    let rotator = deployment::start(&bao, "rotator", RULES);
    rotator.init("apps");
    deployment::wait_until_steady(&rotator);
    let mut signer = deployment::start(&bao, "signer", RULES);
    signer.wait_until_ready();
    let livekit = LiveKit::start(&deployment::key_file(&rotator));

    let first = deployment::active(&rotator).expect("an active key");
    let (status, rotated) = rotator.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{rotated}");
    let next = rotated["key_id"].as_str().expect("a committed key").to_owned();
    eventually(PATIENCE, "the signer has read of the commitment", || {
        deployment::keyset(&signer)["keys"]
            .as_array()
            .is_some_and(|keys| keys.iter().any(|key| key["id"] == next && !key["not_before"].is_null()))
    });
    let by_first = deployment::mint(&signer).1;
    bao.stop();

    let changed = value(PATIENCE, "the signer changes its key without the store", || {
        let (status, minted) = deployment::mint(&signer);
        assert_eq!(status, 201, "{minted}");
        assert!(livekit.accepts(minted["token"].as_str().expect("a token")), "{minted}");
        (minted["key_id"] == next).then_some(minted)
    });
    assert_eq!(by_first["key_id"], first, "before, the first key signed");
    let not_before: Value = rotated["not_before"].clone();
    assert!(changed["token"].is_string(), "the change was due at {not_before}");

    let mut lives = Vec::new();
    let refused = value(PATIENCE, "the lease ends", || {
        let (status, answer) = deployment::mint(&signer);
        if status == 201 {
            lives.push(answer["expires_in"].as_i64().expect("a life"));
            std::thread::sleep(Duration::from_millis(50));
            return None;
        }
        Some((status, answer))
    });
    assert!(lives.is_sorted_by(|earlier, later| earlier >= later), "lives only shrink: {lives:?}");
    assert!(lives.last() < lives.first(), "lives shrink: {lives:?}");
    assert_eq!(refused.0, 503, "{}", refused.1);
    let detail = refused.1["detail"].as_str().expect("a sentence");
    assert!(detail.contains("the store has not answered for"), "{detail}");
    assert!(!signer.sign().is_200("/readyz"), "not ready");
    assert!(signer.sign().is_200("/healthz"), "alive all the same");
    let (_, status) = signer.admin().get("/v1/status");
    assert_eq!(status["keysets"][0]["conditions"][0]["type"], "StoreUnreadable", "{status}");

    bao.start_again();
    signer.wait_until_ready();
    assert_eq!(deployment::mint(&signer).1["key_id"], next);
}
