//! A compromise on a real OpenBao: one command, and the key is used no more, believed no more, and nowhere.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};
use support::openbao::OpenBao;

fn steady(bao: &OpenBao) -> Daemon {
    let daemon = deployment::start(bao, "both", &format!("rotation_period = \"1000h\"\n{QUICK_RULES}"));
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    daemon
}

fn minted(daemon: &Daemon) -> (String, String) {
    let (status, minted) = deployment::mint(daemon);
    assert_eq!(status, 201, "{minted}");
    let text = |name: &str| minted[name].as_str().expect("text").to_owned();
    (text("key_id"), text("token"))
}

fn verified(daemon: &Daemon, token: &str) -> Value {
    daemon.sign().post("/v1/tokens/verify", &json!({ "token": token })).1
}

#[test]
fn the_next_standby_signs_at_once_and_the_key_is_believed_and_kept_nowhere() {
    let bao = OpenBao::start();
    let daemon = steady(&bao);
    let (bad, token) = minted(&daemon);
    let secret = deployment::keys(&daemon)[&bad].clone();
    assert!(deployment::all_versions(&bao).contains(&secret), "a search that finds nothing proves nothing");
    assert_eq!(verified(&daemon, &token)["active"], true);

    let began = Instant::now();
    let path = format!("/v1/keysets/apps/keys/{bad}/revoke");
    let (status, told) = daemon.admin().post(&path, &json!({"reason": "seen in a log"}));
    assert_eq!(status, 202, "{told}");
    assert_eq!(told["revoked"], json!([bad]));
    assert_eq!(told["waiting"], Value::Null);
    assert!(told["used"][0]["tokens_issued"].as_u64() >= Some(1), "{told}");
    let (now, _) = minted(&daemon);
    assert_eq!(told["signs_with"], json!(now));
    assert_ne!(now, bad);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(verified(&daemon, &token)["active"], false, "a token of the key is not believed any more");

    eventually(PATIENCE, "what is published lacks the key", || !deployment::keys(&daemon).contains_key(&bad));
    deployment::wait_until_steady(&daemon);
    eventually(PATIENCE, "its secret is in no version of any path", || {
        !deployment::all_versions(&bao).contains(&secret)
    });
    assert!(!daemon.log().text().contains(&secret));

    let (status, again) = daemon.admin().post(&path, &json!({"reason": "seen in a log"}));
    assert_eq!(status, 409, "once is enough: {again}");
    let (status, why) = daemon.admin().post(&path, &json!({"reason": " "}));
    assert_eq!(status, 400, "{why}");
}

#[test]
fn without_a_proven_standby_the_key_goes_when_there_is_one_unless_an_outage_is_accepted() {
    let bao = OpenBao::start();
    let slow = QUICK_RULES.replace("publish_delay = \"100ms\"", "publish_delay = \"4s\"");
    let daemon = deployment::start(&bao, "both", &format!("rotation_period = \"1000h\"\n{slow}"));
    daemon.init("apps");
    deployment::wait_until_steady(&daemon);
    for _ in 0..2 {
        // Each takes one of the two standbys; new ones are not proven yet.
        let (key, _) = minted(&daemon);
        let (status, told) =
            daemon.admin().post(&format!("/v1/keysets/apps/keys/{key}/revoke"), &json!({"reason": "test"}));
        assert_eq!((status, &told["waiting"]), (202, &Value::Null), "{told}");
    }
    let (last, _) = minted(&daemon);
    let path = format!("/v1/keysets/apps/keys/{last}/revoke");
    let (status, told) = daemon.admin().post(&path, &json!({"reason": "test"}));
    assert_eq!(status, 202, "{told}");
    assert!(told["waiting"].as_str().is_some_and(|why| why.contains("--now")), "{told}");
    assert_eq!(told["signs_with"], json!(last), "it signs until another can");
    eventually(PATIENCE, "a standby is proven, and the key goes", || minted(&daemon).0 != last);
    deployment::wait_until_steady(&daemon);
    assert!(!deployment::keys(&daemon).contains_key(&last));
}

#[test]
fn all_keys_go_and_new_ones_come_without_a_step_by_hand() {
    let bao = OpenBao::start();
    let daemon = steady(&bao);
    let before: BTreeSet<String> = deployment::keys(&daemon).into_keys().collect();
    let asked = daemon.run(&["revoke", "apps", "--all", "--reason", "keys.yaml leaked"]);
    assert_eq!(asked.status.code(), Some(2), "nobody could be asked");
    assert_eq!(deployment::keys(&daemon).into_keys().collect::<BTreeSet<_>>(), before);

    let socket = daemon.folder().join("admin.sock");
    let socket = socket.to_str().expect("text");
    let arguments =
        ["--admin-socket", socket, "revoke", "apps", "--all", "--reason", "keys.yaml leaked", "--yes"];
    let done = daemon.run(&arguments);
    let page = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{page}{}", String::from_utf8_lossy(&done.stderr));
    for key in &before {
        assert!(page.contains(key), "{key} is named: {page}");
    }
    eventually(PATIENCE, "a new key signs", || {
        deployment::active(&daemon).is_some_and(|key| !before.contains(&key))
    });
    deployment::wait_until_steady(&daemon);
    let after: BTreeSet<String> = deployment::keys(&daemon).into_keys().collect();
    assert!(after.is_disjoint(&before), "{after:?}");
}
