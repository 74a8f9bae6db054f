//! A keyset whose keys others make: real OpenBao, a source that the test writes, a real livekit-server.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually};
use support::livekit::LiveKit;
use support::openbao::OpenBao;
use support::policies;

const SOURCE: &str = "cloud/livekit";
const RULES: &str = "\
    max_token_ttl = \"1s\"\n\
    clock_skew = \"50ms\"\n\
    refresh_interval = \"100ms\"\n\
    overlap = \"1300ms\"\n\
    activation_lead = \"700ms\"\n\
    publish_delay = \"800ms\"\n";
/// What lies between a key's arrival at the source and its first token, at least: the delay, a skew, and the lead.
const WAITS: Duration = Duration::from_millis(800 + 50 + 700);
const LONGER_THAN_THE_OVERLAP: Duration = Duration::from_millis(2600);

fn secret(id: &str) -> String {
    format!("{id}-has-this-secret-and-no-other-one")
}

/// What the owner of the source does.
fn put(bao: &OpenBao, id: &str) {
    put_with(bao, id, &secret(id));
}

fn put_with(bao: &OpenBao, id: &str, secret: &str) {
    let fields = json!({"api_key": id, "api_secret": secret, "project": "demo"});
    bao.succeed("POST", &format!("secret/data/{SOURCE}"), &json!({ "data": fields }));
}

fn external(bao: &OpenBao) -> String {
    let rules = format!("mode = \"external\"\nsource = \"{SOURCE}\"\n{RULES}");
    deployment::config(bao, "both", &rules)
}

/// Mints a token, which is one of a key's secret, and says of which.
fn mint(daemon: &Daemon) -> String {
    let (status, minted) = deployment::mint(daemon);
    assert_eq!(status, 201, "{minted}");
    let id = minted["key_id"].as_str().expect("a key").to_owned();
    let key = DecodingKey::from_secret(secret(&id).as_bytes());
    let mut validation = Validation::default();
    validation.set_issuer(&[&id]);
    let token = minted["token"].as_str().expect("a token");
    jsonwebtoken::decode::<Value>(token, &key, &validation).expect("a token of that key");
    id
}

/// Mints until another key signs, and says how long that took. Nobody is refused meanwhile.
fn until_it_signs(daemon: &Daemon, id: &str, before: &str) -> Duration {
    let began = Instant::now();
    daemon.admin().post("/v1/refresh", &json!({}));
    eventually(PATIENCE, &format!("{id} signs"), || {
        let signs = mint(daemon);
        assert!([id, before].contains(&signs.as_str()), "{signs} signs");
        signs == id
    });
    began.elapsed()
}

fn goes_on_signing(daemon: &Daemon, id: &str) {
    let began = Instant::now();
    while began.elapsed() < LONGER_THAN_THE_OVERLAP {
        assert_eq!(mint(daemon), id);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for a condition of the keyset and returns its message.
fn condition(daemon: &Daemon, kind: &str) -> String {
    daemon.admin().post("/v1/refresh", &json!({}));
    support::eventually::value(PATIENCE, kind, || {
        let keyset = deployment::keyset(daemon);
        let found = keyset["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)?;
        assert_eq!(found["degraded"], true);
        Some(found["message"].as_str()?.to_owned())
    })
}

fn no_condition(daemon: &Daemon) {
    eventually(PATIENCE, "no condition is left", || {
        deployment::keyset(daemon)["conditions"].as_array().is_some_and(Vec::is_empty)
    });
}

#[test]
fn keys_of_a_source_sign_in_their_turn_and_the_source_is_never_written() {
    let bao = OpenBao::start();
    let mut daemon = deployment::with_token(&bao, &external(&bao));
    daemon.start_again();
    daemon.init("apps");
    assert!(condition(&daemon, "SourceUnreadable").contains("nothing lies at the source cloud/livekit"));

    put(&bao, "APIone");
    daemon.admin().post("/v1/refresh", &json!({}));
    daemon.wait_until_ready();
    assert_eq!(mint(&daemon), "APIone");
    no_condition(&daemon);

    put(&bao, "APItwo");
    let took = until_it_signs(&daemon, "APItwo", "APIone");
    assert!(took >= WAITS, "{took:?}");
    let keyset = deployment::keyset(&daemon);
    assert_eq!((&keyset["external"], &keyset["source"]["key_id"]), (&json!(true), &json!("APItwo")));

    put(&bao, "APIone");
    let told = condition(&daemon, "SourceRefused");
    assert!(told.contains("went back to APIone") && told.contains("APItwo goes on signing"), "{told}");
    goes_on_signing(&daemon, "APItwo");
    put_with(&bao, "APItwo", "another-secret-under-an-id-that-signs");
    eventually(PATIENCE, "the other secret is told", || {
        condition(&daemon, "SourceRefused").contains("another secret for APItwo")
    });

    bao.succeed("DELETE", &format!("secret/data/{SOURCE}"), &Value::Null);
    assert!(condition(&daemon, "SourceUnreadable").contains("deleted"));
    goes_on_signing(&daemon, "APItwo");

    put(&bao, "APIthree");
    until_it_signs(&daemon, "APIthree", "APItwo");
    no_condition(&daemon);
    daemon.admin().post("/v1/refresh", &json!({}));
    eventually(PATIENCE, "no copy of the old secrets is left", || {
        let versions = deployment::all_versions(&bao);
        versions.contains(&secret("APIthree"))
            && !["APIone", "APItwo"].iter().any(|id| versions.contains(&secret(id)))
    });
    let metadata = bao.succeed("GET", &format!("secret/metadata/{SOURCE}"), &Value::Null);
    assert_eq!(metadata["data"]["current_version"], 5, "what the test wrote, and nobody else");
    let versions = metadata["data"]["versions"].as_object().expect("versions");
    assert!(versions.values().all(|version| version["destroyed"] == false), "{metadata}");
    assert_eq!(metadata["data"]["cas_required"], false, "nor were its settings changed");
    assert!(deployment::keys(&daemon).is_empty(), "what others publish is not published here");
}

#[test]
fn operators_are_told_that_others_make_the_keys_and_the_printed_policy_is_enough() {
    let bao = OpenBao::start();
    put(&bao, "APIone");
    let mut daemon = Daemon::new(&external(&bao));
    policies::put(&bao, daemon.folder(), &external(&bao), &[], &json!({}));
    let request = json!({"policies": ["livekit-keyd-rotator"], "no_default_policy": true});
    let made = bao.succeed("POST", "auth/token/create", &request);
    let token = made["auth"]["client_token"].as_str().expect("a token");
    fs::write(daemon.folder().join("token"), token).expect("the token is written");
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    let admin = daemon.admin();
    for (call, body) in [
        ("rotate", json!({})),
        ("keys/APIone/activate", json!({})),
        ("revoke", json!({"reason": "it leaked"})),
        ("import", json!({"key_file": "APIx: a-secret-of-somebody-else-entirely", "key": "APIx"})),
    ] {
        let (status, answer) = admin.post(&format!("/v1/keysets/apps/{call}"), &body);
        assert_eq!(status, 409, "{call}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|told| told.contains("made by others")), "{answer}");
    }

    // A key that leaked goes as soon as its owner has put another there, without any lead.
    let (status, answer) = admin.post("/v1/keysets/apps/keys/APIone/revoke", &json!({"reason": "it leaked"}));
    assert_eq!(status, 202, "{answer}");
    assert!(answer["waiting"].is_string(), "{answer}");
    assert_eq!(mint(&daemon), "APIone");
    put(&bao, "APItwo");
    until_it_signs(&daemon, "APItwo", "APIone");
    put(&bao, "APIone");
    assert!(condition(&daemon, "SourceRefused").contains("which was revoked"));
    assert_eq!(mint(&daemon), "APItwo");

    eventually(PATIENCE, "the revoked key's copy is erased", || {
        !deployment::all_versions(&bao).contains(&secret("APIone"))
    });
    let log = daemon.log().text();
    assert!(!log.contains("it answers 403") && !log.contains("permission denied"), "{log}");
    let config = daemon.config();
    let checked = daemon.run(&["check", "--online", "--config", config.to_str().expect("a path is text")]);
    let told = String::from_utf8_lossy(&checked.stdout);
    for part in ["source of keyset `apps`", "cloud/livekit has APIone", "may do all that a rotator does"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains("which no rotator needs"), "{told}");
}

/// A rotator that took one mode for the other would publish keys of others, or give up its own.
#[test]
fn a_document_is_of_one_mode_for_ever() {
    let bao = OpenBao::start();
    put(&bao, "APIone");
    let mut daemon = deployment::with_token(&bao, &external(&bao));
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    daemon.terminate();
    daemon.write_config(&deployment::config(&bao, "both", RULES));
    daemon.start_again();
    assert!(condition(&daemon, "DocumentUnreadable").contains("was made with mode = \"external\""));
    assert_eq!(mint(&daemon), "APIone");
    assert!(deployment::keys(&daemon).is_empty(), "nothing is published or made");
}

#[test]
fn a_restored_document_is_accepted_and_follows_its_source_again() {
    let bao = OpenBao::start();
    put(&bao, "APIone");
    let mut daemon = deployment::with_token(&bao, &external(&bao));
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    let document = || bao.succeed("GET", "secret/data/livekit/apps", &Value::Null)["data"].clone();
    let old = document()["data"].clone();
    put(&bao, "APItwo");
    until_it_signs(&daemon, "APItwo", "APIone");

    eventually(PATIENCE, "the old document is in its place", || {
        let restored = json!({"data": old, "options": {"cas": document()["metadata"]["version"]}});
        bao.call("POST", "secret/data/livekit/apps", &restored).status == 200
    });
    assert!(condition(&daemon, "DocumentUnreadable").contains("the store went back"));
    assert_eq!(mint(&daemon), "APItwo", "the last good document is used");
    let (status, answer) = daemon.admin().post("/v1/keysets/apps/accept-restored", &json!({}));
    assert_eq!(status, 202, "{answer}");
    until_it_signs(&daemon, "APItwo", "APIone");
    no_condition(&daemon);
}

fn write_keys(file: &Path, ids: &[&str]) {
    let lines: String = ids.iter().map(|id| format!("{id}: {}\n", secret(id))).collect();
    fs::write(file, lines).expect("a key file");
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("a mode");
}

#[test]
fn a_key_of_the_source_waits_until_livekit_takes_it() {
    let bao = OpenBao::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.yaml");
    write_keys(&file, &["APIone"]);
    let mut livekit = LiveKit::start(&file);
    put(&bao, "APIone");
    let nodes = format!(
        "[livekit]\nnodes = [\"{}\"]\nprobe_interval = \"200ms\"\nprobe_timeout = \"200ms\"\n",
        livekit.url()
    );
    let config = external(&bao).replace("[livekit]\nproof = \"disabled\"\n", &nodes);
    let mut daemon = deployment::with_token(&bao, &config);
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    let accepted = |daemon: &Daemon, livekit: &LiveKit| {
        livekit.accepts(deployment::mint(daemon).1["token"].as_str().expect("a token"))
    };
    assert!(accepted(&daemon, &livekit));

    put(&bao, "APItwo");
    daemon.admin().post("/v1/refresh", &json!({}));
    eventually(PATIENCE, "the plan says what it waits for", || {
        let (_, plan) = daemon.admin().get("/v1/plan");
        plan["blocked"].to_string().contains("does not know APItwo yet")
    });
    goes_on_signing(&daemon, "APIone");
    assert!(condition(&daemon, "RotationBlocked").contains("waits"));

    // A secret that was copied wrong is never signed with, and may be put right while it was not.
    put_with(&bao, "APItwo", "a-secret-that-livekit-does-not-know-APItwo-by");
    write_keys(&file, &["APItwo", "APIone"]);
    livekit.restart();
    daemon.admin().post("/v1/refresh", &json!({}));
    eventually(PATIENCE, "the plan says that the secret is another", || {
        let (_, plan) = daemon.admin().get("/v1/plan");
        plan["blocked"].to_string().contains("has another secret for APItwo")
    });
    goes_on_signing(&daemon, "APIone");
    put(&bao, "APItwo");
    until_it_signs(&daemon, "APItwo", "APIone");
    assert!(accepted(&daemon, &livekit));
    no_condition(&daemon);

    write_keys(&file, &["APIone"]);
    livekit.restart();
    assert!(condition(&daemon, "NodeLacksKey").contains("until its owner has given that node the key"));
    assert_eq!(mint(&daemon), "APItwo", "a commitment is not withdrawn");
}

/// The document for dependents that one livekit-keyd publishes is a source for another.
#[test]
fn what_another_keyd_publishes_can_be_followed() {
    let bao = OpenBao::start();
    let owner = deployment::start(&bao, "rotator", &format!("publish_client = true\n{RULES}"));
    owner.init("apps");
    let follower = external(&bao)
        .replace(SOURCE, "livekit/apps/client")
        .replace("path = \"livekit/apps\"", "path = \"livekit/followed\"")
        .replace("[livekit]\n", "[livekit]\npath = \"livekit/elsewhere\"\n");
    let mut follower = deployment::with_token(&bao, &follower);
    follower.start_again();
    follower.init("apps");
    let signs = || deployment::mint(&follower).1["key_id"].as_str().map(str::to_owned);
    eventually(PATIENCE, "the follower signs with the owner's key", || {
        follower.admin().post("/v1/refresh", &json!({}));
        signs().is_some() && signs() == deployment::active(&owner)
    });
    let first = signs();
    owner.admin().post("/v1/keysets/apps/rotate", &json!({}));
    eventually(PATIENCE, "and with the next one", || {
        follower.admin().post("/v1/refresh", &json!({}));
        signs() != first && signs() == deployment::active(&owner)
    });
}
