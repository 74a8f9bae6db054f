//! A live deployment's key file is taken over while others go on signing with its key.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};
use support::forged::forge;
use support::livekit::LiveKit;
use support::openbao::OpenBao;

const OLD: &str = "APIold";
const OLD_SECRET: &str = "a-secret-that-a-service-was-given-long-ago";
const OTHERS: usize = 199;

/// As people write them: unquoted digits, a short secret, comments, another order than by id.
fn live_key_file() -> String {
    let mut text =
        format!("# by hand\nAPIzz: 12345678901234567890123456789012\n{OLD}: {OLD_SECRET}\nAPIshort: short\n");
    for number in 0..OTHERS - 2 {
        text.push_str(&format!("APIother{number:03}: some-other-secret-of-forty-characters-{number:03}\n"));
    }
    text
}

fn write_key_file(path: &Path, text: &str) {
    fs::write(path, text).expect("a key file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

fn import(daemon: &Daemon, file: &Path, key: &str) -> (Option<i32>, String) {
    let (file, socket) = (file.to_str().expect("text"), daemon.folder().join("admin.sock"));
    let socket = socket.to_str().expect("text");
    let arguments = ["--admin-socket", socket, "import", "apps", "--key-file", file, "--key", key];
    let done = daemon.run(&arguments);
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn others_sign_on_with_the_key_until_it_is_released_and_no_join_fails() {
    let bao = OpenBao::start();
    let rules = format!("rotation_period = \"3s\"\n{QUICK_RULES}");
    let mut daemon = deployment::with_token(&bao, &deployment::config(&bao, "both", &rules));
    write_key_file(&deployment::key_file(&daemon), &live_key_file());
    let mut livekit = LiveKit::start(&deployment::key_file(&daemon));
    assert!(livekit.accepts(&forge(OLD, OLD_SECRET)), "the deployment lives");
    daemon.start_again();
    let given = daemon.folder().join("given.yaml");
    write_key_file(&given, &live_key_file());

    let (code, said) = import(&daemon, &given, "APInobody");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("has no APInobody"), "{said}");
    let (code, said) = import(&daemon, &given, OLD);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("199 other keys stay published") && said.contains("APIshort"), "{said}");
    assert!(!said.contains(OLD_SECRET), "no secret is shown");
    let (code, again) = import(&daemon, &given, OLD);
    assert_eq!(code, Some(1), "a keyset is imported once: {again}");

    eventually(PATIENCE, "two standbys are proven", || {
        let keys = deployment::keyset(&daemon)["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().filter(|key| key["phase"] == "standby" && !key["proven_at"].is_null()).count() == 2
    });
    eventually(PATIENCE, "a firing is due, and the held key is not rotated away", || {
        assert!(livekit.accepts(&forge(OLD, OLD_SECRET)), "the service goes on");
        let (status, minted) = deployment::mint(&daemon);
        assert_eq!((status, minted["key_id"].as_str()), (201, Some(OLD)), "{minted}");
        assert!(livekit.accepts(minted["token"].as_str().expect("a token")));
        let plan = daemon.admin().get("/v1/plan").1;
        let blocked = plan["blocked"].as_array().cloned().unwrap_or_default();
        blocked.iter().any(|blocked| blocked["rule"] == "fire" && blocked["reason"] == "hold")
    });
    let published = deployment::keys(&daemon);
    let before: BTreeMap<_, _> = deployment::keys_in(&given);
    let kept = before.iter().filter(|(id, secret)| published.get(*id) == Some(secret)).count();
    assert_eq!((kept, published.len()), (200, 202), "all that there was, and two standbys");
    let text = fs::read_to_string(deployment::key_file(&daemon)).expect("the key file");
    let place = |id: &str| text.find(&format!("\"{id}\"")).expect("published");
    assert!(place("APIzz") > place(OLD), "unmanaged keys are listed last");

    // As the operators would at the next chance: LiveKit is to know the standbys before one of them signs.
    livekit.restart();
    let (status, told) = daemon.admin().post("/v1/keysets/apps/resume", &json!({}));
    assert_eq!(status, 202, "{told}");
    eventually(PATIENCE, "it is rotated away like any other", || {
        deployment::active(&daemon).is_some_and(|active| active != OLD)
    });
    eventually(PATIENCE, "and leaves what is published", || !deployment::keys(&daemon).contains_key(OLD));
    assert!(deployment::keys(&daemon).contains_key("APIshort"), "unmanaged keys stay");
}

#[test]
fn what_is_no_key_file_is_refused_without_a_word_of_its_content() {
    let bao = OpenBao::start();
    let daemon = deployment::start(&bao, "both", &format!("rotation_period = \"1000h\"\n{QUICK_RULES}"));
    let given = daemon.folder().join("given.yaml");
    let cases = [
        (format!("{OLD}: {OLD_SECRET}\n{OLD}: {OLD_SECRET}\n"), "a second time"),
        (format!("keys:\n  {OLD}: {OLD_SECRET}\n"), "not of the form"),
        (format!("- {OLD_SECRET}\n"), "not of the form"),
        (format!("{OLD}: \" {OLD_SECRET}\"\n"), "begins or ends with a space"),
        (format!("{OLD}: \"\"\n"), "empty"),
        (String::new(), "has no"),
    ];
    for (text, why) in cases {
        write_key_file(&given, &text);
        let (code, said) = import(&daemon, &given, OLD);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why) && !said.contains(OLD_SECRET), "{why}: {said}");
    }
    assert_eq!(deployment::keyset(&daemon)["seq"], json!(null), "nothing was created");
}
